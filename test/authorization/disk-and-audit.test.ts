/** What stands on disk, in the audit log and upstream of an answer, and what is answered when the disk fails. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FaultFileSystem } from '../support/fault-file-system.ts';
import { settle } from '../support/manual-clock.ts';
import { Random } from '../support/random.ts';
import { authorizationBench, identity, queryOf } from './bench.ts';

const test = suite('authorizer: disk and audit');

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

/** A machine with a lease was denied while the disk was full, which it is not any more. */
async function deniedOnFullDisk() {
  const bench = await authorizationBench();
  await bench.putLease();
  await bench.connect();
  bench.ask();
  await settle();
  bench.fileSystem.plan = (kind) => (kind === 'write' || kind === 'create' ? 'ENOSPC' : undefined);
  bench.answer(bench.transport.asked[0]!, bench.denialOf(bench.transport.asked[0]!));
  await settle(40);
  bench.fileSystem.plan = () => undefined;
  return bench;
}

test('a grant that is pushed after a denial which the disk did not take is not undone by it', async () => {
  const bench = await deniedOnFullDisk();
  bench.push(bench.terms({ version: 5 }));
  await settle(40);
  bench.transport.disconnect();
  bench.ask(queryOf({ ...identity, serial: 'sn000002' }));
  await settle(40);
  const told = bench.ask();
  await settle(40);
  assert.is(told.answer?.granted, true);
});

test('a denial that the disk did not take is tried again, so that a restart finds it', async () => {
  const bench = await deniedOnFullDisk();
  bench.transport.disconnect();
  bench.ask(queryOf({ ...identity, serial: 'sn000002' }));
  await settle(40);
  assert.not(bench.alarms.active.some(({ code }) => code === 'journal-write-failed'));
  const after = await authorizationBench({ fileSystem: bench.fileSystem.afterPowerCut() });
  const again = after.ask();
  await settle(20);
  assert.not(again.isDone, 'no lease answers');
  assert.is(after.leases.get(identity.serial)?.kind, 'denial');
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

test('no answer before its copy for the centre is on disk, unless that takes long', async () => {
  for (const isQuick of [true, false]) {
    const bench = await authorizationBench();
    await bench.putLease();
    const held = Promise.withResolvers<void>();
    bench.world.spoolWaitsFor = held.promise;
    const told = bench.ask();
    await settle(20);
    bench.clock.advance(150);
    await settle(20);
    assert.is(bench.events('answer').length, 1);
    assert.not(told.isDone);
    if (isQuick) held.resolve();
    else bench.clock.advance(60);
    await settle(20);
    assert.is(told.answer?.granted, true);
    assert.is(bench.counters.authorizationLogLost, 0);
    held.resolve();
  }
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

test('a query that lacks a key, and its answer, are put down and go upstream too', async () => {
  const bench = await authorizationBench();
  await bench.authorizer.refused('sn000001', 'missing-key 地址');
  await bench.authorizer.refused(undefined, 'not-json');
  const [line, other] = bench.events('malformed');
  assert.equal(line?.fields, {
    serial: 'sn000001',
    reason: 'missing-key 地址',
    granted: false,
    error: '报文格式错误',
  });
  assert.is(other?.fields.serial, undefined);
  assert.equal(
    bench.forwarded.map(({ 类型, 序列号, 授权, 错误 }) => [类型, 序列号, 授权, 错误]),
    [
      ['查询', 'sn000001', '', ''],
      ['应答', 'sn000001', '0', '报文格式错误'],
      ['查询', '', '', ''],
      ['应答', '', '0', '报文格式错误'],
    ],
  );
});

test.run();
