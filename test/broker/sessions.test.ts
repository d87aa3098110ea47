import * as assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import mqtt from 'mqtt';
import { suite } from 'uvu';
import { acknowledge, packet, publishPacket, RawClient, readPublish, unsubscribePacket } from '../support/mqtt-raw.ts';
import { pause, until } from '../support/until.ts';
import { process, replyOf, startBroker, stopAll } from './harness.ts';

const test = suite('sessions and replies');
test.after.each(stopAll);
const report = readFileSync(new URL('../fixtures/machines/process-preheated.json', import.meta.url));
const topic = replyOf('s1');

test('replies wait for an absent session and come in order, those not acknowledged again', async () => {
  const { broker, port } = await startBroker();
  const client = await RawClient.open(port, { clean: false });
  await client.subscribe(topic);
  broker.deliver(topic, Buffer.from('first'));
  const first = readPublish(await client.next(3));
  assert.equal(first.dup, false);
  await client.close();
  await until(() => broker.absentSessionCount === 1);
  broker.deliver(topic, Buffer.from('second'));
  const again = await RawClient.open(port, { clean: false });
  const repeated = readPublish(await again.next(3));
  assert.deepEqual([repeated.payload.toString(), repeated.dup, repeated.id], ['first', true, first.id]);
  const second = readPublish(await again.next(3));
  assert.equal(second.payload.toString(), 'second');
  again.write(acknowledge(0x40, repeated.id), acknowledge(0x40, second.id), packet(0xc0));
  await again.next(13);
  await again.close();
  const third = await RawClient.open(port, { clean: false });
  await pause(30);
  assert.equal(third.packets.length, 0);
});

test('a clean session leaves nothing behind', async () => {
  const { broker, port } = await startBroker();
  const client = await RawClient.open(port, { clean: false });
  await client.subscribe(topic);
  await client.close();
  broker.deliver(topic, Buffer.from('x'));
  const clean = await RawClient.open(port, { clean: true });
  await clean.close();
  await until(() => broker.connectedCount === 0);
  assert.equal(broker.absentSessionCount, 0);
  const again = await RawClient.open(port, { clean: false });
  broker.deliver(topic, Buffer.from('y'));
  await pause(20);
  assert.equal(again.packets.length, 0);
});

test('an absent session keeps at most so many messages and bytes, the newest', async () => {
  const sessions = { maxMessages: 10, maxBytes: 4000, maxAbsent: 3, maxSubscriptions: 5 };
  const { broker, port, counters } = await startBroker({ limits: { sessions } });
  const client = await RawClient.open(port, { clean: false });
  await client.subscribe(topic);
  await client.close();
  await until(() => broker.absentSessionCount === 1);
  for (let count = 0; count < 25; count++) broker.deliver(topic, Buffer.from(`m${count}`));
  assert.equal(counters.mqttMessagesDropped, 15);
  broker.deliver(topic, Buffer.alloc(3000, 'x'));
  assert.ok(counters.mqttMessagesDropped >= 16);
  const again = await RawClient.open(port, { clean: false });
  await until(() => again.packets.some((each) => readPublish(each).payload.length === 3000));
  const payloads = again.packets.map((each) => readPublish(each).payload);
  assert.equal(payloads.at(-1)?.length, 3000);
  assert.ok(payloads.reduce((bytes, { length }) => bytes + length + 128, 0) <= 4000);
});

test('only so many absent sessions are kept, the one that left first is forgotten', async () => {
  const sessions = { maxMessages: 10, maxBytes: 4000, maxAbsent: 3, maxSubscriptions: 2 };
  const { broker, port, counters } = await startBroker({ limits: { sessions } });
  for (let index = 0; index < 5; index++) {
    const client = await RawClient.open(port, { id: `absent-${index}`, clean: false });
    await client.subscribe(topic);
    await client.close();
    await until(() => broker.connectedCount === 0);
  }
  assert.equal(broker.absentSessionCount, 3);
  assert.equal(counters.mqttSessionsForgotten, 2);
  broker.deliver(topic, Buffer.from('x'));
  const forgotten = await RawClient.open(port, { id: 'absent-0', clean: false });
  const kept = await RawClient.open(port, { id: 'absent-4', clean: false });
  await kept.next(3);
  assert.equal(forgotten.packets.length, 0);
  assert.equal(await kept.subscribe(replyOf('s2')), 1);
  assert.equal(await kept.subscribe(replyOf('s3')), 0x80);
});

test('a second connection with the same id takes the session over', async () => {
  const { broker, port } = await startBroker();
  const first = await RawClient.open(port, { id: 'same', clean: false });
  await first.subscribe(topic);
  const second = await RawClient.open(port, { id: 'same', clean: false });
  await first.closed;
  await until(() => broker.connectedCount === 1);
  broker.deliver(topic, Buffer.from('x'));
  assert.equal(readPublish(await second.next(3)).payload.toString(), 'x');
  assert.equal(broker.absentSessionCount, 0);
});

test("another user's session cannot be taken over by its id", async () => {
  const clients = [
    { username: 's1', password: 'a' },
    { username: 's2', password: 'b' },
  ];
  const { broker, port } = await startBroker({ clients, anonymous: false });
  const owner = await RawClient.open(port, { id: 'same', clean: false, username: 's1', password: 'a' });
  await owner.subscribe(topic);
  const thief = await RawClient.open(port, { id: 'same', clean: false, username: 's2', password: 'b' });
  broker.deliver(topic, Buffer.from('x'));
  assert.equal(readPublish(await owner.next(3)).payload.toString(), 'x');
  await pause(20);
  assert.equal(thief.packets.length, 0);
});

test('no more comes after an UNSUBSCRIBE', async () => {
  const { broker, port } = await startBroker();
  const client = await RawClient.open(port, { clean: false });
  await client.subscribe(topic);
  client.write(unsubscribePacket(topic));
  await client.next(11);
  broker.deliver(topic, Buffer.from('x'));
  await pause(20);
  assert.equal(client.packets.length, 0);
});

test('wills and retained messages are refused, and nothing of them is delivered', async () => {
  const { port, intake, counters } = await startBroker();
  await assert.rejects(RawClient.open(port, { id: 'w', will: { topic, payload: 'dead' } }), /CONNACK 5/);
  assert.equal(counters.mqttRefused.get('will'), 1);
  const client = await RawClient.open(port);
  client.write(publishPacket(process, report, { retain: true, id: 5 }));
  assert.equal((await client.next(4)).body[1], 5);
  client.write(publishPacket(process, report, { retain: true, id: 6, qos: 2 }));
  await client.next(5);
  assert.equal(counters.reportsRefused.get('retained'), 2);
  assert.equal(intake.accepted.length, 0);
});

test('a common client library works in all qualities of service', async () => {
  const { port, intake } = await startBroker();
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4 });
  const replies: string[] = [];
  client.on('message', (name) => replies.push(name));
  await client.subscribeAsync(replyOf('sn000001'), { qos: 1 });
  for (const qos of [0, 1, 2] as const) await client.publishAsync(process, report, { qos });
  await until(() => replies.length === 3);
  assert.equal(intake.accepted.length, 3);
  await client.endAsync();
});

test.run();
