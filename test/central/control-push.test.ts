// slow

import mqtt, { type MqttClient } from 'mqtt';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ControlPush, createCentralCounters, Gateways } from '../../src/central/index.ts';
import type { Central } from '../../src/central.ts';
import { silentLogger, systemClock } from '../../src/platform/index.ts';
import { readPush, verifyGrant } from '../../src/protocols/machines/index.ts';
import { type DocumentStore, SqliteDocumentStore } from '../../src/store/index.ts';
import { startMongo } from '../support/mongodb.ts';
import { startRabbit } from '../support/rabbitmq.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { shortest, until } from '../support/until.ts';
import { baseInformation, query } from './authorization-support.ts';
import { startCentral } from './support.ts';

const id = (sequence: number) => `gw-1-0123456789abcdef-${sequence}`;

interface Heard {
  readonly topic: string;
  readonly payload: Buffer;
}

/** A gateway's link with a session that the broker keeps. */
async function gateway(
  url: string,
  username: string,
  password: string,
): Promise<{ client: MqttClient; heard: Heard[] }> {
  const options = {
    username,
    password,
    reconnectPeriod: 0,
    protocolVersion: 4,
    clean: false,
    clientId: 'gw-1',
  } as const;
  const client = mqtt.connect(url, options);
  const heard: Heard[] = [];
  client.on('message', (topic, payload) => heard.push({ topic, payload }));
  await new Promise<void>((resolve, reject) => client.once('connect', () => resolve()).once('error', reject));
  await client.subscribeAsync('holdfast/gw-1/down/#', { qos: 1 });
  return { client, heard };
}

const pushes = (heard: readonly Heard[]) =>
  heard
    .filter(({ topic }) => topic === 'holdfast/gw-1/down/control')
    .map(({ payload }) => readPush(payload))
    .filter((push) => push !== undefined);

/** A gateway over MQTT: its query answered and signed, a change told while it listens, and one while it does not. */
async function livesOverMqtt(central: Central, url: string, username: string, password: string): Promise<number> {
  const first = await gateway(url, username, password);
  const answers = () => first.heard.filter(({ topic }) => topic.includes('/down/receipt/'));
  first.client.publish(`holdfast/gw-1/up/device_base_info/${id(1)}`, JSON.stringify(baseInformation('sn1')), {
    qos: 1,
  });
  await until(() => answers().length === 1, 'the receipt');
  let version = 0;
  const heardMs = await shortest(1000, async () => {
    const begun = performance.now();
    await central.authorizations.set('sn1', 30, 'a');
    version++;
    await until(() => pushes(first.heard).length === version, 'the push');
    return performance.now() - begun;
  });
  assert.ok(heardMs < 1000, `${heardMs} ms`);
  const push = pushes(first.heard).at(-1)!;
  assert.ok(verifyGrant(push, 'gw-1', central.signingKey.publicKey));
  first.client.publish(`holdfast/gw-1/up/device_auth/${id(2)}`, JSON.stringify(query('sn1')), { qos: 1 });
  await until(() => answers().length === 2, 'the answer');
  const { topic, payload } = answers()[1]!;
  assert.is(topic, `holdfast/gw-1/down/receipt/${id(2)}`);
  const body = JSON.parse(payload.toString());
  assert.equal([body.授权, body.错误, body.版本], ['1', '', version]);
  assert.is(central.counters.unknownChannel, 0);
  await until(async () => (await central.controlPush.waiting()) === 0, 'the outbox is empty');

  await first.client.endAsync(true);
  // Sooner than the outbox is looked through.
  const returnedMs = await shortest(250, async () => {
    await central.authorizations.set('sn1', -1, 'a');
    version++;
    const next = await gateway(url, username, password);
    const begun = performance.now();
    await until(() => pushes(next.heard).some((push) => push.version === version), 'the push of the time between');
    const tookMs = performance.now() - begun;
    await until(async () => (await central.controlPush.waiting()) === 0, 'the outbox is empty');
    await next.client.endAsync(true);
    return tookMs;
  });
  assert.ok(returnedMs < 250, `${returnedMs} ms`);
  return version;
}

const test = suite('control messages');

test("a gateway over RabbitMQ's plugin", async () => {
  const [rabbit, mongo] = await Promise.all([startRabbit({ mqtt: true }), startMongo()]);
  const central = await startCentral(
    { HOLDFAST_CENTRAL_BROKER: rabbit.url, HOLDFAST_CENTRAL_MONGODB: mongo.url },
    { databasePrefix: mongo.databasePrefix },
  );
  await until(() => central.health.status === 'ok', 'the centre reads');
  await livesOverMqtt(central, `mqtt://127.0.0.1:${rabbit.mqttPort}`, 'guest', 'guest');
  // Its own queue answers it; the copy that the plugin's queue of reports gets is passed over.
  assert.is(central.counters.granted, 1);
  await until(() => central.counters.skipped === 1, 'the copy is passed over');
  await central.stop();
  await mongo.stop();
  await rabbit.remove();
});

