import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HoldfastError } from '../../src/errors.ts';
import { administer, Spool } from '../../src/spool/index.ts';
import type { OutgoingReport } from '../../src/uplink/transport.ts';
import { forwarderBench, passUntil, quiet, rest } from '../support/forwarder-bench.ts';

const test = suite('reports that stand aside');
const failed = { 错误: '数据操作错误', 错误码: 'storage-failed' };
const malformed = { 错误: '报文格式错误', 错误码: 'malformed' };

/** A forwarder that puts refused reports aside after ten seconds, and a centre that does as it is told. */
async function setUp() {
  const bench = await forwarderBench({ deferAfterMs: 10_000 });
  const centre = {
    /** Of a report; `hold`: no answer until `release`. */
    verdict: (_report: OutgoingReport): 'refuse' | 'malformed' | 'hold' | 'store' => 'store',
    held: [] as OutgoingReport[],
    stored: [] as number[],
    release: () => {
      for (const report of centre.held.splice(0)) bench.transport.receipt(report);
    },
  };
  bench.transport.onSend = (report) => {
    bench.transport.confirm(report);
    const verdict = centre.verdict(report);
    if (verdict === 'hold') centre.held.push(report);
    else if (verdict === 'refuse') bench.transport.receipt(report, failed);
    else if (verdict === 'malformed') bench.transport.receipt(report, malformed);
    else {
      centre.stored.push(report.sequence);
      bench.transport.receipt(report);
    }
  };
  bench.transport.connect();
  const aside = () => bench.spool.status.logs.deferred.pending;
  const allDelivered = () => passUntil(bench, () => bench.spool.status.pending === 0, 900_000);
  /** Nothing stands aside any more, and the next report of the machine goes straight on. */
  const isOver = async (serial: string) => {
    assert.equal(bench.alarms.active, []);
    const before = bench.clock.monotonicMs();
    await bench.store(serial);
    await allDelivered();
    assert.ok(bench.clock.monotonicMs() - before < 2000, `${bench.clock.monotonicMs() - before} ms`);
    const { accepted, delivered } = bench.spool.status;
    assert.is(delivered, accepted);
  };
  return { bench, centre, aside, allDelivered, isOver };
}

test('a late answer to a report that is on its way aside: it does not count as one that stands there', async () => {
  const { bench, centre, isOver } = await setUp();
  let isRefusing = true;
  let last: OutgoingReport | undefined;
  centre.verdict = (report) => {
    last = report;
    return isRefusing ? 'refuse' : 'store';
  };
  const move = bench.spool.move.bind(bench.spool);
  bench.spool.move = (...words) => {
    const moved = move(...words);
    if (isRefusing) bench.transport.receipt(last!);
    isRefusing = false;
    return moved;
  };
  await bench.store('slow');
  await passUntil(bench, () => !isRefusing, 100_000);
  await quiet(bench);
  await isOver('slow');
  await bench.close();
});

test('a requeue by hand while those aside are being sent', async () => {
  const { bench, centre, aside, allDelivered, isOver } = await setUp();
  centre.verdict = ({ serial }) => (serial === 'wrong' ? 'malformed' : 'refuse');
  await bench.store('bad', 2);
  await bench.store('wrong');
  await passUntil(bench, () => aside() === 2 && bench.spool.status.quarantined === 1, 100_000);
  centre.verdict = () => 'hold';
  await passUntil(bench, () => centre.held.length === 1, 400_000);
  const requeued = administer(bench.spool, { action: 'requeue' }, bench.clock, (record) =>
    bench.forwarder.onRequeued(record),
  );
  // The centre answers while the command is at work.
  const begun = requeued.next();
  centre.verdict = () => 'store';
  centre.release();
  assert.equal((await begun).value, { requeued: 1 });
  await allDelivered();
  bench.alarms.clear('report-quarantined', 'device_process_info/wrong');
  await isOver('bad');
  await isOver('wrong');
  await bench.close();
});

test('what leaves without a word is noticed by the next pass', async () => {
  const { bench, centre, aside, isOver } = await setUp();
  centre.verdict = ({ serial }) => (serial === 'good' ? 'store' : 'refuse');
  await bench.store('gone', 2);
  await bench.store('bad');
  await passUntil(bench, () => aside() === 3, 100_000);
  const reader = bench.spool.createReader('deferred');
  for (const { serial, ordinal } of await reader.read(10)) {
    if (serial === 'gone') bench.spool.acknowledge('deferred', ordinal);
  }
  reader.close();
  await bench.clock.advanceGently(600_000);
  await quiet(bench);
  assert.equal(
    bench.alarms.active.map(({ subject }) => subject),
    ['device_process_info/bad'],
  );
  centre.verdict = () => 'store';
  await passUntil(bench, () => bench.spool.status.pending === 0, 900_000);
  await isOver('gone');
  await bench.close();
});

