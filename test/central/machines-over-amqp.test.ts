import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Central } from '../../src/central.ts';
import type { StoredDocument } from '../../src/store/index.ts';
import { type MongoServer, startMongo } from '../support/mongodb.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { until } from '../support/until.ts';
import { Machine, startCentral } from './support.ts';

const fixtures = join(import.meta.dirname, '../fixtures/machines');
const fixture = (name: string) => readFileSync(join(fixtures, name));
const golden = readdirSync(fixtures).filter((name) => /^(base|error|process-.*)\.json$/.test(name));
const bad = readdirSync(fixtures).filter((name) => name.startsWith('bad-'));

const base = { database: 'device_info', collection: 'device_base' };
const processes = { database: 'device_info', collection: 'device_process' };
const errors = { database: 'device_info', collection: 'device_error_info' };
const rejected = { database: 'device_info', collection: 'rejected' };
const channelOf = (name: string) =>
  name === 'base.json' ? 'device_base_info' : name === 'error.json' ? 'device_error_info' : 'device_process_info';
const targets: Record<string, typeof base> = {
  device_base_info: base,
  device_process_info: processes,
  device_error_info: errors,
};
const report = (state: string, serial = 'sn000009') => ({
  序列号: serial,
  报文时间: '2024-03-18 15:30:45',
  机器型号: 'P440',
  机器名称: '重庆1号机',
  地址: '中国',
  设备状态: state,
});

let rabbit: Rabbit;
let mongo: MongoServer;
let central: Central;
let machine: Machine;

const test = suite('machines that talk to the centre directly');

test.before(async () => {
  [rabbit, mongo] = await Promise.all([startRabbit(), startMongo()]);
  machine = await Machine.connect(rabbit.url);
  // Before the centre, as the machines of a site that exists already have done.
  await machine.declare('device_process_info');
  central = await startCentral(
    { HOLDFAST_CENTRAL_BROKER: rabbit.url, HOLDFAST_CENTRAL_MONGODB: mongo.url },
    { databasePrefix: mongo.databasePrefix },
  );
  await until(() => central.health.status === 'ok', 'the centre reads');
});

test.after(async () => {
  await central.stop();
  await machine.close();
  await mongo.stop();
  await rabbit.remove();
});

