import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { administer, type Spool } from '../../src/spool/index.ts';
import { asideReason, readAsideReason } from '../../src/spool/put-aside.ts';
import { allLogs, openSpool, readAll, report, smallSegmentBytes } from './spool-on-fault-disk.ts';

const test = suite('moves, and what goes on meanwhile');

/** Every report that was accepted is in one place. */
function addsUp({ status: { accepted, delivered, pending, quarantined, evicted } }: Spool): void {
  assert.is(delivered + pending + quarantined + evicted, accepted);
}

test('a report that is acknowledged while a move waits for the disk stays where it is', async () => {
  const { spool, fileSystem } = await openSpool();
  await spool.append('process', report('one'));
  await spool.append('process', report('two'));
  const records = await readAll(spool, 'process');
  const told: number[] = [];
  const moved = spool.move('process', records, 'deferred', 'later', ({ sequence }) => told.push(sequence));
  await Promise.resolve();
  await Promise.resolve();
  assert.ok(spool.acknowledge('process', records[0]!.ordinal));
  await moved;
  addsUp(spool);
  assert.equal(told, [2]);
  assert.equal(
    (await readAll(spool, 'deferred')).map(({ sequence }) => sequence),
    [2],
  );
  await spool.close();
  const again = await openSpool({}, fileSystem.afterKill());
  addsUp(again.spool);
  await again.spool.close();
});

test('so does one that is given up for room', async () => {
  const logs = allLogs({ quotaBytes: 3 * smallSegmentBytes, whenFull: 'dropOldest' });
  const { spool } = await openSpool({ logs });
  const body = Buffer.alloc(20_000, 'x');
  for (let n = 0; n < 4; n++) await spool.append('process', report(body));
  const records = (await readAll(spool, 'process')).slice(0, 3);
  const moved = spool.move('process', records, 'deferred', 'later');
  const appended = Array.from({ length: 9 }, () => spool.append('process', report(body)));
  await moved;
  await Promise.all(appended);
  assert.ok(spool.status.evicted > 0);
  addsUp(spool);
  await spool.close();
});

test('a requeue takes what was in the quarantine, and not what comes back meanwhile', async () => {
  const { spool, clock } = await openSpool();
  await Promise.all(Array.from({ length: 600 }, () => spool.append('process', report('one'))));
  await spool.move('process', await readAll(spool, 'process'), 'quarantine', 'malformed');
  let requeued = 0;
  let back: Promise<void> | undefined;
  // The centre refuses the first ones anew while the others are still on their way.
  const sendBack = async () => spool.move('deferred', await readAll(spool, 'deferred'), 'quarantine', 'malformed');
  const items: object[] = [];
  for await (const item of administer(spool, { action: 'requeue' }, clock, () => {
    requeued++;
    back ??= sendBack();
  })) {
    items.push(item);
  }
  await back;
  assert.equal(items, [{ requeued: 600 }]);
  assert.is(requeued, 600);
  assert.ok(spool.status.quarantined > 0, 'some had come back');
  addsUp(spool);
  await spool.close();
});

test('a sound spool is called sound while its reports are delivered and new ones come', async () => {
  const { spool, clock } = await openSpool();
  for (let n = 0; n < 40; n++) await spool.append('process', report(Buffer.alloc(10_000, 'x')));
  const records = await readAll(spool, 'process');
  let isOver = false;
  const delivering = (async () => {
    for (const { ordinal } of records) {
      await new Promise((resolve) => setImmediate(resolve));
      if (isOver) return;
      spool.acknowledge('process', ordinal);
      if (ordinal % 4 === 0) await spool.append('process', report('new'));
    }
  })();
  const items: object[] = [];
  for await (const item of administer(spool, { action: 'verify' }, clock)) items.push(item);
  isOver = true;
  await delivering;
  const { open, expected } = items.find((item) => (item as { log?: string }).log === 'process') as {
    open: number;
    expected: number;
  };
  assert.ok(open < expected, `${open} of ${expected}: nothing was delivered meanwhile`);
  assert.is((items.at(-1) as { sound: boolean }).sound, true);
  await spool.close();
});

test('how long a report has stood aside is told by the clock that does not jump', () => {
  const reason = asideReason({ wallMs: 1_700_000_000_000.5, windowMs: 5000.25 }, 'storage-failed: 数据操作错误');
  assert.is(reason, '1700000000000@5000 storage-failed: 数据操作错误');
  const later = { wallMs: 1_900_000_000_000, windowMs: 65_000 };
  assert.equal(readAsideReason(reason, later), { ageMs: 60_000, text: 'storage-failed: 数据操作错误' });
  // As an earlier version wrote it.
  const old = readAsideReason('1899999999000 no receipt', later);
  assert.equal(old, { ageMs: 1000, text: 'no receipt' });
  assert.equal(readAsideReason('no time', later), { ageMs: 0, text: 'no time' });
  assert.equal(readAsideReason(undefined, later), { ageMs: 0, text: '' });
});

test.run();
