// slow

import mqtt, { type MqttClient } from 'mqtt';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startMongo } from '../support/mongodb.ts';
import { startRabbit } from '../support/rabbitmq.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { startCentral } from './support.ts';

const processes = { database: 'device_info', collection: 'device_process' };
const id = (sequence: number) => `gw-1-0123456789abcdef-${sequence}`;
const body = (layers: number | string) =>
  JSON.stringify({
    序列号: 'sn1',
    报文时间: '2024-03-18 15:30:45',
    机器型号: 'P440',
    机器名称: 'm',
    地址: 'a',
    设备状态: '刮粉',
    刮粉层数: layers,
  });

interface Heard {
  readonly topic: string;
  readonly body: Record<string, string>;
}

/** A gateway's link: connected, and hearing its answers. */
async function gateway(
  url: string,
  username: string,
  password: string,
): Promise<{ client: MqttClient; heard: Heard[] }> {
  const client = await mqtt.connectAsync(url, { username, password, reconnectPeriod: 0, protocolVersion: 4 });
  const heard: Heard[] = [];
  client.on('message', (topic, payload) => heard.push({ topic, body: JSON.parse(payload.toString()) }));
  await client.subscribeAsync('holdfast/gw-1/down/#', { qos: 1 });
  return { client, heard };
}

const test = suite('gateways over MQTT');

test("through RabbitMQ's plugin a report is stored and receipted on the gateway's topic", async () => {
  const [rabbit, mongo] = await Promise.all([startRabbit({ mqtt: true }), startMongo()]);
  const central = await startCentral(
    { HOLDFAST_CENTRAL_BROKER: rabbit.url, HOLDFAST_CENTRAL_MONGODB: mongo.url },
    { databasePrefix: mongo.databasePrefix },
  );
  await until(() => central.health.status === 'ok', 'the centre reads');
  const { client, heard } = await gateway(`mqtt://127.0.0.1:${rabbit.mqttPort}`, 'guest', 'guest');
  for (let sequence = 1; sequence <= 50; sequence++) {
    client.publish(`holdfast/gw-1/up/device_process_info/${id(sequence)}`, body(sequence), { qos: 1 });
  }
  await until(() => heard.length === 50, '50 receipts');
  assert.equal(
    heard.map(({ topic }) => topic),
    Array.from({ length: 50 }, (_, index) => `holdfast/gw-1/down/receipt/${id(index + 1)}`),
  );
  assert.ok(heard.every((one) => one.body.错误 === '' && one.body.设备状态 === '刮粉'));
  const [document] = await central.store.find(processes, { filter: { _id: id(7) } });
  assert.equal([document!._gateway, document!._seq, document!.刮粉层数], ['gw-1', 7n, 7n]);
  client.publish(`holdfast/gw-1/up/device_process_info/${id(51)}`, 'no json', { qos: 1 });
  client.publish(`holdfast/gw-1/up/site_data/${id(52)}`, body(1), { qos: 1 });
  await until(() => heard.length === 52, 'two refusals');
  assert.equal(
    heard.slice(50).map((one) => one.body.错误码),
    ['malformed', 'storage-failed'],
  );
  assert.is(central.counters.unknownChannel, 1);
  await client.endAsync(true);
  await central.stop();
  await mongo.stop();
  await rabbit.remove();
});

test('the embedded broker stores and receipts, and survives a restart of the centre', async () => {
  const folder = temporaryFolder().file('documents');
  const start = (port: number) =>
    startCentral(
      { HOLDFAST_CENTRAL_EMBEDDED: folder },
      { embeddedBroker: { host: '127.0.0.1', port, gateways: [{ id: 'gw-1', password: 'secret' }] } },
    );
  const first = await start(0);
  const url = `mqtt://127.0.0.1:${first.ports.mqtt}`;
  const { port } = new URL(url);
  const link = await gateway(url, 'gw-1', 'secret');
  for (let sequence = 1; sequence <= 3000; sequence++) {
    link.client.publish(`holdfast/gw-1/up/device_process_info/${id(sequence)}`, body(sequence), { qos: 1 });
  }
  await until(() => link.heard.length === 3000, '3000 receipts');
  assert.is(await first.store.count(processes), 3000);
  assert.is(first.health.status, 'ok');
  await first.stop();
  await first.stop();
  const second = await start(Number(port));
  const again = await gateway(url, 'gw-1', 'secret');
  again.client.publish(`holdfast/gw-1/up/device_process_info/${id(3000)}`, body(3000), { qos: 1 });
  await until(() => again.heard.length === 1, 'the repeat is receipted');
  assert.is(second.counters.duplicates, 1);
  assert.is(await second.store.count(processes), 3000);
  await again.client.endAsync(true);
  await second.stop();
});

test('a gateway of the embedded broker has its own topics only', async () => {
  const central = await startCentral(
    { HOLDFAST_CENTRAL_EMBEDDED: temporaryFolder().path },
    {
      embeddedBroker: {
        host: '127.0.0.1',
        port: 0,
        gateways: [
          { id: 'gw-1', password: 'one' },
          { id: 'gw-2', password: 'two' },
        ],
      },
    },
  );
  const url = `mqtt://127.0.0.1:${central.ports.mqtt}`;
  for (const [username, password] of [
    ['gw-1', 'two'],
    ['gw-3', 'one'],
    ['gw-1', ''],
  ] as const) {
    const error = await gateway(url, username, password).then(
      () => undefined,
      (thrown) => thrown,
    );
    assert.ok(error, `${username} with ${password}`);
  }
  const { client } = await gateway(url, 'gw-1', 'one');
  for (const topic of ['holdfast/gw-2/down/#', 'holdfast/+/down/#', '#', 'holdfast/gw-1/up/#']) {
    const granted = await client.subscribeAsync(topic, { qos: 1 }).then(
      (grants) => grants.every(({ qos }) => qos <= 2),
      () => false,
    );
    assert.is(granted, false, topic);
  }
  client.on('error', () => {});
  client.publish(`holdfast/gw-2/up/device_process_info/${id(1)}`, body(1), { qos: 1 });
  await until(() => !client.connected, 'the client is cut off');
  assert.is(await central.store.count(processes), 0);
  await central.stop();
});

test.run();
