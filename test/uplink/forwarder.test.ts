import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { forwarderBench } from '../support/forwarder-bench.ts';

const test = suite('forwarder');
const stored = { 错误: '' };
const malformed = { 错误: '报文格式错误', 错误码: 'malformed' };
const failed = { 错误: '数据操作错误', 错误码: 'storage-failed' };

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

test('a silent centre: the oldest report alone is repeated three times, then an alarm, then growing pauses', async () => {
  const bench = await forwarderBench();
  bench.transport.onSend = (report) => bench.transport.confirm(report);
  bench.transport.connect();
  await bench.store('a');
  await quiet(bench);
  bench.transport.receipt(bench.transport.sent[0]!);
  for (const serial of ['a', 'b', 'c']) await bench.store(serial);
  await quiet(bench);
  assert.equal(bench.sequences(), [1, 2, 3, 4]);
  bench.transport.sent.length = 0;
  await bench.clock.advanceGently(2900);
  assert.equal(bench.sequences(), []);
  await bench.clock.advanceGently(400);
  await waitFor(() => bench.transport.sent.length > 0);
  assert.equal(bench.sequences(), [2]);
  assert.is(bench.forwarder.state.window, 4);
  for (let second = 0; second < 7; second++) {
    await bench.clock.advanceGently(1000);
    await rest();
  }
  assert.equal(bench.sequences(), [2, 3, 4]);
  for (let second = 0; second < 60; second++) {
    await bench.clock.advanceGently(1000);
    await rest();
  }
  assert.equal(
    bench.alarms.active.map(({ code }) => code),
    ['uplink-no-receipt'],
  );
  const repeats = bench.transport.sent.length;
  await bench.store('d');
  for (let minute = 0; minute < 20; minute++) {
    await bench.clock.advanceGently(30_000);
    await rest();
  }
  assert.not.ok(bench.sequences().includes(5), 'nothing new is sent into the silence');
  const more = bench.transport.sent.length - repeats;
  assert.ok(more >= 2 && more <= 12, `${more} more tries in ten minutes`);
  // One receipt, and all goes on.
  bench.transport.onSend = (report) => {
    bench.transport.confirm(report);
    bench.transport.receipt(report);
  };
  bench.transport.receipt(bench.transport.sent.at(-1)!);
  await passUntil(bench, () => bench.spool.status.pending === 0);
  assert.equal(bench.alarms.active, []);
  await bench.close();
});

test('a slow centre that answers now and then is not flooded with repeats', async () => {
  const bench = await forwarderBench();
  bench.transport.onSend = (report) => bench.transport.confirm(report);
  bench.transport.connect();
  for (const serial of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) await bench.store(serial);
  await quiet(bench);
  for (const report of [...bench.transport.sent]) {
    await bench.clock.advanceGently(2500);
    bench.transport.receipt(report);
  }
  assert.is(bench.counters.reportsSentAgain, 0);
  assert.is(bench.spool.status.pending, 0);
  await bench.close();
});

test('512 under way to a centre that has ten inserts a second for this gateway: no repeats', async () => {
  const bench = await forwarderBench({ window: 512 });
  const waiting: (typeof bench.transport.sent)[number][] = [];
  bench.transport.onSend = (report) => {
    bench.transport.confirm(report);
    waiting.push(report);
  };
  bench.transport.connect();
  for (let machine = 0; machine < 30; machine++) await bench.store(`m${machine}`, 20);
  await quiet(bench);
  let most = 0;
  // One gateway of fifty: the centre comes by every 2.5 s and stores 25 of what is in its queue.
  for (let round = 0; round < 60 && bench.spool.status.pending > 0; round++) {
    await bench.clock.advanceGently(2500);
    for (const report of waiting.splice(0, 25)) bench.transport.receipt(report);
    await quiet(bench);
    most = Math.max(most, bench.forwarder.state.underWay);
  }
  assert.ok(most > 400, `${most} under way`);
  assert.is(bench.spool.status.pending, 0);
  assert.is(bench.counters.reportsSentAgain, 0);
  await bench.close();
});

test('a report that is passed over while later ones are answered is sent again', async () => {
  const bench = await forwarderBench();
  bench.transport.connect();
  bench.transport.onSend = (report) => {
    bench.transport.confirm(report);
    if (report.serial !== 'lost' || bench.counters.reportsSentAgain > 0) bench.transport.receipt(report);
  };
  await bench.store('lost');
  for (let index = 0; index < 80; index++) {
    await bench.store('other');
    await bench.clock.advanceGently(100);
  }
  await quiet(bench);
  assert.is(bench.counters.reportsSentAgain, 1);
  assert.is(bench.spool.status.pending, 0);
  await bench.close();
});

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
  for await (const item of administer(bench.spool, { action: 'requeue' }, bench.clock, () =>
    bench.forwarder.onRequeued(),
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

/** Waits, in real time, for what the disk has to do first. */
async function waitFor(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.ok(condition());
}

/** Waits until nothing more is sent for a while: reading again what waits takes real time. */
async function quiet(bench: { transport: { sent: readonly unknown[] } }): Promise<void> {
  for (let before = -1; before !== bench.transport.sent.length; ) {
    before = bench.transport.sent.length;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

/** Real time enough for a read of the page cache, when a test wants to see that nothing more comes. */
const rest = () => new Promise((resolve) => setTimeout(resolve, 20));

/** Lets time pass, and the disk work, until something holds. */
async function passUntil(
  bench: { clock: { advanceGently(ms: number): Promise<void> } },
  condition: () => boolean,
  limitMs = 120_000,
): Promise<void> {
  for (let passed = 0; passed < limitMs && !condition(); passed += 500) {
    await bench.clock.advanceGently(500);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(condition(), `not within ${limitMs} ms`);
}

test.run();
