/** What is sent again, and when, to a centre that is slow or does not answer. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { forwarderBench, passUntil, quiet, rest, waitFor } from '../support/forwarder-bench.ts';

const test = suite('forwarder: silence');

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

test('a channel that nobody reads keeps no other back, however little there is to report', async () => {
  const bench = await forwarderBench();
  bench.transport.onSend = (report) => {
    bench.transport.confirm(report);
    if (report.channel !== 'gateway_event') bench.transport.receipt(report);
  };
  bench.transport.connect();
  await bench.store('gw', 3, 'alarm', 'gateway_event');
  // A report now and then; between them nothing is answered.
  for (let round = 0; round < 6; round++) {
    for (let half = 0; half < 10; half++) {
      await bench.clock.advanceGently(30_000);
      await rest();
    }
    const [sequence] = await bench.store('a', 1, 'alarm', 'device_error_info');
    await passUntil(bench, () => bench.sequences().includes(sequence!), 2000);
  }
  await quiet(bench);
  assert.is(bench.spool.status.pending, 3);
  assert.is(bench.spool.status.logs.deferred.pending, 3, 'these wait aside');
  assert.equal(
    bench.alarms.active.map(({ code }) => code),
    ['report-deferred'],
  );
  await bench.close();
});

test.run();
