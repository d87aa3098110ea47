/** What is answered while the centre is silent, away, or only just back. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { settle } from '../support/manual-clock.ts';
import { authorizationBench, dayMs, hourMs, identity } from './bench.ts';

const test = suite('authorizer: centre away');

test('without a lease: four queries, 13 s apart, then "0"; a late answer is still told', async () => {
  const bench = await authorizationBench();
  await bench.connect();
  const told = bench.ask();
  await settle();
  const sentAt = [bench.clock.monotonicMs()];
  for (let seconds = 1; seconds <= 41; seconds++) {
    await bench.clock.advanceGently(1000);
    if (bench.transport.asked.length > sentAt.length) sentAt.push(bench.clock.monotonicMs());
    assert.not(told.isDone, `${seconds} s`);
  }
  assert.equal(sentAt, [0, 13_000, 26_000, 39_000]);
  await bench.clock.advanceGently(1000);
  await settle(20);
  assert.equal(told.answer, { atMs: 42_000, granted: false, error: '授权服务器无响应' });
  await bench.clock.advanceGently(5000);
  const last = bench.transport.asked[3]!;
  bench.answer(last, bench.grantOf(last));
  await settle(20);
  assert.equal(bench.published, [{ atMs: 47_000, granted: true, error: '' }]);
  assert.is(bench.leases.get(identity.serial)?.kind, 'lease');
  assert.is(bench.counters.authorizationLate, 1);
});

test('a query for which there was no link is sent when the link comes', async () => {
  const bench = await authorizationBench();
  const told = bench.ask();
  await bench.clock.advanceGently(5000);
  assert.is(bench.transport.asked.length, 0);
  await bench.connect();
  assert.is(bench.transport.asked.length, 1);
  bench.answer(bench.transport.asked[0]!, bench.grantOf(bench.transport.asked[0]!));
  await settle(20);
  assert.is(told.answer?.granted, true);
});

test('before the first connection is made or has failed, a lease waits: a revocation may be a moment away', async () => {
  const bench = await authorizationBench();
  await bench.putLease();
  bench.transport.connects = 0;
  const early = bench.ask();
  await bench.clock.advanceGently(1000);
  assert.is(early.answer, undefined);
  await bench.clock.advanceGently(1000);
  assert.equal(early.answer, { atMs: 2000, granted: true, error: '' });
  const later = bench.ask();
  await bench.clock.advanceGently(500);
  await bench.connect();
  const [query] = bench.transport.asked;
  bench.answer(query!, bench.grantOf(query!));
  await settle(20);
  assert.equal(later.answer, { atMs: 2500, granted: true, error: '' });
  assert.is(bench.events('answer').at(-1)?.fields.source, 'centre');
});

test('a query that the broker does not take counts as a centre that is away', async () => {
  const bench = await authorizationBench();
  await bench.putLease();
  await bench.connect();
  const told = bench.ask();
  await settle();
  bench.transport.rejectQuery(bench.transport.asked[0]!);
  await settle(20);
  assert.equal(told.answer, { atMs: 0, granted: true, error: '' });
});

test('the link breaks while the centre is asked: a valid lease answers at once', async () => {
  const bench = await authorizationBench();
  await bench.putLease();
  await bench.connect();
  const told = bench.ask();
  await bench.clock.advanceGently(500);
  bench.transport.disconnect();
  await settle(20);
  assert.equal(told.answer, { atMs: 500, granted: true, error: '' });
});

test('after a connect no lease is used before all pushes are applied', async () => {
  const bench = await authorizationBench();
  await bench.putLease();
  bench.transport.connect();
  const told = bench.ask();
  await bench.clock.advanceGently(2500);
  assert.not(told.isDone);
  await bench.push(bench.terms({ version: 2, until: bench.siteTime.format(bench.trueMs() - dayMs) }));
  bench.transport.drainControl();
  await bench.clock.advanceGently(1000);
  assert.not(told.isDone, 'revoked');
  await bench.push(bench.terms({ version: 3 }));
  await settle(20);
  assert.equal(told.answer, { atMs: 3500, granted: true, error: '' });
  bench.transport.disconnect();
  bench.transport.connect();
  const second = bench.ask();
  await bench.clock.advanceGently(2500);
  assert.not(second.isDone, 'the next connection has to be drained too');
  bench.transport.drainControl();
  await settle(20);
  assert.is(second.answer?.granted, true);
});

test('a lease that ends while the centre is waited for does not answer', async () => {
  const bench = await authorizationBench();
  await bench.putLease({ ageMs: 72 * hourMs - 1500 });
  await bench.connect();
  const told = bench.ask();
  await bench.clock.advanceGently(5000);
  assert.not(told.isDone);
});

test.run();
