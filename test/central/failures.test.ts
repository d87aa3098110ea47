// slow

import { setTimeout as sleep } from 'node:timers/promises';
import amqp from 'amqplib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Central } from '../../src/central.ts';
import { type MongoServer, startMongo } from '../support/mongodb.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';
import { Machine, startCentral } from './support.ts';

const processes = { database: 'device_info', collection: 'device_process' };
const queue = 'device_process_info';
const receipts = 'gateway_gw-1_receipts';

let rabbit: Rabbit;
let mongo: MongoServer;
let next = 1;

const test = suite('the centre when something is away');

test.before(async () => {
  [rabbit, mongo] = await Promise.all([startRabbit(), startMongo({ own: true })]);
});

test.after(async () => {
  await mongo.stop();
  await rabbit.remove();
});

const started: Central[] = [];
const machines: Machine[] = [];
async function connect(): Promise<Machine> {
  const machine = await Machine.connect(rabbit.url);
  machines.push(machine);
  await machine.listen(receipts);
  return machine;
}
async function start(more: Record<string, string> = {}): Promise<Central> {
  const environment = { HOLDFAST_CENTRAL_BROKER: rabbit.url, HOLDFAST_CENTRAL_MONGODB: mongo.url };
  const central = await startCentral({ ...environment, ...more });
  started.push(central);
  return central;
}

// What a test has left would read what the next one sends.
test.after.each(async () => {
  await Promise.all(started.splice(0).map((central) => central.stop()));
  await Promise.all(machines.splice(0).map((machine) => machine.close().catch(() => {})));
});

const reads = (central: Central): boolean =>
  (central.health.broker as { queues: Record<string, string> }).queues[queue] === 'reading';

/** Sends numbered reports of three machines; the number is in the id and in the body. */
function send(machine: Machine, count: number): string[] {
  const ids: string[] = [];
  for (let index = 0; index < count; index++, next++) {
    const messageId = `gw-1-0123456789abcdef-${next}`;
    const body = {
      序列号: `sn${next % 3}`,
      报文时间: '2024-03-18 15:30:45',
      机器型号: 'P440',
      机器名称: 'm',
      地址: 'a',
      设备状态: '刮粉',
      刮粉层数: String(next),
    };
    ids.push(messageId);
    machine.send(queue, body, { messageId, appId: 'gw-1', replyTo: receipts, headers: { 'x-sequence': next } });
  }
  return ids;
}

/** All of `ids` are stored, each once, and those of a machine in the order of their numbers. */
async function assertStored(central: Central, ids: readonly string[]): Promise<void> {
  const wanted = new Set(ids);
  const found = (await central.store.find(processes)).filter(({ _id }) => wanted.has(_id));
  assert.is(found.length, ids.length);
  const last = new Map<unknown, bigint>();
  for (const { 序列号: serial, _seq } of found) {
    assert.ok((_seq as bigint) > (last.get(serial) ?? 0n), `order of ${serial}: ${last.get(serial)} before ${_seq}`);
    last.set(serial, _seq as bigint);
  }
}

/** The ids that were answered as stored. */
const receipted = (machine: Machine) =>
  new Set(
    machine.answers.filter(({ body }) => body.错误 === '').map((a) => a.message.properties.correlationId as string),
  );

test('a database that is killed in mid-stream loses and repeats nothing', async () => {
  const central = await start({ HOLDFAST_CENTRAL_BATCH_SIZE: '100' });
  const machine = await connect();
  await until(() => reads(central), 'the centre reads');
  const ids = send(machine, 1000);
  await until(() => central.counters.stored > 300, 'some are stored');
  await mongo.kill();
  const answeredBefore = receipted(machine).size;
  await until(() => central.counters.databaseFailures > 0, 'the centre has noticed');
  assert.is(central.health.ok, true);
  assert.ok(receipted(machine).size < ids.length && receipted(machine).size >= answeredBefore);
  ids.push(...send(machine, 500));
  await mongo.restart();
  await until(() => receipted(machine).size === ids.length, 'all are receipted');
  await assertStored(central, ids);
  assert.is(central.counters.failed, 0);
  await until(async () => (await rabbit.queueLengths())[queue] === 0, 'the queue is empty');
});

test('while the database is away messages go back to the queue, without a hot loop', async () => {
  await mongo.kill();
  const central = await start();
  const machine = await connect();
  await until(() => central.health.status === 'degraded', 'degraded');
  const ids = send(machine, 20);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.is(central.counters.received, 0);
  assert.is((await rabbit.queueLengths())[queue], 20);
  await mongo.restart();
  await until(() => receipted(machine).size === 20, 'all are receipted');
  await assertStored(central, ids);
  assert.is(central.counters.received, 20);
});

test('RabbitMQ stopped and started: the centre goes on by itself', async () => {
  const central = await start();
  const storedBefore = await central.store.count(processes);
  let machine = await connect();
  await until(() => reads(central), 'the centre reads');
  const ids = send(machine, 300);
  await machine.flush(queue);
  await rabbit.stop();
  await until(() => central.health.status === 'degraded', 'degraded');
  await rabbit.start();
  machine = await connect();
  ids.push(...send(machine, 300));
  await until(
    async () => (await central.store.count(processes)) >= storedBefore + ids.length,
    'all are stored',
    30_000,
  );
  await assertStored(central, ids);
});

for (const type of ['classic', 'quorum'] as const) {
  test(`of two copies one reads a ${type} queue, and the other takes over in order`, async () => {
    const model = await amqp.connect(rabbit.url);
    const channel = await model.createChannel();
    await channel.deleteQueue(queue);
    await model.close();
    const environment = { HOLDFAST_CENTRAL_QUEUE_TYPE: type, HOLDFAST_CENTRAL_BATCH_SIZE: '50' };
    const first = await start(environment);
    await until(() => reads(first), 'the first reads');
    const second = await start(environment);
    await until(() => {
      const { queues } = second.health.broker as { queues: Record<string, string> };
      // Authorization queries are for every copy.
      const isQueries = (name: string) => name === 'device_auth' || name === 'holdfast_mqtt_auth';
      return Object.entries(queues).every(([name, state]) => state === (isQueries(name) ? 'reading' : 'waiting'));
    }, 'the second waits');
    assert.is(second.health.status, 'ok');
    const machine = await connect();
    const ids = send(machine, 800);
    await until(() => first.counters.stored > 100, 'the first stores');
    const stopped = first.stop();
    await until(() => receipted(machine).size === ids.length, 'all are receipted');
    await stopped;
    await assertStored(second, ids);
    assert.ok(first.counters.stored + second.counters.stored === ids.length);
  });
}

test('stopped while RabbitMQ says nothing any more, the centre ends all the same', async () => {
  const { hostname, port } = new URL(rabbit.url);
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  try {
    const url = new URL(rabbit.url);
    url.port = String(proxy.port);
    const central = await start({ HOLDFAST_CENTRAL_BROKER: url.href });
    await until(() => reads(central), 'reading');
    proxy.frozen = true;
    // A change that is to be told meanwhile waits for a broker that does not answer.
    await central.controlPush.push('gw-1', 'accounts', Buffer.from('{}'));
    const ended = central.stop().then(() => 'ended');
    const late = sleep(20_000, 'late', { ref: false });
    assert.is(await Promise.race([ended, late]), 'ended');
  } finally {
    proxy.frozen = false;
    await proxy.stop();
  }
});

test.run();
