import * as assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { suite } from 'uvu';
import { connectPacket, packet, publishPacket, RawClient } from '../support/mqtt-raw.ts';
import { pause, shortest, until } from '../support/until.ts';
import { process, startBroker, stopAll } from './harness.ts';

const test = suite('limits of the broker');
test.after.each(stopAll);
const report = readFileSync(new URL('../fixtures/machines/process-preheated.json', import.meta.url));

test('who does not send a whole CONNECT in time is closed, also drop by drop', async () => {
  const { port, counters } = await startBroker({ limits: { connectTimeoutMs: 150 } });
  const silent = new RawClient(port);
  const slow = new RawClient(port);
  const drops = setInterval(() => slow.socket.write(Buffer.from([0x10])), 20);
  const started = Date.now();
  await Promise.all([silent.closed, slow.closed]);
  clearInterval(drops);
  assert.ok(Date.now() - started < 1000);
  assert.equal((counters.mqttClosed.get('connect-timeout') ?? 0) + (counters.mqttClosed.get('malformed') ?? 0), 2);
});

test('what writes the packets has no table of all numbers, which would be 10 MB', async () => {
  const { port } = await startBroker();
  await RawClient.open(port);
  const { writeToStream } = createRequire(import.meta.resolve('aedes'))('mqtt-packet');
  assert.equal(writeToStream.cacheNumbers, false);
});

test('a CONNECT over 4 KiB is closed by its header, and another first packet at once', async () => {
  const { port, counters } = await startBroker();
  const large = new RawClient(port);
  large.write(connectPacket({ username: 'x'.repeat(5000), password: 'y' }).subarray(0, 10));
  await large.closed;
  const other = new RawClient(port);
  other.write(publishPacket(process, report));
  await other.closed;
  const endless = new RawClient(port);
  endless.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x01]));
  await endless.closed;
  assert.equal(counters.mqttClosed.get('connect-too-large'), 1);
  assert.equal(counters.mqttClosed.get('protocol'), 1);
  assert.equal(counters.mqttClosed.get('malformed'), 1);
});

test('a packet over the limit closes the connection by its header, one at the limit is taken', async () => {
  const { port, intake, counters } = await startBroker({ limits: { maxPacketBytes: 5000 } });
  const client = await RawClient.open(port);
  const overhead = publishPacket(process, Buffer.alloc(4900)).length - 4900;
  const padded = Buffer.concat([report, Buffer.alloc(5000 - overhead - report.length, ' ')]);
  assert.equal(publishPacket(process, padded).length, 5000);
  client.write(publishPacket(process, padded));
  await client.next(4);
  assert.equal(intake.accepted.length, 1);
  client.write(publishPacket(process, Buffer.concat([padded, Buffer.from(' ')])).subarray(0, 3));
  await client.closed;
  assert.equal(counters.mqttClosed.get('packet-too-large'), 1);
});

test('what is behind a CONNECT waits for the CONNACK instead of being kept', async () => {
  const { port } = await startBroker({
    anonymous: false,
    clients: [{ username: 'u', password: 'p' }],
  });
  const client = new RawClient(port);
  client.write(connectPacket({ username: 'u', password: 'wrong' }));
  let taken = 0;
  for (let count = 0; count < 1000; count++) {
    client.socket.write(Buffer.alloc(50_000, 0x30), (error) => {
      if (!error) taken += 50_000;
    });
  }
  await client.closed;
  assert.ok(taken < 20_000_000, `${taken} bytes were taken`);
});

test('no more publishes are read than may be under way', async () => {
  for (const qos of [1, 2] as const) {
    const { port, intake } = await startBroker({ limits: { maxInflight: 8 } });
    const client = await RawClient.open(port);
    intake.mode = 'hold';
    client.write(...Array.from({ length: 50 }, (_, id) => publishPacket(process, report, { id: id + 1, qos })));
    await until(() => intake.heldCount === 8);
    await pause(30);
    assert.equal(intake.heldCount, 8);
    intake.mode = 'store';
    intake.release();
    await until(() => intake.accepted.length === 50);
    await until(() => client.packets.length === 50);
  }
});

test('a client over its rate waits and loses nothing', async () => {
  const tookMs = await shortest(1500, async () => {
    const { port, intake, counters } = await startBroker({ limits: { ratePerSecond: 100 } });
    const client = await RawClient.open(port);
    const started = performance.now();
    client.write(...Array.from({ length: 150 }, (_, id) => publishPacket(process, report, { id: id + 1 })));
    await until(() => intake.accepted.length === 150);
    assert.ok(counters.mqttPauses > 0);
    return performance.now() - started;
  });
  assert.ok(tookMs > 400 && tookMs < 1500, `${tookMs} ms`);
});

test('connections are limited in all and per address', async () => {
  const { broker, port, counters } = await startBroker({ limits: { maxConnections: 4, maxConnectionsPerAddress: 2 } });
  const one = await RawClient.open(port, { id: 'one' });
  const two = await RawClient.open(port, { id: 'two' });
  const three = new RawClient(port);
  await three.closed;
  assert.equal(counters.mqttRefused.get('connections-per-address'), 1);
  await one.close();
  await until(() => broker.connectedCount === 1);
  const four = await RawClient.open(port, { id: 'four' });
  await Promise.all([two.close(), four.close()]);
});

test('a client that is silent for longer than it promised is closed', async () => {
  const { port, counters } = await startBroker();
  const silent = await RawClient.open(port, { id: 'silent', keepalive: 1 });
  const alive = await RawClient.open(port, { id: 'alive', keepalive: 1 });
  const pings = setInterval(() => alive.write(packet(0xc0)), 300);
  await silent.closed;
  clearInterval(pings);
  assert.equal(counters.mqttClosed.get('keepalive'), 1);
  assert.ok(!alive.isClosed);
});

test('a reader that takes nothing does not make the memory grow', async () => {
  const { port, broker, counters } = await startBroker();
  const reader = await RawClient.open(port, { id: 'reader', username: 'named', password: 'secret' });
  await reader.subscribe('device_process_info_s1_res');
  reader.socket.pause();
  const body = Buffer.alloc(16_384, 'x');
  const before = globalThis.process.memoryUsage();
  for (let count = 0; count < 6000; count++) {
    broker.deliver('device_process_info_s1_res', body);
    if (count % 100 === 0) await pause(0);
  }
  const after = globalThis.process.memoryUsage();
  const grownBytes = after.heapUsed + after.external - before.heapUsed - before.external;
  assert.ok(grownBytes < 48_000_000, `${grownBytes} bytes`);
  assert.ok(counters.mqttMessagesDropped > 1000);
});

test('noise closes its own connection and harms nobody', async () => {
  const { port } = await startBroker();
  const good = await RawClient.open(port, { id: 'good' });
  let seed = 99;
  const random = () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed >>> 24;
  };
  const noisy = Array.from({ length: 60 }, (_, index) => {
    const client = new RawClient(port);
    const noise = Buffer.from(Array.from({ length: 200 }, random));
    client.write(index % 2 === 0 ? noise : Buffer.concat([connectPacket({ id: `n${index}` }), noise]));
    return client;
  });
  await until(() => noisy.filter(({ isClosed }) => isClosed).length > 10);
  good.write(publishPacket(process, report));
  await good.next(4);
  await Promise.all(noisy.map((client) => client.close()));
});

test.run();
