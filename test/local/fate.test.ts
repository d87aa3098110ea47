/** What is said of a report of a flow is true: after damage, after a kill, and while it is on its way between two logs. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Spool } from '../../src/spool/index.ts';
import { flipBit, makeRealSpool } from '../spool/real-spool.ts';
import { allLogs, openSpool, readAll, report, smallSegmentBytes } from '../spool/spool-on-fault-disk.ts';

const append = async (spool: Spool, origin: string) => {
  const sequence = await spool.append('process', { ...report('p'.padEnd(500)), origin });
  spool.origins.remember(origin, sequence);
};
const fate = async (spool: Spool, origin: string) => (await spool.fateOf(origin))?.fate;

test('a report that the disk has lost is not called delivered', async () => {
  const real = await makeRealSpool();
  for (const id of ['1', '2', '3']) await append(real.spool, `flows/${id}`);
  real.spool.origins.flush();
  const [, second] = await real.read();
  flipBit(real.path('process/00000001.segment'), second!.at + 200);
  await real.open();
  assert.is(await fate(real.spool, 'flows/1'), 'waiting');
  assert.is(await fate(real.spool, 'flows/2'), 'given-up');
  assert.is(await fate(real.spool, 'flows/3'), 'waiting');
  await real.spool.close();
});

test('what was delivered just before a kill is delivered, also where others were given up', async () => {
  const logs = allLogs({ quotaBytes: 2 * smallSegmentBytes, whenFull: 'dropOldest' });
  const { spool, fileSystem, clock } = await openSpool({ logs });
  for (let count = 0; count < 20; count++) await spool.append('process', report('x'.repeat(20_000)));
  assert.ok(spool.status.evicted > 0);
  await append(spool, 'flows/delivered');
  await append(spool, 'flows/refused');
  const records = await readAll(spool, 'process');
  const delivered = records.find(({ origin }) => origin === 'flows/delivered')!;
  spool.origins.settle('flows/delivered');
  spool.acknowledge('process', delivered.ordinal);
  // Saves where the lane stands, before the next turn of the clock does.
  await spool.move('process', [records.find(({ origin }) => origin === 'flows/refused')!], 'quarantine', 'refused');
  const { spool: next } = await openSpool({ logs }, fileSystem.afterKill(), clock);
  assert.is(await fate(next, 'flows/delivered'), 'delivered');
  assert.is(await fate(next, 'flows/refused'), 'quarantined');
  await next.close();
  await spool.close();
});

test('a report that is just being sent on from the quarantine is not called delivered', async () => {
  const before = await openSpool();
  await append(before.spool, 'flows/1');
  await before.spool.move('process', await readAll(before.spool, 'process'), 'quarantine', 'refused');
  await before.spool.close();
  // What was written before the start is read a piece at a time.
  const { spool, fileSystem } = await openSpool({}, before.fileSystem, before.clock);
  const records = await readAll(spool, 'quarantine');
  // Moves it between the look into the log where it goes and the look into the one where it was.
  let moved: Promise<void> | undefined;
  const open = fileSystem.open.bind(fileSystem);
  fileSystem.open = (path) => {
    const file = open(path);
    if (!path.includes('/quarantine/')) return file;
    const readAsync = file.readAsync.bind(file);
    file.readAsync = async (into, at) => {
      moved ??= spool.move('quarantine', records, 'deferred', 'again');
      await moved;
      return readAsync(into, at);
    };
    return file;
  };
  assert.is(await fate(spool, 'flows/1'), 'waiting');
  assert.ok(moved !== undefined);
  await spool.close();
});

test('who asks about thousands of waiting reports after a start has each segment read about once', async () => {
  const before = await openSpool();
  const ids = Array.from({ length: 1000 }, (_, index) => `flows/${index}`);
  for (const id of ids) await append(before.spool, id);
  await before.spool.close();
  const { spool, fileSystem } = await openSpool({}, before.fileSystem, before.clock);
  let bytes = 0;
  const open = fileSystem.open.bind(fileSystem);
  fileSystem.open = (path) => {
    const file = open(path);
    const readAsync = file.readAsync.bind(file);
    file.readAsync = async (into, at) => {
      bytes += into.length;
      return readAsync(into, at);
    };
    return file;
  };
  const size = spool.status.logs.process.bytes;
  const fates = await Promise.all(ids.map((id) => fate(spool, id)));
  assert.ok(fates.every((each) => each === 'waiting'));
  assert.ok(bytes < 5 * size, `${bytes} bytes read of ${size}`);
  await spool.close();
});

test.run();
