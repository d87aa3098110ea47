// slow

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Arrival, AuthorizationDesk, createCentralCounters, Gateways } from '../../src/central/index.ts';
import { MachineRegistry } from '../../src/documents/index.ts';
import { HoldfastError, isHoldfastError } from '../../src/errors.ts';
import { SiteTime, silentLogger } from '../../src/platform/index.ts';
import { ReplyWriter } from '../../src/protocols/machines/index.ts';
import { type DocumentStore, SqliteDocumentStore } from '../../src/store/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startMongo } from '../support/mongodb.ts';
import { startRabbit } from '../support/rabbitmq.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { authorizations, bareService, identity, knowMachine, log, newKey, query } from './authorization-support.ts';
import { Machine, startCentral } from './support.ts';

const test = suite('authorization desk');

function desk(store: DocumentStore, clock: ManualClock) {
  const counters = createCentralCounters();
  const it = new AuthorizationDesk({
    store,
    registry: new MachineRegistry({ store, logger: silentLogger }),
    gateways: new Gateways({ store, clock }),
    key: newKey(),
    siteTime: new SiteTime('Asia/Shanghai'),
    replies: new ReplyWriter(),
    counters,
    clock,
    logger: silentLogger,
  });
  return { it, counters };
}

const arrival = (clock: ManualClock, serial: string, more: Partial<Arrival> = {}): Arrival => ({
  channel: 'device_auth',
  body: Buffer.from(JSON.stringify(query(serial))),
  messageId: undefined,
  receivedMs: clock.wallMs(),
  ...more,
});

test('while the database is away nobody is answered, and what is too old never will be', async () => {
  let asked = 0;
  const away = async () => {
    asked++;
    throw new HoldfastError('database-unreachable', 'away');
  };
  const store = { find: away, update: away, insertBatch: away } as unknown as DocumentStore;
  const clock = new ManualClock();
  const { it, counters } = desk(store, clock);
  const queries = [arrival(clock, 'sn1')];
  clock.advance(9_999);
  const error = await it.take(queries).then(
    () => undefined,
    (thrown) => thrown,
  );
  assert.ok(isHoldfastError(error, 'database-unreachable'));
  assert.equal([counters.granted, counters.refused, counters.dropped], [0, 0, 0]);
  clock.advance(2);
  const before = asked;
  assert.equal(await it.take(queries), [{ outcome: 'dropped', serial: 'sn1', body: undefined }]);
  assert.equal([counters.dropped, asked], [1, before]);
});

test('the authorization ends with its second', async () => {
  const store = new SqliteDocumentStore({ folder: temporaryFolder().path });
  await store.start();
  const clock = new ManualClock();
  const { it } = desk(store, clock);
  await knowMachine(store, 'sn1');
  await bareService(store, clock).set('sn1', 1, 'a');
  const outcome = async () => (await it.take([arrival(clock, 'sn1')]))[0]!.outcome;
  const wholeSecond = clock.wallMs() % 1000;
  clock.advance(86_400_000 - wholeSecond - 1);
  assert.is(await outcome(), 'granted');
  clock.advance(1);
  assert.is(await outcome(), 'refused');
  await store.stop();
});

test('an end that another program wrote counts, and one that nobody can read does not grant', async () => {
  const store = new SqliteDocumentStore({ folder: temporaryFolder().path });
  await store.start();
  const clock = new ManualClock();
  const { it } = desk(store, clock);
  for (const [serial, until, granted] of [
    ['sn-future', '2126-01-01 00:00:00', 'granted'],
    ['sn-past', '2020-01-01 00:00:00', 'refused'],
    ['sn-odd', 'for ever', 'refused'],
  ] as const) {
    await knowMachine(store, serial);
    const document = { _id: `by-hand-${serial}`, 序列号: serial, ...identity, 授权截止时间: until };
    await store.insertBatch(authorizations, [{ document, series: serial }]);
    const gateway = { gateway: 'gw-1', via: 'amqp', messageId: 'm' } as const;
    const [answer] = await it.take([arrival(clock, serial, gateway)]);
    assert.is(answer!.outcome, granted, serial);
    const body = JSON.parse(answer!.body!.toString());
    assert.equal([body.版本, body.授权截止时间], [0, until]);
  }
  await store.stop();
});

test('of a record of the centre, the end that was changed in the database counts', async () => {
  const store = new SqliteDocumentStore({ folder: temporaryFolder().path });
  await store.start();
  const clock = new ManualClock();
  const { it } = desk(store, clock);
  await knowMachine(store, 'sn1');
  await bareService(store, clock).set('sn1', 120, 'a');
  for (const [until, outcome] of [
    ['2020-01-01 00:00:00', 'refused'],
    ['2126-01-01 00:00:00', 'granted'],
    ['', 'refused'],
  ]) {
    await store.update(authorizations, 'sn1', { set: { 授权截止时间: until! } });
    assert.is((await it.take([arrival(clock, 'sn1')]))[0]!.outcome, outcome, until);
  }
  await store.stop();
});

test('the line in the log is there before the answer is', async () => {
  const store = new SqliteDocumentStore({ folder: temporaryFolder().path });
  await store.start();
  const clock = new ManualClock();
  let logged = 0;
  const watched = {
    find: store.find.bind(store),
    insertBatch: async (target: typeof log, documents: Parameters<DocumentStore['insertBatch']>[1]) => {
      if (target.collection === log.collection) throw new HoldfastError('database-unreachable', 'away just now');
      logged += documents.length;
      return store.insertBatch(target, documents);
    },
  } as unknown as DocumentStore;
  const { it, counters } = desk(watched, clock);
  const error = await it.take([arrival(clock, 'sn1')]).then(
    () => undefined,
    (thrown) => thrown,
  );
  assert.ok(isHoldfastError(error, 'database-unreachable'));
  assert.equal([counters.refused, logged], [0, 0]);
  await store.stop();
});

test('a query that the database kept from its answer leaves its queue without one', async () => {
  const [rabbit, mongo] = await Promise.all([startRabbit(), startMongo({ own: true })]);
  const central = await startCentral({ HOLDFAST_CENTRAL_BROKER: rabbit.url, HOLDFAST_CENTRAL_MONGODB: mongo.url });
  await until(() => central.health.status === 'ok', 'the centre reads');
  const machine = await Machine.connect(rabbit.url);
  await machine.listen('device_auth_sn1_res');
  await mongo.kill();
  machine.send('device_auth', query('sn1'));
  await until(() => central.counters.dropped === 1, 'the query is dropped', 20_000);
  await until(async () => (await rabbit.queueLengths()).device_auth === 0, 'the queue is empty');
  assert.is(machine.answers.length, 0);
  await mongo.restart();
  machine.send('device_auth', query('sn1'));
  await until(() => machine.answers.length === 1, 'the next is answered');
  assert.is(machine.answers[0]!.body.错误, '设备信息不一致，授权不通过');
  await machine.close();
  await central.stop();
  await mongo.stop();
  await rabbit.remove();
});

test.run();
