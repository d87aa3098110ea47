import * as assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import {
  acknowledge,
  connectPacket,
  packet,
  publishPacket,
  RawClient,
  readPublish,
  subscribePacket,
} from '../support/mqtt-raw.ts';
import { pause, until } from '../support/until.ts';
import { process, replyOf, startBroker, stopAll } from './harness.ts';

const test = suite('publishing reports');
test.after.each(stopAll);
const fixture = (name: string) => readFileSync(new URL(`../fixtures/machines/${name}.json`, import.meta.url));
const report = fixture('process-preheated');
const pingreq = packet(0xc0);

test('a report of QoS 1 is acknowledged only once it is stored, and answered', async () => {
  const { intake, port } = await startBroker();
  const client = await RawClient.open(port);
  assert.equal(await client.subscribe(replyOf('sn000001')), 1);
  intake.mode = 'hold';
  client.write(publishPacket(process, report, { id: 7 }), pingreq);
  await client.next(13);
  assert.equal(client.packets.length, 0);
  intake.release();
  assert.deepEqual([...(await client.next(4)).body], [0, 7]);
  const reply = readPublish(await client.next(3));
  assert.equal(reply.topic, replyOf('sn000001'));
  assert.deepEqual(reply.payload, fixture('reply-process'));
  assert.deepEqual(intake.accepted, [{ channel: process, payload: report.toString() }]);
});

test('QoS 0 is stored all the same, and answered', async () => {
  const { intake, port } = await startBroker();
  const client = await RawClient.open(port);
  await client.subscribe(replyOf('sn000001'), 0);
  client.write(publishPacket(process, report, { qos: 0 }));
  assert.equal(readPublish(await client.next(3)).id, 0);
  assert.equal(intake.accepted.length, 1);
});

test('a report under the forbidden id 0 is no exception: acknowledged once it is stored', async () => {
  const { intake, port } = await startBroker();
  const client = await RawClient.open(port);
  await client.subscribe(replyOf('sn000001'));
  client.write(publishPacket(process, report, { id: 0 }));
  await client.next(3);
  await client.next(4);
  assert.equal(intake.accepted.length, 1);
});

test('QoS 2 gets its PUBREC only once it is stored, and is stored once', async () => {
  const { intake, port } = await startBroker();
  const client = await RawClient.open(port, { clean: false });
  intake.mode = 'hold';
  client.write(
    publishPacket(process, report, { qos: 2, id: 9 }),
    publishPacket(process, report, { qos: 2, id: 9, dup: true }),
  );
  await until(() => intake.heldCount === 1);
  await pause(20);
  assert.equal(client.packets.length, 0);
  assert.equal(intake.heldCount, 1);
  intake.mode = 'store';
  intake.release();
  assert.deepEqual([...(await client.next(5)).body], [0, 9]);
  assert.deepEqual([...(await client.next(5)).body], [0, 9]);
  await client.close();
  const again = await RawClient.open(port, { clean: false });
  again.write(publishPacket(process, report, { qos: 2, id: 9, dup: true }));
  await again.next(5);
  again.write(acknowledge(0x62, 9));
  assert.deepEqual([...(await again.next(7)).body], [0, 9]);
  again.write(acknowledge(0x62, 9));
  await again.next(7);
  assert.equal(intake.accepted.length, 1);
  again.write(publishPacket(process, report, { qos: 2, id: 9 }));
  await again.next(5);
  assert.equal(intake.accepted.length, 2);
});

test('a QoS 2 report whose client left before it was on disk is known when it was, and new when it was not', async () => {
  for (const mode of ['store', 'fail'] as const) {
    const { broker, intake, port } = await startBroker();
    const client = await RawClient.open(port, { clean: false });
    intake.mode = 'hold';
    client.write(publishPacket(process, report, { qos: 2, id: 4 }));
    await until(() => intake.heldCount === 1);
    await client.close();
    await until(() => broker.connectedCount === 0);
    const again = await RawClient.open(port, { clean: false });
    again.write(publishPacket(process, report, { qos: 2, id: 4, dup: true }));
    await pause(20);
    assert.equal(again.packets.length, 0);
    intake.mode = mode;
    intake.release();
    // Long enough for what was held to fail, and too short for its repeat.
    await Promise.resolve();
    intake.mode = 'store';
    await again.next(5);
    assert.equal(intake.accepted.length, 1);
  }
});

