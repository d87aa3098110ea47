/**
 * The flow engine beside a plain Node-RED 5 with the same flow (printer-line, its serial port a pseudo terminal, its GPIO
 * simulated, its MQTT broker in this process): time from the start to running flows, resident memory at rest, and reports
 * per second from lines on the serial port to acknowledged on the gateway's disk; and how long machines wait for their
 * PUBACK while the engine restarts. The plain one is Node-RED as it comes,
 * with the editor, the same palette, and a gateway without a flow engine to report to.
 *
 *     bin/node test/bench/flow-engine.ts [--quick] [--rounds N]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Aedes } from 'aedes';
import { PtyDevice } from '../support/pty.ts';
import { freePort, temporaryFolder } from '../support/temporary.ts';
import { type Bench, benchmark, median } from './support/bench.ts';
import { type Configuration, GatewayProcess } from './support/gateway.ts';
import { load } from './support/load.ts';
import { PlainNodeRed } from './support/plain-node-red.ts';
import { residentBytes } from './support/processes.ts';

const megabyte = 1_000_000;
const root = join(import.meta.dirname, '../..');
const folder = temporaryFolder('holdfast-flows-');
const client = { username: 'plain', password: 'secret', serials: ['*'], allow: ['report', 'authorize', 'query'] };

await benchmark(async (bench) => {
  const broker = await lineBroker();
  const device = new PtyDevice(folder.file('printer'));
  await device.plug();
  const flow = siteFlow({ SERIAL_PORT: device.uri, LINE_BROKER_PORT: String(broker.port), GPIO_CHIP: 'sim:panel' });
  const ours = await GatewayProcess.prepare({ flows: { initial: flow } });
  const beside = await GatewayProcess.start({ mqtt: mqttWith(await freePort()) });
  const { username, password } = client;
  const box = { socket: join(beside.dataFolder, 'secrets', 'flows.sock'), username, password };
  const plain = new PlainNodeRed({ folder: folder.path, flow, box, port: await freePort() });

  const starts = await bench.alternate(bench.rounds(5), {
    ours: async () => {
      await ours.kill();
      return startBoth(ours);
    },
    plain: async () => {
      await plain.end();
      return plain.start();
    },
  });
  bench.compare({
    name: 'start to running flows, gateway and engine',
    unit: 'ms',
    ours: starts.ours,
    beside: 'plain Node-RED alone',
    theirs: starts.plain,
    target: { atMost: 2 },
  });
  await plain.end();
  await ours.kill();
  await compareMemory(bench, ours, plain);

  await compareAcknowledgement(bench, ours);

  // Fewer than a report node lets wait (10,000): Node-RED cannot slow a source down.
  const lines = bench.pick(8000, 1000);
  const rates = await bench.alternate(bench.rounds(3), {
    ours: async () => {
      await plain.end();
      if (!ours.isRunning) await startBoth(ours);
      return linesPerSecond(device, ours, lines);
    },
    plain: async () => {
      await ours.kill();
      await plain.start();
      return linesPerSecond(device, beside, lines);
    },
  });
  bench.compare({
    name: 'serial lines to acknowledged reports',
    unit: 'reports/s',
    ours: rates.ours,
    beside: 'plain Node-RED',
    theirs: rates.plain,
  });
  await plain.end();
  await Promise.all([ours.remove(), beside.remove(), device.unplug()]);
  await broker.close();
  folder.remove();
});

async function compareMemory(bench: Bench, ours: GatewayProcess, plain: PlainNodeRed): Promise<void> {
  const restMs = bench.pick(90_000, 3000);
  const figures = { gateway: [] as number[], engine: [] as number[], both: [] as number[], plain: [] as number[] };
  for (let round = 0; round < bench.rounds(3); round++) {
    // One serial port: the two rest one after the other.
    await startBoth(ours);
    await sleep(restMs);
    const [gateway, engine] = [ours.residentBytes() / megabyte, residentBytes(await enginePid(ours)) / megabyte];
    figures.gateway.push(gateway);
    figures.engine.push(engine);
    figures.both.push(gateway + engine);
    await ours.kill();
    await plain.start();
    await sleep(restMs);
    figures.plain.push(residentBytes(plain.pid) / megabyte);
    await plain.end();
  }
  const unit = 'MB';
  bench.state({ name: 'memory of the gateway beside its engine', unit, ours: figures.gateway });
  bench.compare({
    name: 'memory of the flow engine, headless, printer-line',
    unit,
    ours: figures.engine,
    beside: 'plain Node-RED',
    theirs: figures.plain,
  });
  bench.state({ name: 'memory of the flow engine', unit, ours: [median(figures.engine)], target: { atMost: 100 } });
  bench.state({ name: 'memory of both', unit, ours: [median(figures.both)], target: { atMost: 175 } });
}

/** How long machines wait for PUBACK while the engine runs, and while it is killed and starts again. */
async function compareAcknowledgement(bench: Bench, gateway: GatewayProcess): Promise<void> {
  const port = gateway.mqttPort;
  const measure = async () => {
    const seconds = bench.pick(4, 1);
    return (await load({ port, clients: 2, inflight: 1, seconds, warmup: 0.5, replies: true })).latencyMs.p99;
  };
  // The pauses before restarts grow: each round begins with a gateway that has seen none.
  const anew = async () => {
    await gateway.kill();
    await startBoth(gateway);
    await sleep(1500);
  };
  const times = await bench.alternate(bench.rounds(5), {
    calm: async () => {
      await anew();
      return measure();
    },
    restarting: async () => {
      await anew();
      // Killed again as soon as it runs: it is starting nearly all the time.
      const isOver = new AbortController();
      const killing = killAgainAndAgain(gateway, isOver.signal);
      const p99 = await measure();
      isOver.abort();
      await killing;
      return p99;
    },
  });
  bench.compare({
    name: 'PUBACK, 99 %, while the flow engine restarts',
    unit: 'ms',
    ours: times.restarting,
    beside: 'while it runs',
    theirs: times.calm,
    target: { atMost: 2 },
  });
}

