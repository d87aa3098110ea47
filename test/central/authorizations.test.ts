import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Authorizations, ControlPush, createCentralCounters, Gateways, mostDays } from '../../src/central/index.ts';
import { runCommandLine } from '../../src/command/index.ts';
import { MachineRegistry } from '../../src/documents/index.ts';
import { SiteTime, silentLogger } from '../../src/platform/index.ts';
import { readPush } from '../../src/protocols/machines/index.ts';
import type { DocumentStore } from '../../src/store/index.ts';
import { MongoDocumentStore } from '../../src/store/mongodb.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type MongoServer, startMongo } from '../support/mongodb.ts';
import { authorizations, bareService, identity, knowMachine, log, newKey, outbox } from './authorization-support.ts';

let mongo: MongoServer;
let store: DocumentStore;
const siteTime = new SiteTime('Asia/Shanghai');
const noon = Date.UTC(2026, 10, 21, 4);

const test = suite('authorizations');

test.before(async () => {
  mongo = await startMongo({ own: true });
  store = new MongoDocumentStore({ url: mongo.url });
  await store.start();
});

test.after(async () => {
  await store.stop();
  await mongo.stop();
});

/** The service of a centre whose outbox nobody empties. */
function service(clock: ManualClock) {
  const gateways = new Gateways({ store, clock });
  const registry = new MachineRegistry({ store, logger: silentLogger });
  const counters = createCentralCounters();
  const courier = { deliver: async () => false };
  const push = new ControlPush({ store, gateways, courier, counters, clock, logger: silentLogger });
  const messenger = { key: newKey(), gateways, push };
  return { gateways, it: new Authorizations({ store, registry, siteTime, clock, logger: silentLogger, messenger }) };
}

test('is set to now and whole days, in site time', async () => {
  const clock = new ManualClock(noon);
  const { it } = service(clock);
  assert.is(await it.read('sn1'), undefined);
  assert.is(await it.set('sn1', 5, 'a'), undefined);
  assert.is(await store.count(authorizations), 0);
  await knowMachine(store, 'sn1');
  assert.equal(await it.set('sn1', 120, 'a'), { serial: 'sn1', until: '2027-03-21 12:00:00' });
  assert.equal(await it.read('sn1'), { serial: 'sn1', until: '2027-03-21 12:00:00' });
  clock.advance(60_000);
  assert.equal(await it.set('sn1', -1, 'b'), { serial: 'sn1', until: '2026-11-20 12:01:00' });
  const [record] = await store.find(authorizations, { filter: { _id: 'sn1' } });
  const { 创建时间: created, 修改时间: changed, _version, _until, _pending } = record!;
  assert.equal([created, changed], ['2026-11-21 12:00:00', '2026-11-21 12:01:00']);
  assert.equal([_version, _until, _pending], [2n, new Date(noon + 60_000 - 86_400_000), false]);
  assert.equal({ ...identity, ...record }, record);
});

test('other numbers are refused and change nothing', async () => {
  const { it } = service(new ManualClock(noon));
  const [before] = await store.find(authorizations, { filter: { _id: 'sn1' } });
  for (const days of [0, 1.5, Number.NaN, mostDays + 1, -mostDays - 1, Number.POSITIVE_INFINITY]) {
    const error = await it.set('sn1', days, 'a').then(
      () => undefined,
      (thrown) => thrown,
    );
    assert.instance(error, RangeError);
  }
  assert.equal(await store.find(authorizations, { filter: { _id: 'sn1' } }), [before]);
  assert.is((await it.set('sn1', mostDays, 'a'))?.until, '2126-10-28 12:00:00');
  assert.is((await it.set('sn1', -mostDays, 'a'))?.until.slice(0, 4), '1926');
});

test('a record that another program has made counts, and is taken over by the first change', async () => {
  const { it } = service(new ManualClock(noon));
  const document = {
    _id: 'made-by-hand',
    序列号: 'sn-old',
    ...identity,
    授权截止时间: '2030-1-2 3:04:05',
    创建时间: '2020-01-01 00:00:00',
    修改时间: '2020-01-01 00:00:00',
  };
  await store.insertBatch(authorizations, [{ document, series: 'sn-old' }]);
  assert.equal(await it.read('sn-old'), { serial: 'sn-old', until: '2030-1-2 3:04:05' });
  await it.set('sn-old', 1, 'a');
  assert.is((await it.read('sn-old'))?.until, '2026-11-22 12:00:00');
  const [record] = await store.find(authorizations, { filter: { _id: 'sn-old' } });
  assert.equal([record!._version, record!.创建时间, record!._former], [1n, '2020-01-01 00:00:00', '2030-1-2 3:04:05']);
});