test('a report that could not be stored is not acknowledged and closes the connection', async () => {
  for (const qos of [0, 1, 2] as const) {
    const { intake, port, counters } = await startBroker();
    const client = await RawClient.open(port, { clean: false });
    intake.mode = 'fail';
    client.write(publishPacket(process, report, { qos, id: 3 }));
    await client.closed;
    assert.equal(client.packets.length, 0);
    assert.equal(counters.mqttClosed.get('store-failed'), 1);
    intake.mode = 'store';
    const again = await RawClient.open(port, { clean: false });
    again.write(publishPacket(process, report, { qos, id: 3, dup: qos > 0 }));
    if (qos === 1) await again.next(4);
    if (qos === 2) await again.next(5);
    await until(() => intake.accepted.length === 1);
  }
});

test('a stream split at every byte is read the same', async () => {
  const { intake, port } = await startBroker();
  const stream = Buffer.concat([
    subscribePacket(replyOf('sn000001')),
    publishPacket(process, report, { id: 1 }),
    pingreq,
    publishPacket(process, report, { id: 2, qos: 2 }),
    publishPacket('elsewhere', report, { id: 3 }),
    publishPacket(process, report, { id: 4 }),
  ]);
  let accepted = 0;
  for (let at = 1; at < stream.length; at++) {
    const client = await RawClient.open(port, { id: `split-${at}` });
    client.write(stream.subarray(0, at));
    await new Promise((resolve) => setImmediate(resolve));
    client.write(stream.subarray(at));
    await client.next(9);
    await client.next(13);
    const ids = [(await client.next(4)).body[1], (await client.next(4)).body[1], (await client.next(4)).body[1]];
    assert.deepEqual(ids.sort(), [1, 3, 4]);
    assert.equal((await client.next(5)).body[1], 2);
    for (let count = 0; count < 3; count++) {
      assert.deepEqual(readPublish(await client.next(3)).payload, fixture('reply-process'));
    }
    accepted += 3;
    assert.equal(intake.accepted.length, accepted);
    client.socket.destroy();
  }
});

test('a stream that comes byte by byte is read the same', async () => {
  const { intake, port } = await startBroker();
  const client = new RawClient(port);
  const stream = Buffer.concat([
    connectPacket(),
    publishPacket(process, report),
    publishPacket(process, report, { qos: 2, id: 2 }),
  ]);
  for (const byte of stream) {
    client.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await client.next(4);
  await client.next(5);
  assert.equal(intake.accepted.length, 2);
});

test('many reports in one chunk behind the CONNECT keep their order', async () => {
  const { intake, port } = await startBroker();
  const client = new RawClient(port);
  const many = Array.from({ length: 600 }, (_, id) =>
    publishPacket(process, report.toString().replace('"20"', `"${id}"`), { id: id + 1, qos: id % 2 === 0 ? 1 : 0 }),
  );
  client.write(connectPacket(), ...many);
  await until(() => intake.accepted.length === 600);
  for (const [id, { payload }] of intake.accepted.entries()) assert.ok(payload.includes(`"预热时长":"${id}"`));
  await until(() => client.packets.filter(({ type }) => type === 4).length === 300);
});

test('a malformed report is acknowledged and answered on the unknown topic when it names no machine', async () => {
  const { port } = await startBroker();
  const client = await RawClient.open(port);
  await client.subscribe(`${process}_unknown_res`);
  client.write(publishPacket(process, 'not json'));
  await client.next(4);
  const { topic, payload } = readPublish(await client.next(3));
  assert.equal(topic, `${process}_unknown_res`);
  assert.match(payload.toString(), /报文格式错误/);
});

test('MQTT 3.1 is spoken too', async () => {
  const { intake, port } = await startBroker();
  const client = await RawClient.open(port, { version: 3 });
  client.write(publishPacket(process, report));
  await client.next(4);
  assert.equal(intake.accepted.length, 1);
});

test('stopping waits for what is on its way to the disk', async () => {
  const { broker, intake, port } = await startBroker({ limits: { stopTimeoutMs: 2000 } });
  const client = await RawClient.open(port);
  intake.mode = 'hold';
  client.write(publishPacket(process, report));
  await until(() => intake.heldCount === 1);
  const stopped = broker.stop();
  await pause(30);
  intake.release();
  await client.next(4);
  await stopped;
  await client.closed;
  await broker.stop();
});

test.run();
