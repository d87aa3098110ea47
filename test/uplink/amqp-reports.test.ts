// slow
/** Reports over AMQP against RabbitMQ: how they arrive, and what the broker may refuse or hold back. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exampleReport } from '../support/recording-listener.ts';
import { until } from '../support/until.ts';
import { amqpBench, queue } from './amqp-bench.ts';

const test = suite('AMQP reports');
const bench = amqpBench(test);

test('a report arrives as the contract says, and is confirmed', async () => {
  const { listener, transport, gatewayId } = await bench.connect();
  await listener.up();
  const report = exampleReport(7);
  assert.ok(transport.send(report));
  await until(() => listener.confirmed.length === 1, 'confirmed');
  const { content, properties, fields } = await bench.take(queue);
  assert.equal(content, report.body);
  assert.is(fields.exchange, '');
  assert.is(properties.messageId, report.messageId);
  assert.is(properties.appId, gatewayId);
  assert.is(properties.timestamp, 1_700_000_000);
  assert.is(properties.contentType, 'application/json');
  assert.is(properties.type, queue);
  assert.is(properties.deliveryMode, 2);
  assert.is(properties.replyTo, undefined);
  assert.equal(
    { ...properties.headers },
    { 'x-sequence': 7, 'x-accepted-at': 1_700_000_000_123, 'x-clock': 'trusted', 'x-previous': 6 },
  );
  transport.send(exampleReport(1, { clockTrusted: false, body: new Uint8Array(0) }));
  const first = await bench.take(queue);
  assert.is(first.content.length, 0);
  assert.equal(Object.keys(first.properties.headers!).sort(), ['x-accepted-at', 'x-clock', 'x-sequence']);
  assert.is(first.properties.headers!['x-clock'], 'untrusted');
});

test('a queue deleted while running: rejected, made again, and the next try is confirmed', async () => {
  const { listener, transport } = await bench.connect();
  await listener.up();
  await bench.plain.deleteQueue(queue);
  for (let i = 1; i <= 20; i++) transport.send(exampleReport(i));
  transport.send(exampleReport(21, { channel: 'device_error_info' }));
  await until(() => listener.rejected.length + listener.confirmed.length === 21, 'an answer for each');
  assert.ok(listener.rejected.length > 0);
  assert.ok(listener.rejected.every(({ error }) => error.code === 'uplink-unroutable'));
  assert.ok(listener.confirmed.includes(exampleReport(21).messageId));
  await until(() => bench.exists(queue), 'made again');
  transport.send(exampleReport(1));
  await until(() => listener.confirmed.includes(exampleReport(1).messageId), 'confirmed');
  assert.is(listener.disconnects.length, 0);
});

test('a negative confirm is a rejection', async () => {
  await bench.plain.assertQueue(queue, { maxLength: 1, arguments: { 'x-overflow': 'reject-publish' } });
  const { listener, transport } = await bench.connect();
  await listener.up();
  for (let i = 1; i <= 3; i++) transport.send(exampleReport(i));
  await until(() => listener.rejected.length === 2 && listener.confirmed.length > 0, 'two refused, one taken');
  assert.equal(listener.confirmed, [exampleReport(1).messageId]);
  assert.is(listener.rejected[0]!.error.code, 'uplink-blocked');
});

test('a second gateway with the same id stays out and sends nothing, until the first has gone', async () => {
  const first = await bench.connect();
  await first.listener.up();
  const second = await bench.connect({ gatewayId: first.gatewayId });
  await until(() => second.transport.state.lastError?.code === 'uplink-gateway-id-taken', 'refused');
  assert.not(second.transport.state.connected);
  assert.throws(() => second.transport.send(exampleReport(1)), /no connection/);
  assert.ok(first.transport.state.connected);
  await first.transport.stop();
  await second.listener.up();
});

test('connection.blocked holds back, loses nothing, and lets go on', async () => {
  const { listener, transport } = await bench.connect();
  await listener.up();
  await bench.rabbit.block(true);
  assert.ok(transport.send(exampleReport(1)), 'the broker says so only after the first publish');
  await until(() => transport.state.blocked, 'blocked');
  assert.not(transport.send(exampleReport(2)));
  assert.is(listener.confirmed.length, 0);
  assert.is(listener.drains, 0);
  await bench.rabbit.block(false);
  await until(() => listener.confirmed.length === 2, 'both confirmed');
  assert.not(transport.state.blocked);
  assert.is(listener.drains, 1);
});

test('1000 reports, each with exactly one answer, in order', async () => {
  const { listener, transport } = await bench.connect();
  await listener.up();
  const ids = Array.from({ length: 1000 }, (_, i) => exampleReport(i + 1).messageId);
  for (let i = 1; i <= 1000; i++) transport.send(exampleReport(i));
  await until(() => listener.confirmed.length >= 1000, 'all confirmed');
  assert.equal([...listener.confirmed].sort(), [...ids].sort());
  const arrived: string[] = [];
  for (let i = 0; i < 1000; i++) arrived.push((await bench.take(queue)).properties.messageId as string);
  assert.equal(arrived, ids);
});

test('bodies of every size arrive as they were, also those of several frames', async () => {
  const { listener, transport } = await bench.connect();
  await listener.up();
  // RabbitMQ agrees on frames of 128 KiB; reports are copied into pieces of 64 KiB before they are written.
  const sizes = [0, 1, 511, 65_000, 65_536, 131_063, 131_064, 131_065, 262_128, 300_001, 1_000_000, 3];
  const reports = sizes.map((size, index) => exampleReport(index, { body: patterned(size, index) }));
  for (const report of reports) {
    if (!transport.send(report)) await until(() => listener.confirmed.includes(report.messageId), 'confirmed');
  }
  await until(() => listener.confirmed.length === sizes.length, 'all confirmed');
  for (const report of reports) {
    const { content, properties } = await bench.take(queue);
    assert.is(properties.messageId, report.messageId);
    assert.is(Buffer.compare(content, report.body), 0, `${report.body.length} bytes`);
  }
});

test('bodies larger than the limit of bytes under way ask to wait', async () => {
  const { listener, transport } = await bench.connect();
  await listener.up();
  const body = Buffer.alloc(1024 * 1024, 'x');
  let sent = 0;
  while (transport.send(exampleReport(++sent, { body })));
  assert.ok(sent <= 17, `${sent} MiB before it asked to wait`);
  await until(() => listener.drains === 1, 'drained');
  await until(() => listener.confirmed.length === sent, 'all confirmed');
});

/** Bytes that are different from each other and from those of another `salt`, frame marks among them. */
function patterned(size: number, salt: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8) + salt * 7) & 0xff);
}

test.run();
