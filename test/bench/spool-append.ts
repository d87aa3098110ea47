/**
 * Durable appends of 512 bytes by 1, 16 and 256 producers at once: through the spool, as bare overwrites with fdatasync
 * of the same groups, and into node:sqlite. And how many bytes reach the device for each byte of payload, which is what
 * wears flash (device-bytes.ts).
 *
 * The spool in two states: `recycled`, as on a box with a working uplink, where every segment was full and done before;
 * and `fresh`, where the backlog grows and every segment is a new file. The targets are for the first.
 *
 *     bin/node test/bench/spool-append.ts [--quick] [--rounds N]
 */
import { temporaryFolder } from '../support/temporary.ts';
import type { DeviceBytes } from './device-bytes.ts';
import { type Bench, benchmark } from './support/bench.ts';
import { Program } from './support/processes.ts';
import { RawFile } from './support/raw-file.ts';
import { append, openSpool, Reports, recordBytes, recycle } from './support/spool.ts';
import { SqliteQueue } from './support/sqlite.ts';

const targets = [
  { producers: 1, raw: 0.9, sqlite: 1, bytes: 9 },
  { producers: 16, raw: 0.75, sqlite: 1, bytes: 2.5 },
  { producers: 256, raw: 0.3, sqlite: 1.2, bytes: 2.1 },
];

await benchmark(async (bench) => {
  for (const target of targets) await measureRates(bench, target);
  await measureBytes(bench);
});

async function measureRates(bench: Bench, { producers, raw, sqlite }: (typeof targets)[number]): Promise<void> {
  const folder = temporaryFolder('holdfast-bench-');
  const milliseconds = bench.pick(2000, 200);
  const spool = await openSpool(folder.file('recycled'));
  const bytes = producers * (await recordBytes(spool));
  await recycle(spool);
  const filesBefore = spool.status.logs.process.bytes;
  const rawFile = await RawFile.create(folder.file('raw'));
  const queue = new SqliteQueue(folder.file('sqlite'));
  const group = new Reports().take(producers);

  /** Messages per second of something that stores one group. */
  const groups = async (store: () => Promise<void> | void) => {
    let count = 0;
    const started = performance.now();
    while (performance.now() - started < milliseconds) {
      await store();
      count += producers;
    }
    return perSecond(count, started);
  };
  const rates = await bench.alternate(bench.rounds(7), {
    recycled: async () => {
      const started = performance.now();
      const until = started + milliseconds;
      return perSecond(
        await append(spool, { producers, goOn: () => performance.now() < until, acknowledge: true }),
        started,
      );
    },
    raw: () => groups(() => rawFile.writeGroup(bytes)),
    sqlite: () => groups(() => queue.insert(group)),
    fresh: async (round) => {
      const fresh = await openSpool(folder.file(`fresh-${round}`));
      const started = performance.now();
      const until = started + milliseconds;
      const count = await append(fresh, { producers, goOn: () => performance.now() < until, acknowledge: false });
      const rate = perSecond(count, started);
      await fresh.close();
      return rate;
    },
  });
  const filesAfter = spool.status.logs.process.bytes;
  if (filesAfter > filesBefore)
    bench.note(`${producers}: the recycled spool grew by ${filesAfter - filesBefore} bytes`);
  await spool.close();
  await rawFile.close();
  queue.close();
  folder.remove();

  const name = producers === 1 ? '1 producer' : `${producers} producers`;
  const common = { unit: 'messages/s' };
  const besideRaw = { ...common, beside: 'overwrite + fdatasync', theirs: rates.raw };
  const besideSqlite = { ...common, beside: 'node:sqlite', theirs: rates.sqlite };
  bench.compare({ ...besideRaw, name, ours: rates.recycled, target: { atLeast: raw } });
  bench.compare({ ...besideSqlite, name, ours: rates.recycled, target: { atLeast: sqlite } });
  bench.compare({ ...besideRaw, name: `${name}, fresh segments`, ours: rates.fresh });
  bench.compare({ ...besideSqlite, name: `${name}, fresh segments`, ours: rates.fresh });
}

async function measureBytes(bench: Bench): Promise<void> {
  const folder = temporaryFolder('holdfast-bench-');
  const script = new URL('device-bytes.ts', import.meta.url).pathname;
  const words = [script, '--folder', folder.path, ...bench.pick([], ['--quick'])];
  const command = ['--mount', '--propagation', 'private', '--', process.execPath, ...words];
  // A mount of its own name space is gone with the process, and the loop device with it, however the process ends.
  const measured = await new Program('unshare', command).json<DeviceBytes>().catch((error: Error) => {
    bench.note(`no file system of its own: ${error.message.split('\n').slice(0, 3).join(' ')}`);
    return new Program(process.execPath, [...words, '--no-mount']).json<DeviceBytes>();
  });
  folder.remove();
  bench.note(`bytes by ${measured.method}`);
  for (const { producers, bytes } of targets) {
    const { recycled, fresh, sqlite } = measured.bytesPerByte[String(producers)]!;
    const name = `bytes on the device per byte, ${producers} at once`;
    const unit = 'bytes/byte';
    bench.state({ name, unit, ours: [recycled], target: { atMost: bytes } });
    bench.state({ name: `${name}, fresh segments`, unit, ours: [fresh] });
    if (sqlite !== undefined) bench.compare({ name, unit, ours: [recycled], beside: 'node:sqlite', theirs: [sqlite] });
  }
}

function perSecond(count: number, started: number): number {
  return (count / (performance.now() - started)) * 1000;
}
