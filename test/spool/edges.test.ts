/** Corners that random histories reach too seldom. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type HoldfastError, isHoldfastError } from '../../src/errors.ts';
import type { Compression, Spool } from '../../src/spool/index.ts';
import { FaultFileSystem } from '../support/fault-file-system.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Random } from '../support/random.ts';
import { allLogs, openSpool, readAll, report, smallSegmentBytes, turns } from './spool-on-fault-disk.ts';

function addsUp({ status }: Spool): void {
  const { accepted, delivered, pending, quarantined, evicted } = status;
  assert.is(accepted, delivered + pending + quarantined + evicted);
}

async function appendMany(spool: Spool, count: number, size: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, index) => spool.append('process', report(`${index} `.padEnd(size, '.')))),
  );
}

test('more ranges than the cursor file holds: every second report of thousands is moved, over a kill', async () => {
  const logs = allLogs({ quotaBytes: 400 * smallSegmentBytes });
  const first = await openSpool({ logs });
  await appendMany(first.spool, 9000, 10);
  const records = await readAll(first.spool, 'process');
  await first.spool.move(
    'process',
    records.filter(({ ordinal }) => ordinal % 2 === 1),
    'deferred',
    'refused',
  );
  addsUp(first.spool);
  for (const { ordinal } of records) if (ordinal % 8 === 0) first.spool.acknowledge('process', ordinal);
  first.clock.advance(1000);
  await turns();
  const second = await openSpool({ logs }, first.fileSystem.afterKill(), new ManualClock());
  addsUp(second.spool);
  const again = [...(await readAll(second.spool, 'process')), ...(await readAll(second.spool, 'deferred'))];
  assert.is(new Set(again.map(({ sequence }) => sequence)).size, again.length, 'none stands in two logs');
  assert.ok(again.length >= 9000 - 1125, `${again.length}`);
  assert.is(second.spool.status.accepted, 9000);
  for (const { ordinal } of await readAll(second.spool, 'process')) second.spool.acknowledge('process', ordinal);
  await second.spool.close();
  const third = await openSpool({ logs }, second.fileSystem.afterPowerCut(), new ManualClock());
  assert.is((await readAll(third.spool, 'process')).length, 0);
  assert.is((await readAll(third.spool, 'deferred')).length, 4500);
  addsUp(third.spool);
  await third.spool.close();
});

test('a lane that is full of small pieces gives up only as much as it must, and stays under its quota', async () => {
  const quotaBytes = 4 * smallSegmentBytes;
  const logs = { ...allLogs(), process: { ...allLogs().process, quotaBytes, whenFull: 'dropOldest' as const } };
  let fixture = await openSpool({ logs });
  for (let start = 0; start < 40; start++) {
    await fixture.spool.append('process', report(`${start}`));
    await fixture.spool.close();
    fixture = await openSpool({ logs }, fixture.fileSystem.afterKill(), new ManualClock());
    assert.ok(fixture.fileSystem.usedBytes('/data/spool/process') <= quotaBytes + smallSegmentBytes + 65_536);
  }
  for (let count = 0; count < 40; count++) {
    await fixture.spool.append('process', report('x'.repeat(9000)));
    assert.ok(fixture.fileSystem.usedBytes('/data/spool/process') <= quotaBytes + 65_536);
  }
  const { pending, evicted } = fixture.spool.status;
  assert.is(pending + evicted, 80);
  assert.ok(pending >= 18, `${pending} are left`);
  addsUp(fixture.spool);
  await fixture.spool.close();
});

test('a record that is being moved is neither given up nor acknowledged meanwhile', async () => {
  const process = { quotaBytes: 2 * smallSegmentBytes, whenFull: 'dropOldest' as const, syncEveryMs: 0 };
  const deferred = { ...allLogs().deferred, syncEveryMs: 1000 };
  const { spool, clock } = await openSpool({ logs: { ...allLogs(), process, deferred } });
  await appendMany(spool, 10, 9000);
  const records = await readAll(spool, 'process');
  await spool.move('process', records.slice(9), 'deferred', 'first');
  const moving = spool.move('process', records.slice(0, 2), 'deferred', 'second');
  await turns();
  assert.is(spool.acknowledge('process', 0), false);
  assert.is(spool.acknowledge('process', 5), true);
  const appends = appendMany(spool, 10, 9000);
  await turns(30);
  assert.is(spool.status.evicted, 0);
  clock.advance(1000);
  await moving;
  await appends;
  assert.ok(spool.status.evicted > 0);
  assert.equal(
    (await readAll(spool, 'deferred')).map(({ sequence }) => sequence),
    [10, 1, 2],
  );
  addsUp(spool);
  await spool.close();
});

test('giving up the oldest while somebody reads them: the reader goes on with what is left', async () => {
  const process = { quotaBytes: 3 * smallSegmentBytes, whenFull: 'dropOldest' as const, syncEveryMs: 0 };
  const evicted: number[] = [];
  const { spool } = await openSpool({
    logs: { ...allLogs(), process },
    events: { onEvicted: (_log, count) => evicted.push(count) },
  });
  const reader = spool.createReader('process');
  await appendMany(spool, 15, 9000);
  const seen = (await reader.read(2)).map(({ sequence }) => sequence);
  const slow = reader.read(3);
  for (let count = 0; count < 30; count++) await spool.append('process', report('y'.repeat(9000)));
  for (const record of await slow) seen.push(record.sequence);
  for (let some = await reader.read(5); some.length > 0; some = await reader.read(5)) {
    for (const { sequence } of some) seen.push(sequence);
  }
  assert.ok(evicted.length > 2);
  assert.equal(
    seen,
    seen.toSorted((a, b) => a - b),
  );
  assert.is(seen.at(-1), 45);
  const open = (await readAll(spool, 'process')).map(({ sequence }) => sequence);
  assert.ok(open.every((sequence) => sequence < 6 || seen.includes(sequence)));
  assert.is(spool.acknowledge('process', 0), false, 'it was given up');
  assert.is(spool.acknowledge('process', 1000), false, 'it never was');
  addsUp(spool);
  await spool.close();
});

test('a reader whose disk fails in the middle gives what it had, and then the rest', async () => {
  const { spool, fileSystem } = await openSpool();
  await appendMany(spool, 20, 9000);
  const reader = spool.createReader('process');
  let reads = 0;
  fileSystem.plan = (kind) => (kind === 'read' && ++reads > 2 ? 'EIO' : undefined);
  const seen: number[] = [];
  for (let turn = 0; turn < 60 && seen.length < 20; turn++) {
    if (turn === 20) fileSystem.plan = () => undefined;
    const some = await reader.read(50).catch(() => []);
    for (const { sequence } of some) seen.push(sequence);
  }
  assert.equal(
    seen,
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
  await spool.close();
});

for (const compression of ['off', 'always'] as const) {
  test(`out of turn: taken, read again, acknowledged, gone once their segment is (compression ${compression})`, async () => {
    await outOfTurn(compression);
  });
}

async function outOfTurn(compression: Compression): Promise<void> {
  const { spool, clock } = await openSpool({ compression });
  await appendMany(spool, 60, 3000);
  const records = await readAll(spool, 'process');
  for (const sequence of [1, 30, 60]) assert.is((await spool.take(sequence))?.record.sequence, sequence);
  assert.is(await spool.take(61), undefined);
  for (const record of records.slice(0, 40)) {
    assert.is((await spool.readAt('process', record))?.sequence, record.sequence);
    spool.acknowledge('process', record.ordinal);
    assert.is(await spool.readAt('process', record), undefined);
  }
  clock.advance(1000);
  await appendMany(spool, 60, 3000);
  assert.is(await spool.take(1), undefined);
  assert.is(await spool.readAt('process', records[0]!), undefined);
  assert.is((await spool.readAt('process', records[50]!))?.sequence, 51);
  await spool.close();
}

test('the base information of a machine is found in any backlog, before and after a restart and a move', async () => {
  let fixture = await openSpool();
  const base = (serial: string) => fixture.spool.append('state', report('{}', 'base', serial));
  for (let index = 0; index < 200; index++) {
    await fixture.spool.append('state', report('z'.repeat(500), 'state', 'M1'));
    if (index % 50 === 0) await base('M1');
    if (index === 120) await base('M2');
  }
  const of = async (serial: string) => (await fixture.spool.pendingOf(serial)).map(({ sequence }) => sequence);
  assert.equal(await of('M1'), [2, 53, 104, 156]);
  assert.equal(await of('M2'), [125]);
  fixture = await openSpool({}, fixture.fileSystem.afterKill(), new ManualClock());
  assert.equal(await of('M1'), [2, 53, 104, 156]);
  const [record] = await fixture.spool.pendingOf('M2');
  await fixture.spool.move('state', [record!], 'deferred', 'later');
  assert.equal(await of('M2'), []);
  await fixture.spool.move('deferred', await readAll(fixture.spool, 'deferred'), 'state', undefined);
  assert.equal(await of('M2'), [125]);
  await fixture.spool.close();
});

test('a disk that takes no cursor costs repeats, and stops nothing until a segment must be used again', async () => {
  const { spool, fileSystem, clock } = await openSpool();
  await appendMany(spool, 10, 2000);
  fileSystem.plan = (kind, path) => (path.endsWith('cursor') && kind !== 'read' ? 'EIO' : undefined);
  for (let ordinal = 0; ordinal < 10; ordinal++) spool.acknowledge('process', ordinal);
  clock.advance(3000);
  await turns();
  await spool.append('process', report('goes on'));
  fileSystem.plan = () => undefined;
  clock.advance(3000);
  await turns();
  await spool.close();
  const next = await openSpool({}, fileSystem.afterPowerCut(), new ManualClock());
  assert.equal(
    (await readAll(next.spool, 'process')).map(({ sequence }) => sequence),
    [11],
  );
  await next.spool.close();
});

test('a full lane refuses with its own error and takes reports again once something is delivered', async () => {
  const process = { quotaBytes: 2 * smallSegmentBytes, whenFull: 'reject' as const, syncEveryMs: 0 };
  const { spool, clock } = await openSpool({ logs: { ...allLogs(), process } });
  let error: unknown;
  let stored = 0;
  for (; stored < 100 && error === undefined; stored++) {
    error = await spool.append('process', report('w'.repeat(9000))).then(
      () => undefined,
      (reason: unknown) => reason,
    );
  }
  assert.ok(isHoldfastError(error, 'spool-full'));
  assert.is(spool.status.logs.process.error, error);
  for (let ordinal = 0; ordinal < stored - 1; ordinal++) spool.acknowledge('process', ordinal);
  clock.advance(1000);
  await spool.append('process', report('fits again'));
  assert.is(spool.status.logs.process.error, undefined);
  addsUp(spool);
  await spool.close();
});

test('a clock that jumps ahead, or back, forgets no repeat while it cannot be trusted', async () => {
  for (const jumpMs of [86_400_000, -86_400_000]) {
    const clock = new ManualClock();
    clock.trusted = false;
    const first = await openSpool({}, undefined, clock);
    const { repeats } = first.spool;
    const sequence = await first.spool.append('process', report('once'));
    repeats.remember(repeats.digest('process', Buffer.from('once')), sequence);
    if (jumpMs > 0) await first.spool.close();
    const next = new ManualClock(clock.wallMs() + jumpMs);
    const second = await openSpool({}, first.fileSystem.afterKill(), next);
    assert.is(second.spool.repeats.find(second.spool.repeats.digest('process', Buffer.from('once'))), sequence);
    await second.spool.close();
  }
});

test('a report that was refused and is found on the disk later stays known, and the next one names it', async () => {
  let cameBack = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const first = await openSpool({}, new FaultFileSystem(new Random(seed)));
    await first.spool.append('process', report('stored'));
    first.fileSystem.plan = (kind, path) => (kind === 'sync' && path.endsWith('.segment') ? 'EIO' : undefined);
    const error = await first.spool.append('process', report('refused')).catch((reason: unknown) => reason);
    assert.is((error as HoldfastError).code, 'spool-write-failed');
    first.fileSystem.plan = () => undefined;
    await first.spool.close();

    // The device may have taken the report, and not that it was wiped out.
    const second = await openSpool({}, first.fileSystem.afterPowerCut(), first.clock);
    const found = (await readAll(second.spool, 'process')).find(({ payload }) => payload.toString() === 'refused');
    if (found === undefined) continue;
    cameBack++;
    await second.spool.append('process', report('next', 'process', 'M2'));

    // Killed before anything else is saved.
    const third = await openSpool({}, second.fileSystem.afterKill(), first.clock);
    const { repeats } = third.spool;
    assert.is(repeats.find(repeats.digest('process', Buffer.from('refused'))), found.sequence);
    const sequence = await third.spool.append('process', report('last'));
    assert.is((await third.spool.take(sequence))?.record.previous, found.sequence);
    await third.spool.close();
  }
  assert.ok(cameBack > 0);
});

test.run();
