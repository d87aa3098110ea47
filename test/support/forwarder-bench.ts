import * as assert from 'uvu/assert';
import { Alarms } from '../../src/alarms.ts';
import { createCounters } from '../../src/metrics.ts';
import { nodeFileSystem, silentLogger } from '../../src/platform/index.ts';
import { type LaneName, Spool, type SpoolOptions } from '../../src/spool/index.ts';
import { Forwarder, type ForwarderOptions } from '../../src/uplink/index.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { ScriptedTransport } from './scripted-transport.ts';
import { temporaryFolder } from './temporary.ts';
import { pause, until } from './until.ts';

/** A forwarder over a real spool in a temporary folder, with a clock and a link that the test moves. */
export async function forwarderBench(options: Partial<ForwarderOptions> = {}, spoolFolder?: string) {
  const clock = new ManualClock();
  const folder = spoolFolder ?? temporaryFolder().path;
  const log = { quotaBytes: 64 * 1024 * 1024, whenFull: 'reject', syncEveryMs: 0 } as const;
  const transport = new ScriptedTransport();
  const alarms = new Alarms({ clock, logger: silentLogger });
  const counters = createCounters();
  let forwarder: Forwarder | undefined;
  const spoolOptions: SpoolOptions = {
    folder,
    fileSystem: nodeFileSystem,
    clock,
    logger: silentLogger,
    segmentBytes: 1024 * 1024,
    logs: { alarm: log, state: log, process: log, bulk: log, deferred: log, quarantine: log, refused: log },
    repeatWindow: { durationMs: 600_000, capacity: 1024 },
    indexed: { channel: 'device_base_info', lane: 'state' },
    events: { onStored: (name) => forwarder?.onStored(name) },
  };
  const spool = new Spool(spoolOptions);
  await spool.open();
  forwarder = new Forwarder({
    spool,
    transport,
    clock,
    logger: silentLogger,
    alarms,
    counters,
    gatewayId: 'gw',
    acknowledge: 'stored',
    window: 8,
    receiptTimeoutMs: 3000,
    weights: { alarm: 8, state: 4, process: 2, bulk: 1 },
    stateOf: (channel, body) =>
      channel === 'device_process_info'
        ? (JSON.parse(Buffer.from(body).toString()) as { 设备状态?: string }).设备状态
        : undefined,
    ...options,
  });
  await forwarder.start();
  let count = 0;
  return {
    clock,
    folder,
    transport,
    alarms,
    counters,
    spool,
    forwarder,
    /** Stores reports of a machine, one after the other. */
    async store(
      serial: string,
      many = 1,
      lane: LaneName = 'process',
      channel = 'device_process_info',
      extra: object = {},
    ) {
      const sequences: number[] = [];
      for (let index = 0; index < many; index++) {
        const payload = Buffer.from(JSON.stringify({ 序列号: serial, n: count++, ...extra }));
        sequences.push(await spool.append(lane, { channel, serial, payload }));
      }
      await settle();
      return sequences;
    },
    sequences: () => transport.sent.map(({ sequence }) => sequence),
    async close() {
      await forwarder.stop();
      await spool.close();
    },
  };
}

/** Waits, in real time, for what the disk has to do first. */
export async function waitFor(condition: () => boolean): Promise<void> {
  await until(condition);
}

/** Waits until nothing more is sent for a while: reading again what waits takes real time. */
export async function quiet(bench: { transport: { sent: readonly unknown[] } }): Promise<void> {
  for (let before = -1; before !== bench.transport.sent.length; ) {
    before = bench.transport.sent.length;
    await rest();
  }
}

/** Real time enough for all that the disk has to do, when a test wants to see what comes of it, or that nothing does. */
export async function rest(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    await settle();
    await pause(5);
  }
  await settle();
}

/** Lets time pass, and the disk work, until something holds. */
export async function passUntil(
  bench: { clock: { advanceGently(ms: number): Promise<void> } },
  condition: () => boolean,
  limitMs = 120_000,
): Promise<void> {
  for (let passed = 0; passed < limitMs && !condition(); passed += 500) {
    await bench.clock.advanceGently(500);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(condition(), `not within ${limitMs} ms`);
}
