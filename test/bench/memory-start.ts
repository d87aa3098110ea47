/**
 * What a backlog of 1,000,000 reports costs: resident memory of the same gateway process before and after they came
 * over MQTT at full speed with the uplink away, and the time from the start of the process to 200 on /healthz with that
 * backlog beside a box without one, after an orderly stop and after kill -9.
 *
 *     bin/node test/bench/memory-start.ts [--quick] [--rounds N]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, benchmark, round } from './support/bench.ts';
import { GatewayProcess } from './support/gateway.ts';
import { load } from './support/load.ts';

const mebibyte = 1024 * 1024;

await benchmark(async (bench) => {
  const count = bench.pick(1_000_000, 10_000);
  const restMs = bench.pick(20_000, 2000);
  const full = await GatewayProcess.start();
  const empty = await GatewayProcess.start();
  await sleep(restMs);
  const before = full.residentBytes();
  // The gateway has said something itself: that anybody may publish. It does so again at each start.
  const own = (await full.counts()).pending;
  const result = await load({ port: full.mqttPort, clients: 16, inflight: 64, count, replies: true });
  const busy = full.residentBytes();
  await sleep(restMs);
  const after = full.residentBytes();
  const { pending } = await full.counts();
  if (pending !== own + count) throw new Error(`${pending - own} of ${count} reports wait`);

  const waiting = `${count.toLocaleString('en')} reports waiting`;
  const unit = 'MiB';
  bench.state({ name: 'memory with an empty spool', unit, ours: [before / mebibyte] });
  bench.state({ name: `memory with ${waiting}`, unit, ours: [after / mebibyte] });
  const growth = (after - before) / mebibyte;
  bench.state({ name: `growth of memory with ${waiting}`, unit, ours: [growth], target: { atMost: 16 } });
  bench.note(
    `${round(result.perSecond)} reports/s came in; ${round(busy / mebibyte)} MiB at their end, before the rest`,
  );

  await compareStarts(bench, 'kill -9', full, empty, count);
  await compareStarts(bench, 'stop', full, empty, count);
  await full.remove();
  await empty.remove();
});

/** Both are ended in the same way before each start. */
async function compareStarts(
  bench: Bench,
  how: 'kill -9' | 'stop',
  full: GatewayProcess,
  empty: GatewayProcess,
  count: number,
): Promise<void> {
  const restart = (gateway: GatewayProcess, expected: number) => async () => {
    await (how === 'stop' ? gateway.stop() : gateway.kill());
    const milliseconds = await gateway.start();
    const { pending } = await gateway.counts();
    if (pending < expected) throw new Error(`${pending} of ${expected} reports wait after a start`);
    return milliseconds;
  };
  if (how === 'stop') {
    // The first start still finds what the kill left.
    await restart(full, count)();
    await restart(empty, 0)();
  }
  const times = await bench.alternate(bench.rounds(5), { empty: restart(empty, 0), full: restart(full, count) });
  bench.compare({
    name: `start to /healthz 200 after ${how}`,
    unit: 'ms',
    ours: times.full,
    beside: 'the same with an empty spool',
    theirs: times.empty,
    target: { atMost: 1.3 },
  });
}
