/**
 * A queue at work: a group of 64 is appended durably, the oldest 64 are read back and acknowledged, and so on. The spool
 * beside node:sqlite (WAL, FULL), once as one would write it (insert, select, delete, each its own transaction), and
 * once as a clever one would: the delete joins the next insert, which saves a sync and may cost a repeat, as with the
 * spool.
 *
 *     bin/node test/bench/spool-steady.ts [--quick] [--rounds N]
 */
import type { LogReader } from '../../src/spool/index.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { benchmark } from './support/bench.ts';
import { lane, openSpool, Reports, recycle } from './support/spool.ts';
import { SqliteQueue } from './support/sqlite.ts';

const size = 64;

await benchmark(async (bench) => {
  const folder = temporaryFolder('holdfast-bench-');
  const milliseconds = bench.pick(3000, 300);
  const group = new Reports().take(size);
  const spool = await openSpool(folder.file('spool'));
  await recycle(spool);
  const reader = spool.createReader(lane);
  const plain = new SqliteQueue(folder.file('plain'));
  const joined = new SqliteQueue(folder.file('joined'));
  let done: number | undefined;

  /** Messages per second through something that puts one group in and takes one out. */
  const cycles = async (cycle: () => Promise<void> | void) => {
    let count = 0;
    const started = performance.now();
    while (performance.now() - started < milliseconds) {
      await cycle();
      count += size;
    }
    return (count / (performance.now() - started)) * 1000;
  };
  const rates = await bench.alternate(bench.rounds(7), {
    spool: () =>
      cycles(async () => {
        await Promise.all(group.map((report) => spool.append(lane, report)));
        await takeOut(reader);
      }),
    plain: () =>
      cycles(() => {
        plain.insert(group);
        plain.remove(last(plain.oldest(size)));
      }),
    joined: () =>
      cycles(() => {
        joined.insert(group, done);
        done = last(joined.oldest(size));
      }),
  });

  async function takeOut(from: LogReader): Promise<void> {
    const records = await from.read(size);
    if (records.length !== size) throw new Error(`${records.length} of ${size} reports were there`);
    for (const { ordinal } of records) spool.acknowledge(lane, ordinal);
  }

  if (spool.status.pending !== 0) throw new Error('some reports were left');
  reader.close();
  await spool.close();
  plain.close();
  joined.close();
  const common = { name: 'append, read, acknowledge 64', unit: 'messages/s', ours: rates.spool };
  bench.compare({ ...common, beside: 'node:sqlite', theirs: rates.plain, target: { atLeast: 1.2 } });
  bench.compare({ ...common, beside: 'node:sqlite, delete with the next insert', theirs: rates.joined });
});

function last(rows: readonly { readonly sequence: number }[]): number {
  if (rows.length !== size) throw new Error(`${rows.length} of ${size} rows were there`);
  return rows[size - 1]!.sequence;
}
