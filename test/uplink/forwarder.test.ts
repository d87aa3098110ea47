/** What the forwarder sends, in which order, and when a report leaves the spool. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { forwarderBench, quiet, rest, waitFor } from '../support/forwarder-bench.ts';

const test = suite('forwarder');

test('a report leaves the spool when the centre says that it is stored, not before', async () => {
  const bench = await forwarderBench();
  await bench.store('sn1');
  assert.is(bench.transport.sent.length, 0);
  bench.transport.connect();
  await quiet(bench);
  const [report] = bench.transport.sent;
  assert.is(report?.messageId, `gw-${bench.spool.boot}-1`);
  bench.transport.confirm(report!);
  assert.is(bench.spool.status.pending, 1);
  bench.transport.receipt(report!);
  assert.is(bench.spool.status.pending, 0);
  assert.is(bench.spool.status.delivered, 1);
  // The same receipt again, and one for nothing, change nothing and are counted.
  bench.transport.receipt(report!);
  bench.transport.receipt({ ...report!, messageId: 'gw-x-9' });
  assert.is(bench.spool.status.delivered, 1);
  assert.is(bench.counters.receiptsUnmatched, 2);
  await bench.close();
});

test('with acknowledge: broker the confirm is enough', async () => {
  const bench = await forwarderBench({ acknowledge: 'broker' });
  bench.transport.onSend = (report) => bench.transport.confirm(report);
  bench.transport.connect();
  await bench.store('sn1', 100);
  await quiet(bench);
  assert.is(bench.spool.status.delivered, 100);
  await bench.close();
});

test('at most a window of reports is under way, and the order is that of acceptance', async () => {
  const bench = await forwarderBench();
  await bench.store('sn1', 40);
  bench.transport.connect();
  await quiet(bench);
  // Until it is known that the centre correlates, one report of a machine is under way.
  assert.equal(bench.sequences(), [1]);
  bench.transport.receipt(bench.transport.sent[0]!);
  await quiet(bench);
  // Eight, less the one that is kept free for alarms.
  assert.equal(bench.sequences(), [1, 2, 3, 4, 5, 6, 7, 8, 9].slice(0, bench.transport.sent.length));
  assert.ok(bench.transport.sent.length >= 8 && bench.transport.sent.length <= 9, `${bench.transport.sent.length}`);
  bench.transport.answerAll();
  for (const report of bench.transport.sent.slice(1)) bench.transport.receipt(report);
  await quiet(bench);
  assert.equal(
    bench.sequences(),
    Array.from({ length: 40 }, (_, index) => index + 1),
  );
  assert.is(bench.spool.status.pending, 0);
  await bench.close();
});

test('after a cut what was not confirmed, and what follows it in its order, is sent again in order', async () => {
  const bench = await forwarderBench();
  await bench.store('a');
  await bench.store('b');
  bench.transport.connect();
  await quiet(bench);
  for (const report of [...bench.transport.sent]) bench.transport.receipt(report);
  await bench.store('a', 3);
  await bench.store('b', 2);
  await quiet(bench);
  assert.equal(bench.sequences(), [1, 2, 3, 4, 5, 6, 7]);
  const [, , a3, , , b6] = bench.transport.sent;
  bench.transport.confirm(a3!);
  bench.transport.confirm(b6!);
  bench.transport.sent.length = 0;
  bench.transport.disconnect();
  bench.transport.connect();
  await waitFor(() => bench.transport.sent.length === 3);
  await rest();
  assert.equal(bench.sequences().toSorted(), [4, 5, 7]);
  assert.ok(bench.sequences().indexOf(4) < bench.sequences().indexOf(5));
  // Those that the broker has are waited for; their receipts come over the new connection.
  bench.transport.receipt(a3!);
  bench.transport.receipt(b6!);
  for (const report of [...bench.transport.sent]) bench.transport.receipt(report);
  assert.is(bench.spool.status.pending, 0);
  assert.is(bench.counters.reportsSentAgain, 3);
  await bench.close();
});

test('an urgent lane goes first, and none starves', async () => {
  const bench = await forwarderBench({ window: 64 });
  await bench.store('x');
  for (const lane of ['bulk', 'process', 'state', 'alarm'] as const)
    await bench.store(`m-${lane}`, 60, lane, `c_${lane}`);
  bench.transport.answerAll();
  bench.transport.connect();
  await waitFor(() => bench.spool.status.pending === 0);
  const lanes = bench.transport.sent.map(({ serial }) => serial);
  const half = lanes.slice(0, 120);
  const count = (name: string) => half.filter((serial) => serial === name).length;
  assert.ok(count('m-alarm') >= count('m-state') && count('m-state') >= count('m-process'), `${half}`);
  assert.ok(count('m-bulk') > 0, 'bulk has its share');
  await bench.close();
});

test('base information is brought forward, out of turn, and sent once', async () => {
  const bench = await forwarderBench({ window: 4 });
  await bench.store('noise', 200, 'state', 'device_auth_log');
  await bench.store('sn9', 1, 'state', 'device_base_info');
  bench.transport.connect();
  await quiet(bench);
  const order: string[] = [];
  bench.transport.onSend = (report) => {
    order.push(report.serial);
    bench.transport.confirm(report);
    bench.transport.receipt(report);
  };
  const done = bench.forwarder.bringForward('sn9', 2000);
  for (const report of [...bench.transport.sent]) bench.transport.receipt(report);
  await done;
  assert.ok(order.indexOf('sn9') >= 0 && order.indexOf('sn9') < 150, `came as number ${order.indexOf('sn9')}`);
  await waitFor(() => bench.spool.status.pending === 0);
  assert.is(order.filter((serial) => serial === 'sn9').length, 1);
  assert.is(bench.spool.status.pending, 0);
  await bench.close();
});

test.run();
