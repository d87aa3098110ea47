/**
 * A backlog of 1,000,000 reports is read from the disk and acknowledged, without a network: the spool (read and
 * acknowledge) beside node:sqlite (select in key order and delete, both in chunks), and beside reading the spool's own
 * files in chunks of 256 KiB and doing nothing with them.
 *
 * The page cache is emptied of the files before each side, as after a power cut.
 *
 *     bin/node test/bench/spool-drain.ts [--quick] [--rounds N]
 */
import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/temporary.ts';
import { benchmark } from './support/bench.ts';
import { fillSpool, lane, openSpool, Reports } from './support/spool.ts';
import { SqliteQueue } from './support/sqlite.ts';

const readBytes = 256 * 1024;
const chunk = 1000;

await benchmark(async (bench) => {
  const count = bench.pick(1_000_000, 20_000);
  const folder = temporaryFolder('holdfast-bench-');
  await fillSpool(folder.file('spool'), count);
  fillSqlite(folder.file('sqlite'), count);

  const rates = await bench.alternate(bench.rounds(5), {
    spool: async () => {
      cpSync(folder.file('spool'), folder.file('spool-copy'), { recursive: true });
      forget(folder.file('spool-copy'));
      const spool = await openSpool(folder.file('spool-copy'));
      const started = performance.now();
      const reader = spool.createReader(lane);
      let bytes = 0;
      for (;;) {
        const records = await reader.read(512);
        if (records.length === 0) break;
        for (const { ordinal, payload } of records) {
          bytes += payload.length;
          spool.acknowledge(lane, ordinal);
        }
      }
      reader.close();
      // Closing writes what is done to the device; without it the end would be for free.
      await spool.close();
      const elapsed = performance.now() - started;
      const { delivered, pending } = spool.status;
      if (delivered !== count || pending !== 0) throw new Error(`${delivered} of ${count} were delivered`);
      if (bytes < count * 500) throw new Error('payloads are missing');
      rmSync(folder.file('spool-copy'), { recursive: true });
      return (count / elapsed) * 1000;
    },
    sqlite: () => {
      cpSync(folder.file('sqlite'), folder.file('sqlite-copy'));
      forget(folder.file('sqlite-copy'));
      const queue = new SqliteQueue(folder.file('sqlite-copy'));
      const started = performance.now();
      let drained = 0;
      for (;;) {
        const rows = queue.oldest(chunk);
        if (rows.length === 0) break;
        drained += rows.length;
        queue.remove(rows.at(-1)!.sequence);
      }
      const elapsed = performance.now() - started;
      queue.close();
      if (drained !== count) throw new Error(`${drained} of ${count} were drained`);
      for (const end of ['', '-wal', '-shm']) rmSync(folder.file(`sqlite-copy${end}`), { force: true });
      return (count / elapsed) * 1000;
    },
    plain: async () => {
      const segments = join(folder.file('spool'), lane);
      forget(segments);
      const into = Buffer.alloc(readBytes);
      const started = performance.now();
      for (const name of readdirSync(segments)) {
        const file = await open(join(segments, name));
        while ((await file.read(into, 0, readBytes)).bytesRead > 0);
        await file.close();
      }
      return (count / (performance.now() - started)) * 1000;
    },
  });
  const common = { name: `drain ${count.toLocaleString('en')} from the disk`, unit: 'messages/s', ours: rates.spool };
  bench.compare({ ...common, beside: 'node:sqlite', theirs: rates.sqlite, target: { atLeast: 3 } });
  bench.compare({ ...common, beside: 'plain reads of the same files', theirs: rates.plain });
});

function fillSqlite(path: string, count: number): void {
  const queue = new SqliteQueue(path);
  const reports = new Reports();
  for (let done = 0; done < count; done += 10_000) queue.insert(reports.take(Math.min(10_000, count - done)));
  queue.close();
}

/** Writes a file, or all in a folder, to the device and takes it out of the page cache. */
function forget(path: string): void {
  execFileSync('find', [path, '-type', 'f', '-exec', 'sync', '-d', '{}', '+']);
  execFileSync('find', [path, '-type', 'f', '-exec', 'dd', 'if={}', 'iflag=nocache', 'count=0', 'status=none', ';']);
}