test('each message of the seed is stored and answered, without any property', async () => {
  for (const channel of Object.keys(targets)) {
    await machine.declare(channel);
    await machine.listen(`${channel}_sn000001_res`);
  }
  for (const name of golden) {
    const body = fixture(name);
    const channel = channelOf(name);
    const before = machine.answers.length;
    machine.send(channel, body);
    await until(() => machine.answers.length > before, `${name} is answered`);
    const { queue, message, body: answer } = machine.answers.at(-1)!;
    assert.is(queue, `${channel}_sn000001_res`);
    assert.is(message.properties.correlationId, undefined);
    assert.is(answer.序列号, 'sn000001');
    assert.is(answer.错误, '', name);
    assert.is('错误码' in answer, false);
    assert.match(answer.报文时间!, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    const id = createHash('sha256').update(`${channel}\n`).update(body).digest('hex');
    const [document] = await central.store.find(targets[channel]!, { filter: { _id: id } });
    assert.ok(document, `${name} is stored`);
    assert.is(document.设备状态, answer.设备状态);
    assert.equal(document._time, new Date('2024-03-18T07:30:45Z'));
    assert.is(document._seq, undefined);
    same(document, JSON.parse(body.toString()));
  }
  const [{ _keys }] = (await central.store.find(base)) as [StoredDocument];
  assert.equal(_keys, { 客户名称: ' 客户名称', 振镜类型: '振镜类型:' });
});

test('the same message again is answered again and stored once', async () => {
  const stored = await central.store.count(processes);
  const { duplicates } = central.counters;
  const before = machine.answers.length;
  for (let times = 0; times < 3; times++) machine.send('device_process_info', fixture('process-preheated.json'));
  await until(() => machine.answers.length === before + 3, 'three answers');
  assert.ok(machine.answers.slice(before).every(({ body }) => body.错误 === '' && body.设备状态 === '预热完成'));
  assert.is(await central.store.count(processes), stored);
  assert.is(central.counters.duplicates, duplicates + 3);
});

test('a gateway is answered where it wants, with its id', async () => {
  await machine.listen('gateway_gw-1_receipts');
  const acceptedMs = Date.now() - 5000;
  const properties = {
    messageId: 'gw-1-0123456789abcdef-42',
    appId: 'gw-1',
    headers: { 'x-sequence': 42, 'x-previous': 40, 'x-accepted-at': acceptedMs, 'x-clock': 'trusted' },
  };
  machine.send('device_process_info', report('开始打印'), { ...properties, replyTo: 'gateway_gw-1_receipts' });
  await until(() => machine.answers.at(-1)?.queue === 'gateway_gw-1_receipts', 'the receipt');
  const { message, body } = machine.answers.at(-1)!;
  assert.is(message.properties.correlationId, properties.messageId);
  const { 报文时间: _, ...rest } = body;
  assert.equal(rest, { 序列号: 'sn000009', 表: '设备流程信息', 设备状态: '开始打印', 错误: '' });
  const [document] = await central.store.find(processes, { filter: { _id: properties.messageId } });
  const { _seq, _prev, _gateway, _clock, _accepted } = document!;
  assert.equal([_seq, _prev, _gateway, _clock], [42n, 40n, 'gw-1', 'trusted']);
  assert.equal(_accepted, new Date(acceptedMs));
});

test("a call as in RabbitMQ's examples gets its correlation back", async () => {
  await machine.listen('callback');
  const before = machine.answers.length;
  machine.send('device_process_info', report('暂停'), { replyTo: 'callback', correlationId: 'call-1' });
  await until(() => machine.answers.length > before, 'the answer');
  const { queue, message } = machine.answers.at(-1)!;
  assert.equal([queue, message.properties.correlationId], ['callback', 'call-1']);
});

test("two reports under one id of a machine's own are both stored, a repeat of either is not", async () => {
  const queue = 'device_process_info_sn-counts_res';
  await machine.listen(queue);
  const answered = () => machine.answers.filter((answer) => answer.queue === queue);
  const numbers = { 数: [1, 2.5, 1e21, { 深: 12345678901234567890n.toString() }], 零: -0 };
  const first = { ...report('开机', 'sn-counts'), 开机时间: '2024-03-18 15:30:45', ...numbers };
  const second = { ...first, 开机时间: '2024-03-19 07:00:00' };
  for (const [times, body] of [first, second, first, second].entries()) {
    machine.send('device_process_info', body, { messageId: '1' });
    await until(() => answered().length > times, 'an answer');
  }
  assert.ok(answered().every(({ body }) => body.错误 === ''));
  const stored = await central.store.find(processes, { filter: { 序列号: 'sn-counts' } });
  assert.equal(stored.map(({ 开机时间 }) => 开机时间).sort(), [first.开机时间, second.开机时间]);
});

test('a reply queue that is missing is made, as a machine would', async () => {
  machine.send('device_process_info', report('暂停', 'sn-new'), { messageId: 'm-1' });
  const queue = 'device_process_info_sn-new_res';
  await until(() => central.counters.receiptsReturned > 0, 'the answer came back');
  await until(async () => (await rabbit.queueLengths())[queue] === 1, 'the answer waits');
  await machine.listen(queue);
  await until(() => machine.answers.at(-1)?.queue === queue, 'the answer is read');
  assert.is(machine.answers.at(-1)!.message.properties.correlationId, 'm-1');
});

test('malformed messages are answered, kept once and taken off the queue', async () => {
  await machine.listen('device_process_info_unknown_res');
  const before = machine.answers.length;
  let expected = 0;
  for (const name of bad) {
    for (let times = 0; times < 2; times++) {
      machine.send('device_process_info', fixture(name));
      expected++;
    }
  }
  machine.send('device_process_info', Buffer.alloc(2 * 1024 * 1024, '{'), { messageId: 'large-1' });
  expected++;
  await until(() => machine.answers.length === before + expected, `${expected} answers`);
  for (const { body } of machine.answers.slice(before)) {
    assert.is(body.错误, '报文格式错误');
    assert.is(body.错误码, 'malformed');
    assert.is(body.表, '设备流程信息');
  }
  const kept = await central.store.find(rejected);
  assert.is(kept.length, bad.length + 1);
  const known = kept.find(({ reason }) => reason === 'not-utf8')!;
  assert.equal(Buffer.from(known.body as Uint8Array), fixture('bad-utf8.json'));
  assert.is(kept.find(({ _id }) => _id === 'large-1')!.size, 2_097_152n);
  assert.is(central.counters.rejected, expected);
  await until(async () => (await rabbit.queueLengths()).device_process_info === 0, 'the queue is empty');
});

test("the gateway's own channels are answered on the gateway's queue", async () => {
  await machine.listen('gateway_event_gw-1_res');
  const since = '2024-03-18 15:30:45';
  machine.send(
    'gateway_event',
    { gateway: 'gw-1', seq: 9, kind: 'restart', since },
    { messageId: 'e-1', appId: 'gw-1' },
  );
  await until(() => machine.answers.at(-1)?.queue === 'gateway_event_gw-1_res', 'the receipt');
  assert.is(machine.answers.at(-1)!.body.表, 'gateway_event');
  const [document] = await central.store.find({ database: 'gateway', collection: 'event' });
  assert.equal([document!.seq, document!._time], [9n, new Date('2024-03-18T07:30:45Z')]);
});

test('health and figures', async () => {
  const at = `http://127.0.0.1:${central.ports.http}`;
  const health = (await (await fetch(`${at}/healthz`)).json()) as { status: string; broker: { queues: object } };
  assert.is(health.status, 'ok');
  assert.ok(Object.values(health.broker.queues).every((state) => state === 'reading'));
  const figures = await (await fetch(`${at}/metrics`)).text();
  assert.match(figures, new RegExp(`holdfast_central_stored_total ${central.counters.stored}\n`));
  const { received, stored, duplicates, rejected: bads, failed, unknownChannel } = central.counters;
  assert.is(received, stored + duplicates + bads + failed + unknownChannel);
});

test.run();

/** Every key of the body is in the document under its clean name, with the same value. */
function same(document: StoredDocument, body: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(body)) {
    assert.equal(document[key.trim().replace(/[:：]$/, '')], value, key);
  }
}