async function killAgainAndAgain(gateway: GatewayProcess, isOver: AbortSignal): Promise<void> {
  while (!isOver.aborted) {
    const { state, pid } = await flowState(gateway);
    if (state === 'running' && pid !== undefined) process.kill(pid, 'SIGKILL');
    await sleep(50);
  }
}

/** Resolves with the milliseconds from the start of the process to a gateway that is ready and flows that run. */
async function startBoth(gateway: GatewayProcess): Promise<number> {
  const started = performance.now();
  await gateway.start();
  while ((await flowState(gateway)).state !== 'running') await sleep(2);
  return performance.now() - started;
}

async function flowState(gateway: GatewayProcess): Promise<{ state: string; pid?: number }> {
  return ((await gateway.health()) as { flows: { state: string; pid?: number } }).flows;
}

async function enginePid(gateway: GatewayProcess): Promise<number> {
  const { pid } = await flowState(gateway);
  if (pid === undefined) throw new Error('the flow engine does not run');
  return pid;
}

/** Writes as fast as the port takes it, until all of it is on the gateway's disk. */
async function linesPerSecond(device: PtyDevice, gateway: GatewayProcess, count: number): Promise<number> {
  // The node opens its port a moment after the flow has started.
  await sleep(1500);
  const before = (await gateway.counts()).accepted;
  const started = performance.now();
  for (let index = 0; index < count; index++) if (!device.send(reportLine(index))) await device.drained();
  while ((await gateway.counts()).accepted - before < count) await sleep(5);
  return count / ((performance.now() - started) / 1000);
}

function reportLine(index: number): string {
  const time = '2026-11-21 10:00:00';
  const machine = { 序列号: 'sn000001', 机器型号: 'P440', 机器名称: '重庆1号机', 地址: '中国重庆市沙坪坝25号' };
  return `${JSON.stringify({ ...machine, 报文时间: time, 设备状态: '初始化成功', 上电时间: time, 序号: index })}\n`;
}

/** printer-line with the settings of this site, as a file. */
function siteFlow(settings: Readonly<Record<string, string>>): string {
  const nodes = JSON.parse(readFileSync(join(root, 'flows/printer-line/flows.json'), 'utf8')) as {
    type: string;
    env?: { name: string; value: string }[];
  }[];
  for (const { type, env } of nodes) {
    if (type === 'tab') for (const each of env ?? []) each.value = settings[each.name] ?? each.value;
  }
  const file = folder.file('flows.json');
  writeFileSync(file, JSON.stringify(nodes));
  return file;
}

function mqttWith(port: number): Configuration[string] {
  return { host: '127.0.0.1', port, anonymous: true, ratePerClient: 0, clients: [client] };
}

async function lineBroker(): Promise<{ port: number; close(): Promise<void> }> {
  const aedes = await Aedes.createBroker();
  const server = createServer(aedes.handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    close: () => new Promise<void>((resolve) => aedes.close(() => server.close(() => resolve()))),
  };
}
