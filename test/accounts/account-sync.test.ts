import { generateKeyPairSync } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AccountPublisher, AccountSync, Accounts, Login, Sessions, wirePassword } from '../../src/accounts/index.ts';
import { Alarms } from '../../src/alarms.ts';
import { silentLogger } from '../../src/platform/index.ts';
import { encodeAccountPush, readAccountPush } from '../../src/protocols/machines/index.ts';
import { siteTime, sqlite, startMs } from '../queries/support.ts';
import { ManualClock } from '../support/manual-clock.ts';

const test = suite('accounts from the centre');
const hash = (plain: string) => wirePassword(plain, 'sha256');
const centre = generateKeyPairSync('ed25519');
const stranger = generateKeyPairSync('ed25519');

async function place() {
  const store = await sqlite.open();
  const clock = new ManualClock(startMs);
  const accounts = new Accounts({ store, clock, siteTime });
  const sessions = new Sessions({ store, accounts, clock, siteTime });
  return { store, clock, accounts, sessions, login: new Login({ accounts, sessions, clock }) };
}

/** A centre with its accounts, a box, and the way between them. */
async function site() {
  const [here, box] = [await place(), await place()];
  const customers = new Map([['gw1', ['甲']]]);
  const sent: { gateway: string; version: number; body: Buffer }[] = [];
  const state = { isAway: false, hasKey: true, whileAsked: undefined as (() => Promise<void>) | undefined };
  const publisher = new AccountPublisher({
    accounts: here.accounts,
    store: here.store,
    privateKey: () => centre.privateKey,
    gateways: async () => [...customers.keys()],
    async customersAt(gateway) {
      const found = customers.get(gateway) ?? [];
      await state.whileAsked?.();
      return found;
    },
    async send(gateway, version, body) {
      if (state.isAway) throw new Error('away');
      sent.push({ gateway, version, body });
    },
    clock: here.clock,
    logger: silentLogger,
  });
  const alarms = new Alarms({ clock: box.clock, logger: silentLogger });
  const sync = new AccountSync({
    accounts: box.accounts,
    store: box.store,
    gatewayId: 'gw1',
    centreKey: () => (state.hasKey ? centre.publicKey : undefined),
    alarms,
    logger: silentLogger,
  });
  const deliver = async () => {
    await publisher.look();
    const outcomes: string[] = [];
    for (const { gateway, body } of sent.splice(0)) if (gateway === 'gw1') outcomes.push(await sync.apply(body));
    return outcomes;
  };
  const names = async () => (await box.accounts.list()).map(({ name, origin }) => `${name} ${origin}`);
  const add = (name: string, to: string[]) =>
    here.accounts.add({ name, password: hash(name), customers: to, role: 'viewer' });
  const close = async () => {
    await here.store.stop();
    await box.store.stop();
  };
  return { here, box, customers, sent, state, publisher, sync, alarms, deliver, names, add, close };
}

test('a gateway gets those who see all and those of its machines’ customers, and they log in without the centre', async () => {
  const { box, add, deliver, names, close } = await site();
  await add('all', ['*']);
  await add('of its', ['甲', '丙']);
  await add('other', ['乙']);
  assert.equal(await deliver(), ['applied']);
  assert.equal(await names(), ['all centre', 'of its centre']);
  assert.is((await box.login.login('of its', hash('of its'), '10.0.0.1')).kind, 'open');
  assert.is((await box.login.login('other', hash('other'), '10.0.0.1')).kind, 'wrong');
  await close();
});

test('it is sent once, and again only when it differs: for a change, and for a machine of another customer', async () => {
  const { customers, publisher, add, deliver, names, close } = await site();
  await add('other', ['乙']);
  assert.equal(await deliver(), ['applied']);
  assert.equal(await deliver(), []);
  await add('third', ['丙']);
  assert.equal(await deliver(), []);
  customers.set('gw1', ['甲', '乙']);
  publisher.touch('gw1');
  assert.equal(await deliver(), ['applied']);
  assert.equal(await names(), ['other centre']);
  assert.equal(await deliver(), []);
  await close();
});

test('a machine that comes while its gateway is looked at is not missed', async () => {
  const { state, customers, publisher, add, deliver, names, close } = await site();
  await add('other', ['乙']);
  await deliver();
  publisher.touch('gw1');
  state.whileAsked = async () => {
    state.whileAsked = undefined;
    customers.set('gw1', ['甲', '乙']);
    publisher.touch('gw1');
  };
  assert.equal(await deliver(), []);
  assert.equal(await deliver(), ['applied']);
  assert.equal(await names(), ['other centre']);
  await close();
});