test('the disk takes a part of them: none is forgotten, and none overtakes', async () => {
  const { bench, centre, isOver } = await setUp();
  let isRefusing = true;
  centre.verdict = () => (isRefusing ? 'refuse' : 'store');
  const move = bench.spool.move.bind(bench.spool);
  let moves = 0;
  bench.spool.move = (...words) =>
    ++moves === 2 ? Promise.reject(new HoldfastError('spool-full', 'deferred is full')) : move(...words);
  const all = await bench.store('bad', 80);
  await passUntil(bench, () => moves >= 2, 100_000);
  isRefusing = false;
  await rest();
  await passUntil(bench, () => bench.spool.status.pending === 0, 4_000_000);
  assert.equal(centre.stored, all);
  await isOver('bad');
  await bench.close();
});

test('a disk that does not read them at the start keeps no gateway from starting, and they are sent once it does', async () => {
  const { bench, centre, aside } = await setUp();
  centre.verdict = () => 'refuse';
  await bench.store('bad', 2);
  await passUntil(bench, () => aside() === 2, 100_000);
  await bench.close();
  const { createReader } = Spool.prototype;
  let isBroken = true;
  Spool.prototype.createReader = function (log) {
    const reader = createReader.call(this, log);
    const read = reader.read.bind(reader);
    reader.read = (count) =>
      isBroken && log === 'deferred' ? Promise.reject(new Error('EIO: i/o error, read')) : read(count);
    return reader;
  };
  try {
    const again = await forwarderBench({}, bench.folder);
    again.transport.answerAll();
    again.transport.connect();
    const fresh = await again.store('good');
    await passUntil(again, () => again.sequences().includes(fresh[0]!));
    isBroken = false;
    await passUntil(again, () => again.spool.status.pending === 0, 900_000);
    await again.close();
  } finally {
    Spool.prototype.createReader = createReader;
  }
});

test('base information that is brought forward while a pass sends it from here: the pass goes on', async () => {
  const { bench, centre, aside, allDelivered } = await setUp();
  centre.verdict = () => 'refuse';
  await bench.store('bad', 1, 'state', 'device_base_info');
  // Reading a lane with much base information takes its time, and meanwhile the report goes aside.
  const read = await bench.spool.pendingOf('bad');
  assert.is(read.length, 1);
  bench.spool.pendingOf = async () => read;
  await passUntil(bench, () => aside() === 1, 100_000);
  centre.verdict = () => 'hold';
  await passUntil(bench, () => centre.held.length === 1, 400_000);
  const brought = bench.forwarder.bringForward('bad', 2000);
  await quiet(bench);
  centre.verdict = () => 'store';
  for (const report of centre.held.splice(0)) bench.transport.receipt(report, failed);
  await bench.clock.advanceGently(3000);
  await brought;
  await allDelivered();
  await bench.close();
});

test('two queries that bring the same base information forward both hear of it', async () => {
  const { bench, centre } = await setUp();
  centre.verdict = () => 'hold';
  await bench.store('one', 1, 'state', 'device_base_info');
  await passUntil(bench, () => centre.held.length === 1);
  const heard: number[] = [];
  const brought = [1, 2].map((n) => bench.forwarder.bringForward('one', 60_000).then(() => heard.push(n)));
  await quiet(bench);
  centre.release();
  await quiet(bench);
  assert.equal(heard.sort(), [1, 2]);
  await Promise.all(brought);
  await bench.close();
});

test('a clock that is set two days forward makes no report a day old', async () => {
  const { bench, centre, aside } = await setUp();
  centre.verdict = ({ serial }) => (serial === 'bad' ? 'refuse' : 'store');
  await bench.store('bad');
  await passUntil(bench, () => aside() === 1, 100_000);
  const wallMs = bench.clock.wallMs.bind(bench.clock);
  bench.clock.wallMs = () => wallMs() + 172_800_000;
  await bench.store('good');
  await bench.clock.advanceGently(1_200_000);
  await quiet(bench);
  assert.is(bench.spool.status.quarantined, 0);
  assert.is(aside(), 1);
  await bench.close();
});

test('reports of one machine in two lanes, whose channel was given another one, go aside from their own', async () => {
  const bench = await forwarderBench();
  const atCentre = new Set<number>();
  let isRefusing = true;
  bench.transport.onSend = (report) => {
    // Its queue is missing for now.
    if (isRefusing && report.channel === 'other_channel') return bench.transport.reject(report);
    bench.transport.confirm(report);
    const isRefused = isRefusing && report.serial === 'bad';
    if (!isRefused) atCentre.add(report.sequence);
    bench.transport.receipt(report, isRefused ? failed : undefined);
  };
  // Ordinals 0 to 2 of `bulk` and 3 to 5 of `process`: marked as done in `bulk`, these would be the innocent ones.
  const old = await bench.store('bad', 3, 'bulk', 'site_channel');
  const innocent = await bench.store('innocent', 3, 'bulk', 'other_channel');
  await bench.store('good', 3, 'process', 'device_process_info');
  const fresh = await bench.store('bad', 3, 'process', 'site_channel');
  bench.transport.connect();
  await quiet(bench);
  await passUntil(bench, () => bench.spool.status.logs.deferred.pending === 6, 900_000);
  isRefusing = false;
  await passUntil(bench, () => bench.spool.status.pending === 0, 1_200_000);
  const lost = [...old, ...innocent, ...fresh].filter((sequence) => !atCentre.has(sequence));
  assert.equal(lost, []);
  await bench.close();
});

test.run();
