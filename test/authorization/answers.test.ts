/** Which answers and pushes of the centre count, and which change nothing: foreign, stale, doubtful or forged ones. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { settle } from '../support/manual-clock.ts';
import { authorizationBench, dayMs, identity, otherKeys, queryOf } from './bench.ts';

const test = suite('authorizer: answers');
const elsewhere = { ...identity, address: '重庆市北碚区1号' };

test('a grant of the centre is answered, and its lease answers when the centre is away', async () => {
  const bench = await authorizationBench();
  await bench.connect();
  const first = bench.ask();
  await settle();
  const [query] = bench.transport.asked;
  assert.equal(query?.body, queryOf());
  assert.match(query!.messageId, /^gw-00000000000000ab-q1$/);
  bench.answer(query!, bench.grantOf(query!));
  await settle(20);
  assert.equal(first.answer, { atMs: 0, granted: true, error: '' });
  bench.transport.disconnect();
  const second = bench.ask();
  await settle(20);
  assert.equal(second.answer, { atMs: 0, granted: true, error: '' });
  assert.equal(
    bench.events('answer').map(({ fields }) => [fields.granted, fields.source]),
    [
      [true, 'centre'],
      [true, 'lease'],
    ],
  );
});

test('an answer about another machine, without 授权 "1", or with an 错误, does not grant', async () => {
  for (const change of [{ 序列号: 'sn000002' }, { 授权: '0' }, { 授权: 1 }, { 错误: 'x' }, { 序列号: undefined }]) {
    const bench = await authorizationBench();
    await bench.connect();
    const told = bench.ask();
    await settle();
    const [query] = bench.transport.asked;
    bench.answer(query!, { ...bench.grantOf(query!), ...change });
    await bench.clock.advanceGently(42_000);
    await settle(20);
    assert.is(told.answer?.granted, false, JSON.stringify(change));
    assert.is.not(bench.leases.get(identity.serial)?.kind, 'lease');
  }
});

test('an answered "0" is final, deletes the lease, and is remembered', async () => {
  const bench = await authorizationBench();
  await bench.putLease();
  await bench.connect();
  const told = bench.ask();
  await settle();
  bench.answer(bench.transport.asked[0]!, bench.denialOf(bench.transport.asked[0]!));
  await settle(20);
  assert.equal(told.answer, { atMs: 0, granted: false, error: '授权不通过0' });
  assert.is(bench.leases.get(identity.serial)?.kind, 'denial');
  await bench.clock.advanceGently(60_000);
  assert.is(bench.transport.asked.length, 1);
});

test('words of a centre’s own are repeated to the machine, and deny', async () => {
  const bench = await authorizationBench({ pinned: false });
  await bench.putLease();
  await bench.connect();
  const told = bench.ask();
  await settle();
  bench.answer(bench.transport.asked[0]!, bench.denialOf(bench.transport.asked[0]!, '设备"停用"'));
  await settle(20);
  assert.equal(told.answer, { atMs: 0, granted: false, error: '设备"停用"' });
  assert.is(bench.leases.get(identity.serial)?.kind, 'denial');
});

test('a centre that could not decide takes no lease away: it answers, or the text is final', async () => {
  for (const hasLease of [true, false]) {
    const bench = await authorizationBench();
    if (hasLease) await bench.putLease();
    await bench.connect();
    const told = bench.ask();
    await settle();
    bench.answer(bench.transport.asked[0]!, bench.denialOf(bench.transport.asked[0]!, 'x', 'storage-failed'));
    await settle(20);
    assert.equal(told.answer, { atMs: 0, granted: hasLease, error: hasLease ? '' : '数据操作错误' });
    assert.is(bench.leases.get(identity.serial)?.kind, hasLease ? 'lease' : undefined);
  }
});

test('without correlation an answer counts only while all that is open is about one identity', async () => {
  const bench = await authorizationBench({ pinned: false });
  await bench.connect();
  bench.ask();
  const other = bench.ask(queryOf(elsewhere), 'http');
  await settle();
  const [first] = bench.transport.asked;
  bench.answer(first!, bench.grantOf(first!));
  await settle(20);
  assert.is(other.answer, undefined);
  assert.is(bench.counters.authorizationIgnored.get('ambiguous'), 1);
  assert.is(bench.leases.get(identity.serial), undefined);
});

test('a stale answer is taken only when it says what it answers', async () => {
  for (const correlated of [true, false]) {
    const bench = await authorizationBench();
    await bench.connect();
    const told = bench.ask();
    await settle();
    const [query] = bench.transport.asked;
    bench.transport.disconnect();
    await bench.connect();
    bench.answer(query!, bench.grantOf(query!), { stale: true, correlated });
    await settle(20);
    assert.is(told.answer?.granted, correlated ? true : undefined);
    assert.is(bench.counters.authorizationIgnored.get('stale') ?? 0, correlated ? 0 : 1);
  }
});

test('an answer to nothing that was asked is counted', async () => {
  const bench = await authorizationBench();
  await bench.connect();
  bench.answer(
    { messageId: 'gw-00000000000000aa-q1', channel: 'device_auth', serial: 'sn000001', body: Buffer.of() },
    {},
  );
  await settle();
  assert.is(bench.counters.authorizationIgnored.get('unmatched'), 1);
});

test('a push is put down, and takes effect once; older, forged and unknown ones change nothing', async () => {
  const bench = await authorizationBench();
  await bench.putLease();
  const before = bench.leases.get(identity.serial);
  await bench.push(bench.terms({ version: 5 }, otherKeys));
  await bench.transport.push(Buffer.from('{"类型":"授权变更"}'));
  await bench.transport.push(Buffer.from('{"类型":"别的"}'));
  await bench.transport.push(Buffer.from('no JSON'));
  assert.equal(bench.leases.get(identity.serial), before);
  assert.ok(bench.alarms.active.some(({ code }) => code === 'grant-signature'));
  await bench.push(bench.terms({ version: 5, until: bench.siteTime.format(bench.trueMs() - dayMs) }));
  assert.is(bench.leases.get(identity.serial)?.kind, 'denial');
  await bench.push(bench.terms({ version: 4 }));
  assert.is(bench.leases.get(identity.serial)?.kind, 'denial');
  assert.equal(Object.fromEntries(bench.counters.authorizationChanges), {
    'bad-signature': 1,
    malformed: 1,
    unknown: 2,
    denied: 1,
    stale: 1,
  });
  assert.ok(bench.events('change').every(({ isOnDisk }) => isOnDisk));
});

test('an answer from before a revocation that is known does not grant', async () => {
  const bench = await authorizationBench();
  await bench.connect();
  const told = bench.ask();
  await settle();
  const [query] = bench.transport.asked;
  const early = bench.grantOf(query!);
  await bench.push(bench.terms({ version: 2, until: bench.siteTime.format(bench.trueMs() - dayMs) }));
  bench.answer(query!, early);
  await settle(20);
  assert.equal(told.answer, { atMs: 0, granted: false, error: '授权不通过0' });
});

test('with a pinned key a grant without its signature, or with another’s, is none', async () => {
  for (const forge of [
    (body: object) => ({ ...body, 签名: undefined }),
    (body: object) => ({ ...body, 授权截止时间: '2099-01-01 00:00:00' }),
    (body: object) => ({ ...body, 版本: 'x' }),
  ]) {
    const bench = await authorizationBench();
    await bench.connect();
    const told = bench.ask();
    await settle();
    const [query] = bench.transport.asked;
    bench.answer(query!, forge(bench.grantOf(query!)));
    await bench.clock.advanceGently(12_000);
    assert.not(told.isDone);
    assert.is(bench.leases.get(identity.serial), undefined);
    assert.ok(bench.alarms.active.some(({ code }) => code === 'grant-signature'));
  }
});

test.run();