test('a machine that changes its customer is found without a word of it', async () => {
  const { here, customers, add, deliver, names, close } = await site();
  await add('other', ['乙']);
  await deliver();
  customers.set('gw1', ['乙']);
  assert.equal(await deliver(), []);
  here.clock.advance(300_000);
  assert.equal(await deliver(), ['applied']);
  assert.equal(await names(), ['other centre']);
  await close();
});

test('what could not be sent is sent at the next look', async () => {
  const { state, add, deliver, names, close } = await site();
  await add('all', ['*']);
  state.isAway = true;
  assert.equal(await deliver(), []);
  state.isAway = false;
  assert.equal(await deliver(), ['applied']);
  assert.equal(await names(), ['all centre']);
  await close();
});

test('who is removed or gets a new password at the centre is out at the gateway; others stay in', async () => {
  const { here, box, add, deliver, close } = await site();
  for (const name of ['a', 'b', 'c']) await add(name, ['*']);
  await deliver();
  const tokens = new Map<string, string>();
  for (const name of ['a', 'b', 'c']) {
    const outcome = await box.login.login(name, hash(name), '10.0.0.1');
    if (outcome.kind === 'open') tokens.set(name, outcome.token);
  }
  await here.accounts.remove('a');
  await here.accounts.setPassword('b', hash('new'));
  assert.equal(await deliver(), ['applied']);
  assert.is(await box.sessions.use(tokens.get('a')!), undefined);
  assert.is(await box.sessions.use(tokens.get('b')!), undefined);
  assert.is((await box.sessions.use(tokens.get('c')!))?.name, 'c');
  assert.is((await box.login.login('b', hash('new'), '10.0.0.1')).kind, 'open');
  await close();
});

test('an account made at the box stays and counts, a first administrator of its own gives way', async () => {
  const { box, add, deliver, names, close } = await site();
  const local = { password: hash('local'), customers: ['*'], role: 'authorizer' } as const;
  await box.accounts.add({ ...local, name: 'mine' });
  await box.accounts.add({ ...local, name: 'same' });
  await box.accounts.add({ ...local, name: 'admin', origin: 'first' });
  await add('same', ['*']);
  await add('admin', ['*']);
  await deliver();
  assert.equal(await names(), ['admin centre', 'mine local', 'same local']);
  assert.is((await box.login.login('same', hash('local'), '10.0.0.1')).kind, 'open');
  assert.is((await box.login.login('admin', hash('admin'), '10.0.0.1')).kind, 'open');
  await close();
});

test('nothing is taken over that is older, or that this centre did not sign for this gateway', async () => {
  const { here, box, sent, state, publisher, sync, alarms, add, names, close } = await site();
  await add('all', ['*']);
  await publisher.look();
  const [first] = sent.splice(0);
  await here.accounts.remove('all');
  await publisher.look();
  const [second] = sent.splice(0);
  assert.is(await sync.apply(second!.body), 'applied');
  assert.is(await sync.apply(first!.body), 'older');
  assert.equal(await names(), []);
  const push = { gateway: 'gw1', version: 99, accounts: [] };
  const refused = [
    encodeAccountPush(push, stranger.privateKey),
    encodeAccountPush({ ...push, gateway: 'gw2' }, centre.privateKey),
    Buffer.from(first!.body.toString().replace('authorizer', 'viewer').replace('\\"gw1\\"', '\\"gw1\\" ')),
    Buffer.from('{"类型":"账号变更"}'),
    Buffer.from('not json'),
  ];
  for (const body of refused) {
    assert.is(await sync.apply(body), 'refused');
    assert.equal(
      alarms.active.map(({ code }) => code),
      ['accounts-refused'],
    );
  }
  state.hasKey = false;
  assert.is(await sync.apply(second!.body), 'unpinned');
  state.hasKey = true;
  assert.is(await sync.apply(second!.body), 'applied');
  assert.equal(alarms.active, []);
  assert.equal(await box.accounts.list(), []);
  await close();
});

test('a push says what was put in, and holds no password that would do to log in', async () => {
  const { sent, publisher, add, close } = await site();
  await add('all', ['*']);
  await publisher.look();
  const { body } = sent[0]!;
  const push = readAccountPush(body, 'gw1', centre.publicKey)!;
  assert.equal(
    push.accounts.map(({ name, customers, role }) => ({ name, customers, role })),
    [{ name: 'all', customers: ['*'], role: 'viewer' }],
  );
  assert.not.ok(body.toString().includes(hash('all')));
  await close();
});

test.run();
