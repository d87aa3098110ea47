/** What a query comes to, beyond the table: joined queries, repeats, pushes, late and doubtful answers, a failing disk. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FaultFileSystem } from '../support/fault-file-system.ts';
import { settle } from '../support/manual-clock.ts';
import { Random } from '../support/random.ts';
import { authorizationBench, dayMs, hourMs, identity, otherKeys, queryOf } from './bench.ts';

const test = suite('authorizer');
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

test('queries of one machine join the one under way; those on its topic share one answer', async () => {
  const bench = await authorizationBench();
  await bench.connect();
  const first = bench.ask();
  await bench.clock.advanceGently(1000);
  const second = bench.ask();
  const third = bench.ask(queryOf(), 'http');
  await settle();
  assert.is(bench.transport.asked.length, 1);
  bench.answer(bench.transport.asked[0]!, bench.grantOf(bench.transport.asked[0]!));
  await settle(20);
  assert.is(first.answer?.granted, true);
  assert.equal(second, { answer: undefined, isDone: true });
  assert.is(third.answer?.granted, true);
  assert.is(bench.events('query').length, 3);
});

test('a query about another identity is asked for itself, and gets no other’s answer', async () => {
  const bench = await authorizationBench();
  await bench.connect();
  const one = bench.ask();
  const other = bench.ask(queryOf(elsewhere), 'http');
  await settle();
  assert.is(bench.transport.asked.length, 2);
  const [first, second] = bench.transport.asked;
  // The centre’s words about the first, sent as if they were about the second: the signature tells.
  bench.answer(second!, bench.grantOf(first!));
  await settle(20);
  assert.is(other.answer, undefined);
  assert.is(bench.counters.authorizationIgnored.get('signature'), 1);
  bench.answer(first!, bench.grantOf(first!));
  await settle(20);
  assert.is(one.answer?.granted, true);
  assert.is(other.answer, undefined);
  const third = bench.ask(queryOf({ ...identity, customer: '另一个' }), 'http');
  await settle();
  assert.is(bench.transport.asked.length, 3);
  const fourth = bench.ask(queryOf({ ...identity, customer: '第三个' }), 'http');
  await settle();
  assert.is(fourth.answer?.error, '授权服务不可用');
  assert.is(third.answer, undefined);
  assert.is(bench.counters.authorizationRefused.get('identities'), 1);
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

test('base information goes first; until it is there 设备信息不一致 denies nothing', async () => {
  const bench = await authorizationBench();
  bench.world.baseIsWaiting = true;
  await bench.connect();
  const told = bench.ask();
  await settle();
  await bench.clock.advanceGently(500);
  assert.is(bench.transport.asked.length, 0);
  bench.world.baseIsWaiting = false;
  await bench.clock.advanceGently(100);
  assert.is(bench.transport.asked.length, 1, 'as soon as it is receipted');
  const [query] = bench.transport.asked;
  bench.answer(query!, bench.denialOf(query!, '设备信息不一致，授权不通过'));
  await settle(20);
  assert.equal(told.answer?.error, '设备信息不一致，授权不通过');
  assert.is(bench.leases.get(identity.serial)?.kind, 'denial', 'now it is one');
});

test('a mismatch while base information waits is asked once more when the centre has it', async () => {
  const bench = await authorizationBench();
  bench.world.baseIsWaiting = true;
  await bench.connect();
  const told = bench.ask();
  await settle();
  await bench.clock.advanceGently(1100);
  const [query] = bench.transport.asked;
  bench.answer(query!, bench.denialOf(query!, 'x', 'identity-mismatch'));
  await bench.clock.advanceGently(500);
  bench.world.baseIsWaiting = false;
  await bench.clock.advanceGently(100);
  const second = bench.transport.asked[1]!;
  bench.answer(second, bench.grantOf(second));
  await settle(20);
  assert.is(told.answer?.granted, true);
  assert.is(bench.leases.get(identity.serial)?.kind, 'lease');
});

test('what cannot be put into the audit log is not granted', async () => {
  const bench = await authorizationBench();
  await bench.putLease();
  bench.world.auditFails = true;
  const told = bench.ask();
  await settle(20);
  assert.equal(told.answer, { atMs: 0, granted: false, error: '授权服务不可用' });
  assert.ok(bench.alarms.active.some(({ code }) => code === 'audit-write-failed'));
  bench.world.auditFails = false;
  const again = bench.ask();
  await settle(20);
  assert.is(again.answer?.granted, true);
  assert.not(bench.alarms.active.some(({ code }) => code === 'audit-write-failed'));
});

test('a lease that the disk does not take: the grant counts, and there is an alarm', async () => {
  const bench = await authorizationBench();
  await bench.connect();
  const told = bench.ask();
  await settle();
  bench.fileSystem.plan = (kind) => (kind === 'write' || kind === 'create' ? 'ENOSPC' : undefined);
  bench.answer(bench.transport.asked[0]!, bench.grantOf(bench.transport.asked[0]!));
  await settle(40);
  assert.is(told.answer?.granted, true);
  assert.is(bench.leases.get(identity.serial), undefined);
  assert.ok(bench.alarms.active.some(({ code }) => code === 'journal-write-failed'));
});

test('a denial that the disk does not take denies all the same, until a grant', async () => {
  const bench = await authorizationBench();
  await bench.putLease();
  await bench.connect();
  bench.ask();
  await settle();
  bench.fileSystem.plan = (kind) => (kind === 'write' || kind === 'create' ? 'ENOSPC' : undefined);
  bench.answer(bench.transport.asked[0]!, bench.denialOf(bench.transport.asked[0]!));
  await settle(40);
  bench.transport.disconnect();
  const away = bench.ask();
  await bench.clock.advanceGently(1000);
  assert.not(away.isDone, 'the lease that is still on disk does not answer');
  bench.fileSystem.plan = () => undefined;
  await bench.connect();
  const query = bench.transport.asked[1]!;
  bench.answer(query, bench.grantOf(query));
  await settle(40);
  assert.is(away.answer?.granted, true);
});

test('no answer before its line is in the audit log', async () => {
  const bench = await authorizationBench();
  await bench.putLease();
  const held = Promise.withResolvers<void>();
  bench.world.auditWaitsFor = held.promise;
  const told = bench.ask();
  await settle(20);
  assert.is(bench.events('answer').length, 1);
  assert.not(told.isDone);
  held.resolve();
  await settle(20);
  assert.is(told.answer?.granted, true);
});

test('a grant or denial that was answered is there after a power cut', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    for (const isGranted of [true, false]) {
      const bench = await authorizationBench({ fileSystem: new FaultFileSystem(new Random(seed)) });
      await bench.connect();
      const told = bench.ask();
      await settle();
      const query = bench.transport.asked[0]!;
      bench.answer(query, isGranted ? bench.grantOf(query) : bench.denialOf(query));
      while (!told.isDone) await settle(1);
      const after = await authorizationBench({ fileSystem: bench.fileSystem.afterPowerCut() });
      assert.is(after.leases.get(identity.serial)?.kind, isGranted ? 'lease' : 'denial');
      const again = after.ask();
      await settle(20);
      assert.is(again.answer?.granted, isGranted ? true : undefined);
    }
  }
});

test('what the spool does not take stands in the audit log, and is counted', async () => {
  const bench = await authorizationBench();
  await bench.putLease();
  bench.world.spoolFails = true;
  const told = bench.ask();
  await settle(20);
  assert.is(told.answer?.granted, true);
  assert.is(bench.counters.authorizationLogLost, 2);
  assert.is(bench.events('answer').length, 1);
});

test('query and answer go upstream with the contract’s keys', async () => {
  const bench = await authorizationBench();
  await bench.putLease();
  bench.ask();
  await settle(20);
  const time = bench.siteTime.format(bench.clock.wallMs());
  const common = { gateway: 'gw', seq: 7, 序列号: 'sn000001', 错误: '', 报文时间: time };
  const sorted = (body: object | undefined) => Object.entries(body ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  assert.equal(sorted(bench.forwarded[0]), sorted({ ...common, 类型: '查询', 授权: '', 来源: '' }));
  assert.equal(sorted(bench.forwarded[1]), sorted({ ...common, 类型: '应答', 授权: '1', 来源: '租约' }));
});

test('too many queries of one machine are refused, and those of others answered', async () => {
  const bench = await authorizationBench();
  await bench.putLease();
  const many = Array.from({ length: 15 }, () => bench.ask(queryOf(), 'http'));
  await settle(30);
  assert.is(many.filter(({ answer }) => answer?.granted).length, 10);
  assert.is(many.filter(({ answer }) => answer?.error === '授权服务不可用').length, 5);
  assert.is(bench.counters.authorizationRefused.get('machine-rate'), 5);
  const other = bench.ask(queryOf({ ...identity, serial: 'sn000002' }));
  await bench.clock.advanceGently(42_000);
  await settle(20);
  assert.is(other.answer?.error, '授权服务器无响应');
  assert.is(bench.clock.timers, 1, 'only that of the lease clock');
});

test('stopping answers all that wait', async () => {
  const bench = await authorizationBench();
  const told = bench.ask();
  await settle();
  await bench.authorizer.stop();
  await settle();
  assert.is(told.answer?.error, '授权服务不可用');
  assert.is(bench.authorizer.state.open, 0);
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
