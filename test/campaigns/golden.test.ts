// slow
/**
 * Every message of the seed over the real wire, from a machine's MQTT packet to the document in the collection; and
 * every bad one, refused in the right shape, counted, kept, and never sent upstream.
 */

import * as assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import amqp from 'amqplib';
import { MongoClient } from 'mongodb';
import { suite } from 'uvu';
import { type MongoServer, startMongo } from '../support/mongodb.ts';
import { connectPacket, publishPacket, RawClient, readPublish, subscribePacket } from '../support/mqtt-raw.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { type Box, createBox, passwordOf } from '../support/site/box.ts';
import { type Centre, createCentre } from '../support/site/centre.ts';
import { type Channel, channelNames, channels } from '../support/site/machine-reports.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary.ts';
import { testCertificates } from '../support/tls.ts';
import { until } from '../support/until.ts';

const fixtures = join(import.meta.dirname, '../fixtures/machines');
const fixture = (name: string) => readFileSync(join(fixtures, name));
const golden = readdirSync(fixtures).filter((name) => /^(base|error|process-.*)\.json$/.test(name));
const bad = readdirSync(fixtures).filter((name) => name.startsWith('bad-'));
const serial = 'sn000001';
const tables: Record<Channel, string> = {
  device_base_info: '设备基本信息',
  device_process_info: '设备流程信息',
  device_error_info: '设备异常',
};
const channelOf = (name: string): Channel =>
  name === 'base.json' ? 'device_base_info' : name === 'error.json' ? 'device_error_info' : 'device_process_info';

let folder: TemporaryFolder;
let rabbit: Rabbit;
let mongo: MongoServer;
let box: Box;
let centre: Centre;
let database: MongoClient;
let tap: amqp.ChannelModel;
let machine: RawClient;
let id = 10;
/** What the gateway has published, seen by RabbitMQ's tracer: routing key, properties and body as they were sent. */
const published: { key: string; headers: Record<string, unknown>; body: Buffer }[] = [];

/** Of a message of RabbitMQ's tracer: what the message that it copies had. */
interface TraceHeaders {
  readonly routing_keys: [string];
  readonly properties: Record<string, unknown>;
}

const test = suite('golden messages from end to end');

test.before(async () => {
  folder = temporaryFolder('holdfast-golden-');
  [rabbit, mongo] = await Promise.all([startRabbit({ tls: true }), startMongo({ own: true })]);
  const { ca } = testCertificates();
  await rabbit.ctl('trace_on');
  tap = await amqp.connect(rabbit.url);
  const channel = await tap.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, 'amq.rabbitmq.trace', 'publish.#');
  await channel.consume(
    queue,
    (message) => {
      const { routing_keys: keys, properties } = message!.properties.headers as unknown as TraceHeaders;
      published.push({ key: keys[0], headers: properties, body: message!.content });
    },
    { noAck: true },
  );
  centre = await createCentre({ folder: folder.path, broker: rabbit.tlsUrl!, ca, mongodb: mongo.url });
  box = await createBox({
    folder: folder.path,
    machines: [serial, 'sn000002'],
    upstream: { url: rabbit.tlsUrl, tls: { ca } },
  });
  await Promise.all([centre.start(), box.start()]);
  database = new MongoClient(mongo.url, { useBigInt64: true });
  machine = await login(serial);
});

test.after(async () => {
  await machine?.close();
  await database?.close();
  await tap?.close();
  await Promise.all([box?.kill(), centre?.kill(), rabbit?.remove(), mongo?.kill()]);
});

async function login(name: string): Promise<RawClient> {
  const client = await RawClient.open(box.mqttPort, { id: name, username: name, password: passwordOf(name) });
  client.write(...channelNames.map((channel, index) => subscribePacket(`${channel}_${name}_res`, 1, index + 1)));
  for (const _ of channelNames) assert.notEqual((await client.next(9)).body[2], 0x80);
  return client;
}

/** Publishes with QoS 1 and waits for the PUBACK and the reply. */
async function report(channel: string, body: Buffer): Promise<Record<string, string>> {
  machine.write(publishPacket(channel, body, { id: ++id }));
  assert.equal((await machine.next(4)).body.readUInt16BE(0), id);
  const { topic, payload } = readPublish(await machine.next(3));
  assert.equal(topic, `${channel}_${serial}_res`);
  return JSON.parse(payload.toString()) as Record<string, string>;
}

const upstream = (channel: string) => published.filter(({ key }) => key === channel);

