import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHoldfastError } from '../../src/errors.ts';
import { allLogs, openSpool, readAll, report, turns } from './spool-on-fault-disk.ts';

test('one append alone: one sync, no timer', async () => {
  const { spool, fileSystem, clock } = await openSpool();
  await spool.append('process', report('first'));
  const { syncs } = fileSystem;
  const { timers } = clock;
  for (let turn = 1; turn <= 3; turn++) {
    await spool.append('process', report('next'));
    await turns();
    assert.is(fileSystem.syncs, syncs + turn);
  }
  assert.is(clock.timers, timers);
  await spool.close();
});

test('what is appended at once shares one sync; what comes meanwhile shares the next', async () => {
  const { spool, fileSystem } = await openSpool();
  await spool.append('process', report('first'));
  const { syncs } = fileSystem;
  await Promise.all(Array.from({ length: 100 }, (_, index) => spool.append('process', report(`${index}`))));
  assert.is(fileSystem.syncs, syncs + 1);
  const others: Promise<number>[] = [];
  fileSystem.plan = (kind) => {
    while (kind === 'sync' && others.length < 50) others.push(spool.append('process', report('meanwhile')));
    return undefined;
  };
  await spool.append('process', report('one'));
  await Promise.all(others);
  assert.is(fileSystem.syncs, syncs + 3);
  assert.is(spool.status.pending, 152);
  await spool.close();
});

test('records of one lane stand in the order of the calls, over any number of groups', async () => {
  const { spool } = await openSpool();
  const work: Promise<number>[] = [];
  for (let index = 0; index < 500; index++) {
    work.push(spool.append('process', report(`${index} ${'x'.repeat((index % 7) * 900)}`)));
    if (index % 13 === 0) await turns(1);
  }
  const sequences = await Promise.all(work);
  assert.equal(
    sequences,
    Array.from({ length: 500 }, (_, index) => index + 1),
  );
  const records = await readAll(spool, 'process');
  assert.equal(
    records.map(({ payload }) => Number.parseInt(payload.toString(), 10)),
    Array.from({ length: 500 }, (_, index) => index),
  );
  await spool.close();
});

test('a group begins at a fresh page exactly when it then touches fewer pages', async () => {
  const { spool } = await openSpool();
  const sizes = [100, 3000, 900, 200, 5000, 4000, 3000, 100, 7000, 100, 100, 2000, 2000, 6000];
  for (const size of sizes) await spool.append('process', report('y'.repeat(size)));
  const records = await readAll(spool, 'process');
  let end = 4096;
  for (const { at, length } of records) {
    const bytes = (length + 7) & ~7;
    const used = end % 4096;
    const fresh = used === 0 ? end : end - used + 4096;
    const pages = (start: number) => Math.ceil(((start % 4096) + bytes) / 4096);
    assert.is(at, pages(fresh) < pages(end) ? fresh : end);
    end = at + bytes;
  }
  assert.ok(
    records.some(({ at }) => at % 4096 === 0),
    'some begin at a page',
  );
  assert.ok(
    records.some(({ at }) => at % 4096 !== 0),
    'some do not',
  );
  await spool.close();
});

test('a lane that syncs at most every 200 ms waits so long between two groups, and says so', async () => {
  const logs = { ...allLogs(), bulk: { ...allLogs().bulk, syncEveryMs: 200 } };
  const { spool, clock, fileSystem } = await openSpool({ logs });
  assert.is(spool.status.logs.bulk.syncEveryMs, 200);
  await spool.append('bulk', report('at once'));
  const { syncs } = fileSystem;
  let stored = 0;
  const work = Array.from({ length: 10 }, () => spool.append('bulk', report('later')).then(() => stored++));
  await turns();
  clock.advance(199);
  await turns();
  assert.is(stored, 0);
  assert.is(fileSystem.syncs, syncs);
  clock.advance(1);
  await Promise.all(work);
  assert.is(fileSystem.syncs, syncs + 1);
  await spool.close();
});

test('what waits when the spool closes is stored; what comes then is refused', async () => {
  const { spool } = await openSpool();
  const work = Array.from({ length: 20 }, () => spool.append('process', report('z'.repeat(20_000))));
  const closing = spool.close();
  const late = await spool.append('process', report('late')).catch((error: unknown) => error);
  assert.ok(isHoldfastError(late, 'spool-closed'));
  await Promise.all([...work, closing]);
  assert.is(spool.status.pending, 20);
  await spool.close();
});

test.run();