test('a gateway at the embedded broker, and after a restart of the centre', async () => {
  const folder = temporaryFolder().file('documents');
  const dataFolder = temporaryFolder().path;
  const start = () =>
    startCentral(
      { HOLDFAST_CENTRAL_EMBEDDED: folder },
      { dataFolder, embeddedBroker: { host: '127.0.0.1', port: 0, gateways: [{ id: 'gw-1', password: 'secret' }] } },
    );
  let central = await start();
  const url = () => `mqtt://127.0.0.1:${central.ports.mqtt}`;
  let version = await livesOverMqtt(central, url(), 'gw-1', 'secret');
  const keptMs = await shortest(250, async () => {
    await central.authorizations.set('sn1', 5, 'a');
    version++;
    await central.stop();
    central = await start();
    const link = await gateway(url(), 'gw-1', 'secret');
    const begun = performance.now();
    await until(() => pushes(link.heard).some((push) => push.version === version), 'the push is kept over the restart');
    const tookMs = performance.now() - begun;
    await link.client.endAsync(true);
    return tookMs;
  });
  assert.ok(keptMs < 250, `${keptMs} ms`);
  await central.stop();
});

interface Delivery {
  readonly gateway: string;
  readonly text: string;
}

/** An outbox with a courier that does as it is told. */
async function outbox(): Promise<{
  store: DocumentStore;
  gateways: Gateways;
  push: ControlPush;
  delivered: Delivery[];
  reach: { current: boolean };
}> {
  const store = new SqliteDocumentStore({ folder: temporaryFolder().path });
  await store.start();
  const clock = systemClock();
  const gateways = new Gateways({ store, clock });
  const delivered: Delivery[] = [];
  const reach = { current: true };
  const courier = {
    async deliver(gateway: string, _via: unknown, body: Buffer) {
      if (reach.current) delivered.push({ gateway, text: body.toString() });
      return reach.current;
    },
  };
  const counters = createCentralCounters();
  const push = new ControlPush({ store, gateways, courier, counters, clock, logger: silentLogger, lookMs: 20 });
  return { store, gateways, push, delivered, reach };
}

test('of one key the newest is brought, each key on its own, and none twice', async () => {
  const { store, push, delivered } = await outbox();
  for (const version of [3n, 1n, 2n]) await push.push('gw-1', 'sn1', Buffer.from(`sn1 ${version}`), version);
  await push.push('gw-1', 'sn2', Buffer.from('sn2'), 1n);
  await push.push('gw-2', 'accounts', Buffer.from('first'));
  await push.push('gw-2', 'accounts', Buffer.from('second'));
  push.start();
  await until(async () => (await push.waiting()) === 0, 'the outbox is empty');
  assert.equal(delivered.map(({ gateway, text }) => `${gateway}: ${text}`).toSorted(), [
    'gw-1: sn1 3',
    'gw-1: sn2',
    'gw-2: second',
  ]);
  await push.stop();
  await store.stop();
});

test('a gateway that cannot be reached keeps what is for it, and gets it when it is heard of', async () => {
  const { store, gateways, push, delivered, reach } = await outbox();
  reach.current = false;
  push.start();
  await push.push('gw-1', 'sn1', Buffer.from('x'), 1n);
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.equal([delivered.length, await push.waiting()], [0, 1]);
  reach.current = true;
  await gateways.note([{ gateway: 'gw-1', via: 'mqtt', serial: undefined }]);
  await until(() => delivered.length === 1, 'it is brought');
  await until(async () => (await push.waiting()) === 0, 'the outbox is empty');
  await push.stop();
  await store.stop();
});

test('a new gateway is told to whoever wants to know, before its message is answered, until that has worked', async () => {
  const { store, gateways } = await outbox();
  const told: string[] = [];
  let fails = true;
  gateways.onNewGateway(async (gatewayId) => {
    told.push(gatewayId);
    if (fails) throw new Error('not now');
  });
  const note = () => gateways.note([{ gateway: 'gw-1', via: 'amqp', serial: 'sn1' }]);
  assert.ok(
    await note().then(
      () => false,
      () => true,
    ),
  );
  fails = false;
  await note();
  await note();
  await new Gateways({ store, clock: systemClock() }).note([{ gateway: 'gw-1', via: 'mqtt', serial: 'sn2' }]);
  assert.equal(told, ['gw-1', 'gw-1']);
  assert.equal(await gateways.gateways(), ['gw-1']);
  assert.equal([await gateways.gatewaysOf('sn1'), await gateways.gatewaysOf('sn2')], [['gw-1'], ['gw-1']]);
  assert.is(await gateways.viaOf('gw-1'), 'mqtt');
  // What is no gateway's name becomes part of no queue.
  await gateways.note([{ gateway: 'a.b', via: 'amqp', serial: 'sn1' }]);
  assert.equal(await gateways.gateways(), ['gw-1']);
  await store.stop();
});

test.run();
