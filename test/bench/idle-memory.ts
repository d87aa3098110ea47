/**
 * Resident memory of a gateway that rests: the built one, without flow engine, started anew each time on an empty spool
 * and left alone until the thread of its documents has ended; without an upstream, and with one that is away.
 *
 *     bin/node test/bench/idle-memory.ts [--quick] [--rounds N]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/temporary.ts';
import { benchmark, median, round } from './support/bench.ts';
import { type Configuration, GatewayProcess } from './support/gateway.ts';

const mebibyte = 1024 * 1024;
/** 85 MB are 81 MiB. */
const target = { atMost: 81 };

await benchmark(async (bench) => {
  const restMs = bench.pick(90_000, 2000);
  const rounds = bench.rounds(5);
  const away = { upstream: { url: `amqp://127.0.0.1:${await freePort()}` } };
  const sides: readonly [name: string, configuration: Configuration][] = [
    ['gateway without flow engine, no upstream', {}],
    ['gateway without flow engine, upstream away', away],
  ];
  for (const [name, configuration] of sides) {
    // They rest side by side: what each has resident does not depend on the others.
    const gateways = await Promise.all(Array.from({ length: rounds }, () => GatewayProcess.start(configuration)));
    const started = gateways.map((gateway) => gateway.residentBytes() / mebibyte);
    await sleep(restMs);
    const rested = gateways.map((gateway) => gateway.residentBytes() / mebibyte);
    for (const gateway of gateways) await gateway.remove();
    bench.state({ name: `${name}: resident memory at rest`, unit: 'MiB', ours: rested, target });
    bench.note(`${name}: ${round(median(started))} MiB right after the start`);
  }
});
