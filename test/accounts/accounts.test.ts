import { rejects } from 'node:assert/strict';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Accounts, accountIndexes, Sessions, wirePassword } from '../../src/accounts/index.ts';
import { type DocumentStore, SqliteDocumentStore } from '../../src/store/index.ts';
import { mongo, type StoreKind, siteTime, sqlite, startMs } from '../queries/support.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';

const mongodb = await mongo();
const hash = (plain: string) => wirePassword(plain, 'sha256');
const hour = 3_600_000;
const sessions = { database: 'user', collection: 'user_session' };
const accountTable = { database: 'user', collection: 'user_account' };

function rooms(store: DocumentStore, more: { perAccount?: number } = {}) {
  const clock = new ManualClock(startMs);
  const accounts = new Accounts({ store, clock, siteTime });
  return { store, clock, accounts, sessions: new Sessions({ store, accounts, clock, siteTime, ...more }) };
}

function tests(kind: StoreKind): void {
  const test = suite(`accounts over ${kind.name}`);
  const opened: DocumentStore[] = [];
  const open = async (more = {}) => {
    const store = await kind.open();
    opened.push(store);
    return rooms(store, more);
  };
  test.after.each(async () => {
    for (const store of opened.splice(0)) await store.stop();
  });
  test.after(() => kind.close());

  test('an account is stored with the contract’s keys, and of its password only scrypt of the wire value', async () => {
    const { store, accounts } = await open();
    await accounts.add({ name: '张三', password: hash('geheim'), customers: ['重庆达优', '重庆达优'], role: 'viewer' });
    const [document] = await store.find(accountTable);
    const { 密码: stored, _stamp, ...rest } = document!;
    assert.match(String(stored), /^\$scrypt\$/);
    assert.not.match(JSON.stringify(document!.密码), hash('geheim'));
    assert.equal(rest, {
      _id: '张三',
      账号名: '张三',
      创建时间: '2024-03-20 08:00:00',
      更新时间: '2024-03-20 08:00:00',
      客户: ['重庆达优'],
      角色: '查看',
      _origin: 'local',
    });
    assert.is((await accounts.verify('张三', hash('geheim')))?.name, '张三');
    assert.is((await accounts.verify('张三', hash('geheim').toUpperCase()))?.name, '张三');
    for (const wrong of ['geheim', '', hash('Geheim'), String(stored)]) {
      assert.is(await accounts.verify('张三', wrong), undefined, wrong);
    }
    await rejects(
      () => accounts.add({ name: '张三', password: 'x', customers: [], role: 'viewer' }),
      (error: { code: string }) => error.code === 'account-exists',
    );
  });

  test('a password that was written into the database as it is lets nobody in', async () => {
    const { store, accounts } = await open();
    const row = { 账号名: 'old', 密码: hash('p'), 客户: ['*'], 角色: '查看', _stamp: 's', _origin: 'local' };
    await store.put(accountTable, { _id: 'old', ...row });
    assert.is(await accounts.verify('old', hash('p')), undefined);
  });

  test('a session is stored without its token, and ends 24 h after its last use', async () => {
    const { store, accounts, sessions: rooms, clock } = await open();
    await accounts.add({ name: 'a', password: hash('p'), customers: ['*'], role: 'viewer' });
    const token = await rooms.open((await accounts.verify('a', hash('p')))!);
    assert.match(token, /^[0-9a-f]{12}$/);
    const [document] = await store.find(sessions);
    assert.not.ok(JSON.stringify(document, (_key, value) => (typeof value === 'bigint' ? '' : value)).includes(token));
    assert.is(document!.失效时间, '2024-03-21 08:00:00');
    assert.is(document!.创建时间, '2024-03-20 08:00:00');
    clock.advance(23 * hour);
    assert.is((await rooms.use(token))?.name, 'a');
    clock.advance(23 * hour);
    assert.is((await rooms.use(token))?.name, 'a');
    clock.advance(24 * hour);
    assert.is(await rooms.use(token), undefined);
    assert.is(await rooms.sweep(), 1);
    assert.is(await store.count(sessions), 0);
  });

  test('a clock that is set back does not lengthen a session in this process', async () => {
    const { accounts, sessions: rooms, clock } = await open();
    await accounts.add({ name: 'a', password: hash('p'), customers: ['*'], role: 'viewer' });
    const token = await rooms.open((await accounts.verify('a', hash('p')))!);
    clock.advance(24 * hour);
    clock.setWall(startMs);
    assert.is(await rooms.use(token), undefined);
  });

  test('a new password and a removal end every session at once, also one that is opened meanwhile', async () => {
    const { store, accounts, sessions: rooms } = await open();
    await accounts.add({ name: 'a', password: hash('p'), customers: ['*'], role: 'viewer' });
    const verified = (await accounts.verify('a', hash('p')))!;
    const first = await rooms.open(verified);
    await accounts.setPassword('a', hash('q'));
    assert.is(await rooms.use(first), undefined);
    assert.is(await store.count(sessions), 0);
    // Verified before the change, opened after it.
    assert.is(await rooms.use(await rooms.open(verified)), undefined);
    const second = await rooms.open((await accounts.verify('a', hash('q')))!);
    await accounts.remove('a');
    assert.is(await rooms.use(second), undefined);
    await accounts.add({ name: 'a', password: hash('q'), customers: ['*'], role: 'viewer' });
    assert.is(await rooms.use(second), undefined);
    await rejects(
      () => accounts.remove('b'),
      (error: { code: string }) => error.code === 'not-found',
    );
    await rejects(
      () => accounts.setPassword('b', 'x'),
      (error: { code: string }) => error.code === 'not-found',
    );
  });

  test('an account has a bounded number of sessions; the one that ends first makes room', async () => {
    const { store, accounts, sessions: rooms, clock } = await open({ perAccount: 3 });
    await accounts.add({ name: 'a', password: hash('p'), customers: ['*'], role: 'viewer' });
    const account = (await accounts.verify('a', hash('p')))!;
    const tokens: string[] = [];
    for (let index = 0; index < 5; index++) {
      tokens.push(await rooms.open(account));
      clock.advance(1000);
    }
    assert.is(await store.count(sessions), 3);
    const known = await Promise.all(tokens.map(async (token) => (await rooms.use(token)) !== undefined));
    assert.equal(known, [false, false, true, true, true]);
  });

  test('each change raises the version', async () => {
    const { accounts } = await open();
    assert.is(await accounts.version(), 0);
    await accounts.add({ name: 'a', password: hash('p'), customers: ['*'], role: 'viewer' });
    await accounts.setPassword('a', hash('q'));
    await accounts.remove('a');
    assert.is(await accounts.version(), 3);
  });

  test('names and customers that cannot be one are refused', async () => {
    const { accounts } = await open();
    for (const name of ['', ' a', 'a\n', 'a\u0000', 'x'.repeat(129)]) {
      await rejects(
        () => accounts.add({ name, password: 'x', customers: [], role: 'viewer' }),
        (error: { code: string }) => error.code === 'usage',
        JSON.stringify(name),
      );
    }
    for (const customers of [[''], ['a\u0007'], Array.from({ length: 1001 }, (_, index) => `c${index}`)]) {
      await rejects(
        () => accounts.add({ name: 'a', password: 'x', customers, role: 'viewer' }),
        (error: { code: string }) => error.code === 'usage',
      );
    }
  });

  test.run();
}

const test = suite('accounts on the box');

test('accounts and sessions are there after the store was opened again', async () => {
  const { path: folder } = temporaryFolder();
  const open = async () => {
    const store = new SqliteDocumentStore({ folder });
    await store.start();
    await store.ensureIndexes(accountIndexes);
    return rooms(store);
  };
  const before = await open();
  await before.accounts.add({ name: 'a', password: hash('p'), customers: ['*'], role: 'viewer' });
  const token = await before.sessions.open((await before.accounts.verify('a', hash('p')))!);
  await before.store.stop();
  const after = await open();
  assert.is((await after.sessions.use(token))?.name, 'a');
  await after.store.stop();
});

test.run();
tests(sqlite);
tests(mongodb);
