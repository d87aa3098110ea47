/** What becomes of reports that the centre or the broker refuses, or does not answer by their id. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readReceipt } from '../../src/uplink/receipts.ts';
import { forwarderBench, passUntil, quiet, rest, waitFor } from '../support/forwarder-bench.ts';

const test = suite('forwarder: refusals');
const stored = { 错误: '' };
const malformed = { 错误: '报文格式错误', 错误码: 'malformed' };
const failed = { 错误: '数据操作错误', 错误码: 'storage-failed' };

test('a report that is malformed goes to the quarantine, and can be sent again from there', async () => {
  const bench = await forwarderBench();
  bench.transport.connect();
  await bench.store('a');
  await quiet(bench);
  const [first] = bench.transport.sent;
  bench.transport.confirm(first!);
  bench.transport.receipt(first!, malformed);
  await quiet(bench);
  await bench.clock.advanceGently(10);
  await waitFor(() => bench.spool.status.quarantined === 1);
  assert.is(bench.spool.status.pending, 0);
  await waitFor(() => bench.alarms.active[0]?.code === 'report-quarantined');
  const { administer } = await import('../../src/spool/index.ts');
  for await (const item of administer(bench.spool, { action: 'requeue' }, bench.clock, (record) =>
    bench.forwarder.onRequeued(record),
  )) {
    assert.equal(item, { requeued: 1 });
  }
  bench.transport.answerAll();
  await passUntil(bench, () => bench.spool.status.delivered === 1);
  assert.is(bench.transport.sent.at(-1)!.messageId, first!.messageId);
  assert.is(bench.spool.status.quarantined, 0);
  assert.is(bench.spool.status.accepted, 1);
  await bench.close();
});

test('a receipt with a code is a refusal, also with a text that somebody has made empty', () => {
  const kindOf = (receipt: object) => readReceipt(Buffer.from(JSON.stringify(receipt))).kind;
  assert.is(kindOf(stored), 'stored');
  assert.is(kindOf({ ...failed, 错误: '' }), 'refused');
  assert.is(kindOf({ ...malformed, 错误: '' }), 'malformed');
});

test('a refused report is tried again with pauses; after five minutes it goes aside with the later ones of its machine, in order', async () => {
  const bench = await forwarderBench();
  const refuse = new Set(['bad']);
  const delivered: number[] = [];
  bench.transport.onSend = (report) => {
    bench.transport.confirm(report);
    const isRefused = refuse.has(report.serial);
    bench.transport.receipt(report, isRefused ? failed : stored);
    if (!isRefused) delivered.push(report.sequence);
  };
  bench.transport.connect();
  await bench.store('good');
  await bench.store('bad', 3);
  await bench.store('good', 3);
  await quiet(bench);
  assert.is(bench.spool.status.pending, 3);
  await bench.clock.advanceGently(240_000);
  const tries = bench.sequences().filter((sequence) => sequence === 2).length;
  assert.ok(tries > 3 && tries < 12, `${tries} tries in four minutes`);
  assert.is(bench.spool.status.logs.deferred.pending, 0);
  await passUntil(bench, () => bench.spool.status.logs.deferred.pending === 3, 900_000);
  assert.is(bench.spool.status.logs.process.pending, 0);
  assert.is(bench.spool.status.pending, 3);
  // Later ones of that machine go the same way; those of others do not.
  await bench.store('bad');
  await bench.store('good');
  await passUntil(bench, () => bench.spool.status.logs.deferred.pending === 4);
  assert.is(bench.spool.status.logs.process.pending, 0);
  delivered.length = 0;
  refuse.clear();
  await passUntil(bench, () => bench.spool.status.pending === 0, 1_200_000);
  assert.equal(delivered, [2, 3, 4, 8]);
  assert.equal(bench.alarms.active, []);
  const { accepted, delivered: done } = bench.spool.status;
  assert.is(accepted, done);
  await bench.close();
});

test('stopping waits for no answer to a report that stands aside', async () => {
  const bench = await forwarderBench({ deferAfterMs: 10_000 });
  let isSilent = false;
  bench.transport.onSend = (report) => {
    bench.transport.confirm(report);
    if (!isSilent) bench.transport.receipt(report, failed);
  };
  bench.transport.connect();
  await bench.store('bad');
  await passUntil(bench, () => bench.spool.status.logs.deferred.pending === 1, 100_000);
  isSilent = true;
  const sent = bench.transport.sent.length;
  await passUntil(bench, () => bench.transport.sent.length > sent);
  // The clock stands still from here on.
  await bench.close();
  assert.is(bench.spool.status.logs.deferred.pending, 1);
});

test('after a day aside, while others of its channel are stored, a refused report goes to the quarantine', async () => {
  const bench = await forwarderBench({ deferAfterMs: 10_000, quarantineAfterMs: 60_000 });
  bench.transport.onSend = (report) => {
    bench.transport.confirm(report);
    bench.transport.receipt(report, report.serial === 'bad' ? failed : stored);
  };
  bench.transport.connect();
  await bench.store('bad');
  await passUntil(bench, () => bench.spool.status.logs.deferred.pending === 1, 100_000);
  await bench.clock.advanceGently(300_000);
  assert.is(bench.spool.status.quarantined, 0, 'nobody else was stored meanwhile');
  await bench.store('good');
  await passUntil(bench, () => bench.spool.status.quarantined === 1, 1_200_000);
  assert.is(bench.spool.status.pending, 0);
  await bench.close();
});

test('a centre without correlation: one report per machine and channel, stale answers dropped, the state must match', async () => {
  const bench = await forwarderBench();
  bench.transport.connect();
  await bench.store('a', 1, 'process', 'device_process_info', { 设备状态: '预热' });
  await bench.store('a', 1, 'process', 'device_process_info', { 设备状态: '预热完成' });
  await quiet(bench);
  const [first] = bench.transport.sent;
  assert.is(bench.transport.sent.length, 1);
  bench.transport.confirm(first!);
  bench.transport.receipt(first!, { ...stored, 设备状态: '预热' }, { legacy: true, stale: true });
  bench.transport.receipt(first!, { ...stored, 设备状态: '打印' }, { legacy: true });
  assert.is(bench.spool.status.delivered, 0);
  bench.transport.receipt(first!, { ...stored, 设备状态: '预热' }, { legacy: true });
  await waitFor(() => bench.transport.sent.length === 2);
  assert.is(bench.spool.status.delivered, 1);
  assert.is(bench.forwarder.state.correlates, false);
  assert.equal(bench.sequences(), [1, 2]);
  // A repeat: after its answer the machine's next report waits until 3 s have passed without one.
  const second = bench.transport.sent[1]!;
  bench.transport.confirm(second);
  await bench.clock.advanceGently(3300);
  await waitFor(() => bench.transport.sent.length === 3);
  assert.equal(bench.sequences(), [1, 2, 2]);
  bench.transport.receipt(second, { ...stored, 设备状态: '预热完成' }, { legacy: true });
  await bench.store('a', 1, 'process', 'device_process_info', { 设备状态: '刮粉' });
  await bench.clock.advanceGently(2000);
  bench.transport.receipt(second, { ...stored, 设备状态: '预热完成' }, { legacy: true });
  await bench.clock.advanceGently(2000);
  await rest();
  assert.is(bench.transport.sent.length, 3);
  await bench.clock.advanceGently(1500);
  await waitFor(() => bench.transport.sent.length === 4);
  assert.equal(bench.sequences(), [1, 2, 2, 3]);
  await bench.close();
});

test('a missing queue holds back its channel alone, and is tried again', async () => {
  const bench = await forwarderBench();
  let isMissing = true;
  bench.transport.onSend = (report) => {
    if (isMissing && report.channel === 'device_process_info') {
      bench.transport.reject(report);
      return;
    }
    bench.transport.confirm(report);
    bench.transport.receipt(report);
  };
  bench.transport.connect();
  await bench.store('a', 3);
  await bench.store('a', 2, 'state', 'device_base_info');
  await quiet(bench);
  assert.is(bench.spool.status.delivered, 2);
  assert.equal(
    bench.alarms.active.map(({ code, subject }) => [code, subject]),
    [['uplink-unroutable', 'device_process_info']],
  );
  isMissing = false;
  await passUntil(bench, () => bench.spool.status.pending === 0);
  assert.equal(bench.alarms.active, []);
  await bench.close();
});

test.run();
