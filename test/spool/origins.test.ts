/** What became of a report that was given a name where it comes from, after restarts and power cuts too. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Spool } from '../../src/spool/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { allLogs, type Fixture, openSpool, readAll, report, smallSegmentBytes, turns } from './spool-on-fault-disk.ts';

const append = async (spool: Spool, origin: string, payload = 'p', channel = 'process') => {
  const sequence = await spool.append('process', { ...report(payload, channel), origin });
  spool.origins.remember(origin, sequence);
  return sequence;
};
const deliver = async (spool: Spool, origin: string) => {
  const record = (await readAll(spool, 'process')).find((each) => each.origin === origin)!;
  spool.origins.settle(origin);
  spool.acknowledge('process', record.ordinal);
};
const fate = async (spool: Spool, origin: string) => (await spool.fateOf(origin))?.fate;
/** Starts anew on what the disk kept. */
const powerCut = ({ fileSystem, clock }: Fixture) => openSpool({}, fileSystem.afterPowerCut(), clock);

test('waiting, delivered, quarantined; an unknown one is none', async () => {
  const { spool } = await openSpool();
  for (const id of ['1', '2', '3']) await append(spool, `flows/${id}`);
  await deliver(spool, 'flows/2');
  const third = (await readAll(spool, 'process')).find(({ origin }) => origin === 'flows/3')!;
  await spool.move('process', [third], 'quarantine', 'refused');
  assert.is(await fate(spool, 'flows/1'), 'waiting');
  assert.is(await fate(spool, 'flows/2'), 'delivered');
  assert.is(await fate(spool, 'flows/3'), 'quarantined');
  assert.is(await fate(spool, 'flows/4'), undefined);
  await spool.close();
});

test('the quarantine is told of each such report, and a report keeps its name there', async () => {
  const told: string[] = [];
  const { spool } = await openSpool({ events: { onQuarantined: (origin) => told.push(origin) } });
  await append(spool, 'flows/1');
  await spool.append('process', report('without'));
  await spool.move('process', await readAll(spool, 'process'), 'quarantine', 'refused');
  assert.equal(told, ['flows/1']);
  assert.equal(
    (await readAll(spool, 'quarantine')).map(({ origin }) => origin),
    ['flows/1', undefined],
  );
  await spool.close();
});

test('after a power cut a report is known by its name, also when the window itself did not reach the disk', async () => {
  const fixture = await openSpool();
  const sequences = [await append(fixture.spool, 'flows/a'), await append(fixture.spool, 'flows/b')];
  const { spool } = await powerCut(fixture);
  assert.equal(await spool.fateOf('flows/a'), { sequence: sequences[0], fate: 'waiting' });
  assert.equal(await spool.fateOf('flows/b'), { sequence: sequences[1], fate: 'waiting' });
  await spool.close();
});

test('what was delivered before a power cut is delivered or waiting after it, never unknown', async () => {
  const fixture = await openSpool();
  await append(fixture.spool, 'flows/a');
  await append(fixture.spool, 'flows/b');
  await deliver(fixture.spool, 'flows/a');
  fixture.clock.advance(600);
  await turns();
  const { spool } = await powerCut(fixture);
  assert.ok(['delivered', 'waiting'].includes(String(await fate(spool, 'flows/a'))));
  assert.is(await fate(spool, 'flows/b'), 'waiting');
  await spool.close();
});

test('after an orderly end too', async () => {
  const { spool, fileSystem, clock } = await openSpool();
  await append(spool, 'flows/a');
  await append(spool, 'flows/b');
  await deliver(spool, 'flows/a');
  await spool.close();
  const again = await openSpool({}, fileSystem, clock);
  assert.is(await fate(again.spool, 'flows/a'), 'delivered');
  assert.is(await fate(again.spool, 'flows/b'), 'waiting');
  await again.spool.close();
});

test('a report that was given up for room is not called delivered, one that was delivered before is', async () => {
  const logs = allLogs({ quotaBytes: 2 * smallSegmentBytes, whenFull: 'dropOldest' });
  const { spool } = await openSpool({ logs });
  await append(spool, 'flows/delivered');
  await deliver(spool, 'flows/delivered');
  await append(spool, 'flows/lost');
  for (let count = 0; count < 20; count++) await spool.append('process', report('x'.repeat(20_000)));
  assert.ok(spool.status.evicted > 0);
  assert.is(await fate(spool, 'flows/delivered'), 'delivered');
  assert.is(await fate(spool, 'flows/lost'), 'given-up');
  await spool.close();
});

test('a name is forgotten after its time, and not with the repeats', async () => {
  const clock = new ManualClock();
  const { spool } = await openSpool({ originWindow: { durationMs: 3_600_000, capacity: 64 } }, undefined, clock);
  await append(spool, 'flows/a');
  clock.advance(1_800_000);
  assert.is(await fate(spool, 'flows/a'), 'waiting');
  clock.advance(1_900_000);
  assert.is(await fate(spool, 'flows/a'), undefined);
  await spool.close();
});

test.run();