test('each message of the seed is answered, sent on byte for byte, and stored', async () => {
  for (const name of golden) {
    const body = fixture(name);
    const channel = channelOf(name);
    const sent = JSON.parse(body.toString()) as Record<string, string>;
    const reply = await report(channel, body);
    assert.deepEqual(
      Object.keys(reply).sort(),
      ['序列号', '表', ...(sent.设备状态 ? ['设备状态'] : []), '错误', '报文时间'].sort(),
      name,
    );
    assert.equal(reply.序列号, serial);
    assert.equal(reply.表, tables[channel]);
    assert.equal(reply.设备状态, sent.设备状态);
    assert.equal(reply.错误, '');
    assert.match(reply.报文时间!, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);

    await until(
      () => upstream(channel).some((message) => message.body.equals(body)),
      `${name} goes upstream as it came`,
    );
    const { headers } = upstream(channel).find((message) => message.body.equals(body))!;
    const messageId = headers.message_id as string;
    assert.match(messageId, /^gw-[a-z0-9]{10}-[0-9a-f]{16}-\d+$/);
    const { database: db, collection } = channels[channel];
    const documents = database.db(db).collection<{ _id: string } & Record<string, unknown>>(collection);
    await until(async () => (await documents.findOne({ _id: messageId })) !== null, `${name} is stored`);
    const document = (await documents.findOne({ _id: messageId }))!;
    assert.equal(document._gateway, (await box.health()).gateway);
    assert.equal(document._seq, BigInt(messageId.split('-').at(-1)!));
    // 15:30:45 in Shanghai.
    assert.deepEqual(document._time, new Date('2024-03-18T07:30:45Z'));
    assert.ok(document._received instanceof Date && document._accepted instanceof Date);
    assert.ok(['trusted', 'untrusted'].includes(document._clock as string));
    // The seed writes some keys with a blank before or a colon behind; the document has them clean, and says so.
    const clean = (key: string) => key.trim().replace(/:$/, '');
    const own = Object.fromEntries(Object.entries(document).filter(([key]) => !key.startsWith('_')));
    assert.deepEqual(own, Object.fromEntries(Object.entries(sent).map(([key, value]) => [clean(key), value])), name);
    const irregular = Object.keys(sent).filter((key) => clean(key) !== key);
    const expected = irregular.length === 0 ? undefined : Object.fromEntries(irregular.map((key) => [clean(key), key]));
    assert.deepEqual(document._keys, expected, name);
  }
  await box.drained();
  for (const channel of channelNames) {
    const { database: db, collection } = channels[channel];
    const expected = golden.filter((name) => channelOf(name) === channel).length;
    assert.equal(await database.db(db).collection(collection).countDocuments(), expected, channel);
    assert.equal(upstream(channel).length, expected, channel);
  }
});

test('the same messages over HTTP are answered as over MQTT, and known as the same reports', async () => {
  const before = published.length;
  for (const name of golden) {
    const body = fixture(name);
    const response = await box.post(channelOf(name), body, serial);
    assert.equal(response.status, 202, name);
    const reply = (await response.json()) as Record<string, string>;
    assert.equal(reply.错误, '');
    assert.equal(reply.表, tables[channelOf(name)]);
  }
  await box.drained();
  const totals = await box.totals();
  assert.equal(totals.accepted, golden.length);
  assert.equal(upstreamReports(before).length, 0);
});

const upstreamReports = (from: number) =>
  published.slice(from).filter(({ key }) => (channelNames as string[]).includes(key));

test('each bad message is acknowledged, answered as malformed, counted, kept, and never sent on', async () => {
  const before = published.length;
  const kept = await refusedCount();
  const channel = 'device_process_info';
  let count = 0;
  for (const name of bad) {
    const body = fixture(name);
    // Over MQTT: a machine whose message names no usable serial number gets the PUBACK and no reply on its own topic.
    machine.write(publishPacket(channel, body, { id: ++id }));
    assert.equal((await machine.next(4)).body.readUInt16BE(0), id, name);
    const hasSerial = !/not-json|not-object|utf8|too-deep|bad-serial/.test(name);
    if (hasSerial) {
      const { topic, payload } = readPublish(await machine.next(3));
      assert.equal(topic, `${channel}_${serial}_res`, name);
      const reply = JSON.parse(payload.toString()) as Record<string, string>;
      assert.equal(reply.错误, '报文格式错误', name);
      assert.equal(reply.序列号, serial);
    }
    // Over HTTP the caller is told in any case.
    const response = await box.post(channel, body, serial);
    assert.equal(response.status, 400, name);
    assert.equal(((await response.json()) as Record<string, string>).错误, '报文格式错误', name);
    count += 2;
  }
  assert.deepEqual(machine.packets, []);
  assert.equal(await refusedCount(), kept + count);
  assert.equal((await box.spool('list', '--log', 'refused', '--limit', '1000')).length, kept + count);
  assert.equal((await box.totals()).accepted, golden.length);
  assert.equal(upstreamReports(before).length, 0);
});

async function refusedCount(): Promise<number> {
  const lines = (await box.metrics()).split('\n').filter((line) => line.startsWith('holdfast_reports_refused_total{'));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

test('a foreign serial number is acknowledged, not stored, counted, and the tenth disconnects', async () => {
  const before = await refusedCount();
  const body = fixture('process-started.json');
  const other = await login('sn000002');
  for (let n = 1; n <= 10; n++) {
    other.write(publishPacket('device_process_info', body, { id: n }));
    assert.equal((await other.next(4)).body.readUInt16BE(0), n);
  }
  await other.closed;
  const response = await box.post('device_process_info', body, 'sn000002');
  assert.equal(response.status, 403);
  assert.equal(await refusedCount(), before + 11);
  assert.equal((await box.totals()).accepted, golden.length);
});

test('without a credential, to an unknown channel and too large: 401, 404, 413, and a closed MQTT connection', async () => {
  const body = fixture('process-started.json');
  assert.equal((await box.post('device_process_info', body, undefined)).status, 401);
  assert.equal((await box.post('nothing', body, serial)).status, 404);
  const large = Buffer.alloc(2 * 1024 * 1024, 0x20);
  body.copy(large);
  assert.equal((await box.post('device_process_info', large, serial)).status, 413);
  const client = await login(serial);
  client.write(publishPacket('device_process_info', large, { id: 1 }));
  await client.closed;
  assert.ok(!client.packets.some(({ type }) => type === 4));
  const stranger = new RawClient(box.mqttPort);
  stranger.write(connectPacket({ id: 'x', username: serial, password: 'wrong' }));
  assert.notEqual((await stranger.next(2)).body[1], 0);
  await stranger.close();
  const totals = await box.totals();
  assert.equal(totals.accepted, golden.length);
  assert.equal(totals.delivered, golden.length);
  assert.equal(await database.db('device_info').collection('rejected').countDocuments(), 0);
});

test.run();
