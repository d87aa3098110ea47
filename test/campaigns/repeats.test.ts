// slow
/**
 * A machine sends the same bytes again: at once and in parallel, after the reply, after a kill -9 and after a clean
 * restart of the gateway. Stored once, answered each time; after the window it is a new report.
 */
import * as assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { suite } from 'uvu';
import { type MongoServer, startMongo } from '../support/mongodb.ts';
import { publishPacket, RawClient, readPublish } from '../support/mqtt-raw.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { type Box, createBox, passwordOf } from '../support/site/box.ts';
import { type Centre, createCentre } from '../support/site/centre.ts';
import { reportBody } from '../support/site/machine-reports.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary.ts';

const serial = 'sn000001';
const channel = 'device_process_info';
/** Longer than the two restarts of the second test may take on a busy computer. */
const windowSeconds = 15;

let folder: TemporaryFolder;
let rabbit: Rabbit;
let mongo: MongoServer;
let box: Box;
let centre: Centre;
let database: MongoClient;

const test = suite('the same report sent again');

test.before(async () => {
  folder = temporaryFolder('holdfast-repeats-');
  [rabbit, mongo] = await Promise.all([startRabbit(), startMongo({ own: true })]);
  centre = await createCentre({ folder: folder.path, broker: rabbit.url, mongodb: mongo.url });
  box = await createBox({
    folder: folder.path,
    machines: [serial],
    upstream: { url: rabbit.url },
    spool: { repeatWindow: `${windowSeconds}s` },
  });
  await Promise.all([centre.start(), box.start()]);
  database = new MongoClient(mongo.url);
});

test.after(async () => {
  await database?.close();
  await Promise.all([box?.kill(), centre?.kill(), rabbit?.remove(), mongo?.kill()]);
});

const login = async () => {
  const client = await RawClient.open(box.mqttPort, { id: serial, username: serial, password: passwordOf(serial) });
  await client.subscribe(`${channel}_${serial}_res`);
  return client;
};

/** Publishes `count` copies at once and waits for as many PUBACKs and replies. */
async function publish(client: RawClient, body: Buffer, count = 1): Promise<void> {
  client.write(...Array.from({ length: count }, (_, index) => publishPacket(channel, body, { id: index + 1 })));
  for (let n = 0; n < count; n++) {
    await client.next(4);
    const reply = JSON.parse(readPublish(await client.next(3)).payload.toString()) as Record<string, string>;
    assert.equal(reply.错误, '');
    assert.equal(reply.序列号, serial);
  }
}

async function stored(n: number): Promise<number> {
  await box.drained();
  return await database.db('device_info').collection('device_process').countDocuments({ n });
}

test('at once and in parallel, over MQTT and HTTP: stored once, answered each time', async () => {
  const body = reportBody(serial, channel, 1);
  const client = await login();
  const [, ...responses] = await Promise.all([
    publish(client, body, 8),
    ...Array.from({ length: 8 }, () => box.post(channel, body, serial)),
  ]);
  for (const response of responses) assert.equal(response.status, 202);
  await publish(client, body);
  await client.close();
  assert.equal(await stored(1), 1);
  const totals = await box.totals();
  assert.equal(totals.accepted, 1);
});

test('after a kill -9 and after a clean restart', async () => {
  const bodies = Array.from({ length: 40 }, (_, index) => reportBody(serial, channel, 100 + index));
  for (const end of ['kill', 'stop'] as const) {
    const client = await login();
    for (const body of bodies) await publish(client, body);
    await client.close();
    await box[end]();
    await box.start();
  }
  const client = await login();
  for (const body of bodies) await publish(client, body);
  await client.close();
  for (let n = 100; n < 140; n++) assert.equal(await stored(n), 1);
  assert.equal((await box.totals()).accepted, 41);
});

test('after the window it is a new report', async () => {
  const body = reportBody(serial, channel, 200);
  const client = await login();
  await publish(client, body);
  // The window is measured by the monotonic clock; the time that the box is off counts only when its wall clock is
  // known to be right, which depends on the computer that runs the test.
  await sleep((windowSeconds + 1) * 1000);
  await publish(client, body);
  await publish(client, body);
  await client.close();
  await box.kill();
  await box.start();
  const again = await login();
  await publish(again, body);
  await again.close();
  assert.equal(await stored(200), 2);
  assert.equal((await box.totals()).accepted, 43);
});

test.run();