test('a record that was removed from the database, or lost its number, is numbered on, and each change is logged', async () => {
  const { it } = service(new ManualClock(noon));
  await knowMachine(store, 'sn-gone');
  for (const days of [1, 2, 3, 4, 5]) await it.set('sn-gone', days, 'a');
  await store.remove(authorizations, { _id: 'sn-gone' });
  await it.set('sn-gone', -1, 'a');
  await store.put(authorizations, {
    _id: 'sn-gone',
    序列号: 'sn-gone',
    ...identity,
    授权截止时间: '2030-01-01 00:00:00',
  });
  await it.set('sn-gone', -2, 'a');
  const [record] = await store.find(authorizations, { filter: { _id: 'sn-gone' } });
  assert.is(record!._version, 7n);
  const lines = await store.find(log, { filter: { 序列号: 'sn-gone' } });
  assert.equal(lines.map(({ 版本: version }) => Number(version)).sort(), [1, 2, 3, 4, 5, 6, 7]);
});

test('what a change could not finish is finished by a sweep, once', async () => {
  const { it, gateways } = service(new ManualClock(noon));
  await knowMachine(store, 'sn-cut');
  await gateways.note([{ gateway: 'gw-9', via: 'amqp', serial: 'sn-cut' }]);
  await bareService(store, new ManualClock(noon)).set('sn-cut', 7, 'console:root');
  const of = { filter: { gateway: 'gw-9' } };
  assert.is((await store.find(outbox, of)).length, 0);
  assert.is(await it.sweep(), 1);
  assert.is(await it.sweep(), 0);
  const [push] = await store.find(outbox, of);
  assert.equal(readPush(push!.body as Uint8Array)?.until, '2026-11-28 12:00:00');
  assert.is((await store.find(log, { filter: { 序列号: 'sn-cut' } })).length, 1);
});

test('while the database is away nothing is said to be set', async () => {
  const { it } = service(new ManualClock(noon));
  await mongo.kill();
  const error = await it.set('sn1', 3, 'a').then(
    () => undefined,
    (thrown) => thrown,
  );
  assert.is(error?.code, 'database-unreachable');
  await mongo.restart();
});

async function run(...words: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCommandLine({
    words: ['authorize', ...words],
    environment: { HOLDFAST_CENTRAL_MONGODB: mongo.url },
    print: (line) => void out.push(line),
    printError: (line) => void err.push(line),
    input: process.stdin,
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

test('the command shows and sets, and leaves the telling to the centre', async () => {
  await knowMachine(store, 'sn-cmd');
  assert.match((await run('sn-cmd')).err, /has never been authorized/);
  const set = await run('sn-cmd', '--days', '30');
  assert.is(set.code, 0);
  assert.match(set.out, /^sn-cmd until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(Asia\/Shanghai\)$/);
  assert.equal(await run('sn-cmd'), set);
  const revoked = await run('sn-cmd', '--revoke');
  assert.ok(revoked.out < set.out);
  const [record] = await store.find(authorizations, { filter: { _id: 'sn-cmd' } });
  assert.equal([record!._version, record!._pending], [2n, true]);
  assert.match(String(record!._by), /^console:./);
  assert.is((await store.find(log, { filter: { 序列号: 'sn-cmd' } })).length, 2);
  for (const words of [
    [],
    ['a', 'b'],
    ['a b'],
    ['sn-cmd', '--days', '0'],
    ['sn-cmd', '--days', '36501'],
    ['sn-cmd', '--days=-1', '--revoke'],
  ]) {
    assert.is((await run(...words)).code, 2, words.join(' '));
  }
  const unknown = await run('sn-none', '--days=-3');
  assert.equal([unknown.code, unknown.out], [1, '']);
});

test.run();
