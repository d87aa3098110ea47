/** The AMQP transport against RabbitMQ: what goes out, what comes back, and what the broker may refuse. */
import amqp, { type Channel, type ChannelModel, type GetMessage } from 'amqplib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger, systemClock } from '../../src/platform/index.ts';
import { type AmqpTransportOptions, createAmqpTransport } from '../../src/uplink/amqp.ts';
import type { UplinkTransport } from '../../src/uplink/transport.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { exampleReport, RecordingListener, until } from '../support/recording-listener.ts';
import { testCertificates } from '../support/tls.ts';

const test = suite('AMQP reports');
const queue = 'device_process_info';
let rabbit: Rabbit;
let model: ChannelModel;
/** A plain client on the other side. */
let plain: Channel;
const started: UplinkTransport[] = [];
let gateways = 0;

async function connect(options: Partial<AmqpTransportOptions> = {}) {
  const listener = new RecordingListener();
  const gatewayId = options.gatewayId ?? `gw-${++gateways}`;
  const transport = createAmqpTransport({
    url: rabbit.tlsUrl!,
    tls: { ca: testCertificates().ca },
    gatewayId,
    replies: 'per-device',
    queueType: 'classic',
    channels: [queue, 'device_error_info'],
    logger: silentLogger,
    clock: systemClock(),
    random: () => 0.2,
    ...options,
  });
  started.push(transport);
  transport.start(listener);
  return { listener, transport, gatewayId };
}

async function take(name: string): Promise<GetMessage> {
  let message: GetMessage | false = false;
  await until(async () => {
    message = await plain.get(name, { noAck: true });
    return message !== false;
  }, `a message in ${name}`);
  return message as unknown as GetMessage;
}

/** Asks on a channel of its own, since a missing queue closes it. */
async function exists(name: string): Promise<boolean> {
  const channel = await model.createChannel();
  channel.on('error', () => {});
  return channel.checkQueue(name).then(
    () => channel.close().then(() => true),
    () => false,
  );
}

test.before(async () => {
  rabbit = await startRabbit({ tls: true });
  model = await amqp.connect(rabbit.url);
  plain = await model.createChannel();
});
test.after.each(async () => {
  await Promise.all(started.splice(0).map((transport) => transport.stop()));
  for (const name of [queue, 'device_error_info']) await plain.deleteQueue(name);
});
test.after(async () => {
  await model.close();
  await rabbit.remove();
});

test('a report arrives as the contract says, and is confirmed', async () => {
  const { listener, transport, gatewayId } = await connect();
  await listener.up();
  const report = exampleReport(7);
  assert.ok(transport.send(report));
  await until(() => listener.confirmed.length === 1, 'confirmed');
  const { content, properties, fields } = await take(queue);
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
  const first = await take(queue);
  assert.is(first.content.length, 0);
  assert.equal(Object.keys(first.properties.headers!).sort(), ['x-accepted-at', 'x-clock', 'x-sequence']);
  assert.is(first.properties.headers!['x-clock'], 'untrusted');
});

test('every queue can be declared as plain clients do, after us', async () => {
  const { listener, transport, gatewayId } = await connect({ replies: 'per-gateway' });
  await listener.up();
  const other = await connect({ gatewayId: `${gatewayId}b` });
  await other.listener.up();
  await other.transport.watchReplies(queue, 'SN9');
  const names = [
    queue,
    'device_error_info',
    `${queue}_SN9_res`,
    `gateway_${gatewayId}_control`,
    `gateway_${gatewayId}_receipts`,
  ];
  for (const name of names) assert.is((await plain.assertQueue(name, { durable: true })).queue, name);
  assert.is(transport.watchReplies(queue, 'SN9'), undefined);
});

test('an existing queue is used as it is, whatever it was made with', async () => {
  await plain.assertQueue(queue, { durable: true, maxLength: 5 });
  const { listener, transport } = await connect({ queueType: 'quorum' });
  await listener.up();
  transport.send(exampleReport(1));
  await until(() => listener.confirmed.length === 1, 'confirmed');
  await take(queue);
});

test('quorum queues have a single active consumer', async () => {
  const { listener, transport } = await connect({ queueType: 'quorum' });
  await listener.up();
  transport.send(exampleReport(1));
  await until(() => listener.confirmed.length === 1, 'confirmed');
  const text = await rabbit.ctl('list_queues', '--no-table-headers', 'name', 'type', 'arguments');
  assert.match(text, /device_process_info\s+quorum.*x-single-active-consumer/);
});

test('per-device receipts: those that waited are stale and come first', async () => {
  const replies = `${queue}_SN1_res`;
  await plain.assertQueue(replies);
  for (let i = 0; i < 300; i++) plain.sendToQueue(replies, Buffer.from(`old ${i}`), { correlationId: `old-${i}` });
  await until(async () => (await plain.checkQueue(replies)).messageCount === 300, 'the old replies wait');
  const { listener, transport } = await connect();
  await listener.up();
  const watching = transport.watchReplies(queue, 'SN1');
  assert.ok(watching);
  await watching;
  assert.is(listener.receipts.length, 300);
  assert.ok(listener.receipts.every(({ stale }) => stale));
  assert.is(transport.watchReplies(queue, 'SN1'), undefined);
  plain.sendToQueue(replies, Buffer.from('new'), { correlationId: 'm-1' });
  plain.sendToQueue(replies, Buffer.from('legacy'));
  await until(() => listener.receipts.length === 302, 'two more');
  const [withId, without] = listener.receipts.slice(300);
  assert.equal(withId, { messageId: 'm-1', channel: queue, serial: 'SN1', body: Buffer.from('new'), stale: false });
  assert.is(without!.messageId, undefined);
});

test('per-gateway: reply_to on every report, receipts from one queue', async () => {
  const { listener, transport, gatewayId } = await connect({ replies: 'per-gateway' });
  await listener.up();
  transport.send(exampleReport(1));
  const { properties } = await take(queue);
  assert.is(properties.replyTo, `gateway_${gatewayId}_receipts`);
  plain.sendToQueue(properties.replyTo as string, Buffer.from('{}'), { correlationId: properties.messageId as string });
  await until(() => listener.receipts.length === 1, 'the receipt');
  assert.is(listener.receipts[0]!.messageId, exampleReport(1).messageId);
  assert.is(listener.receipts[0]!.channel, undefined);
});

test('a reply queue that is deleted while it is read is made again', async () => {
  const { listener, transport } = await connect();
  await listener.up();
  await transport.watchReplies(queue, 'SN2');
  await plain.deleteQueue(`${queue}_SN2_res`);
  await until(async () => {
    plain.sendToQueue(`${queue}_SN2_res`, Buffer.from('{}'));
    return listener.receipts.length > 0;
  }, 'a receipt from the new queue');
  assert.is(listener.disconnects.length, 0);
});

test('a queue deleted while running: rejected, made again, and the next try is confirmed', async () => {
  const { listener, transport } = await connect();
  await listener.up();
  await plain.deleteQueue(queue);
  for (let i = 1; i <= 20; i++) transport.send(exampleReport(i));
  transport.send(exampleReport(21, { channel: 'device_error_info' }));
  await until(() => listener.rejected.length + listener.confirmed.length === 21, 'an answer for each');
  assert.ok(listener.rejected.length > 0);
  assert.ok(listener.rejected.every(({ error }) => error.code === 'uplink-unroutable'));
  assert.ok(listener.confirmed.includes(exampleReport(21).messageId));
  await until(() => exists(queue), 'made again');
  transport.send(exampleReport(1));
  await until(() => listener.confirmed.includes(exampleReport(1).messageId), 'confirmed');
  assert.is(listener.disconnects.length, 0);
});

test('a negative confirm is a rejection', async () => {
  await plain.assertQueue(queue, { maxLength: 1, arguments: { 'x-overflow': 'reject-publish' } });
  const { listener, transport } = await connect();
  await listener.up();
  for (let i = 1; i <= 3; i++) transport.send(exampleReport(i));
  await until(() => listener.rejected.length === 2 && listener.confirmed.length > 0, 'two refused, one taken');
  assert.equal(listener.confirmed, [exampleReport(1).messageId]);
  assert.is(listener.rejected[0]!.error.code, 'uplink-blocked');
});

test('a push is removed only once it is applied, and asked for again when that failed', async () => {
  const { listener, transport, gatewayId } = await connect();
  await listener.up();
  const control = `gateway_${gatewayId}_control`;
  listener.control = () => new Promise(() => {});
  plain.sendToQueue(control, Buffer.from('1'), { persistent: true });
  plain.sendToQueue(control, Buffer.from('2'), { persistent: true });
  await until(() => listener.controls.length === 1, 'the first');
  await transport.stop();
  const again = await connect({ gatewayId });
  await until(() => again.listener.controls.length === 2, 'both');
  assert.equal(again.listener.controls, ['1', '2']);
  await until(async () => (await plain.checkQueue(control)).messageCount === 0, 'empty');
});

test('what was pushed while the gateway was away is applied before it says so; then pushes come as they do', async () => {
  const gatewayId = 'gw-drain';
  const control = `gateway_${gatewayId}_control`;
  await plain.assertQueue(control, { durable: true });
  for (const text of ['1', '2', '3']) plain.sendToQueue(control, Buffer.from(text));
  await until(async () => (await plain.checkQueue(control)).messageCount === 3, 'three wait');
  const { listener } = await connect({ gatewayId });
  const applied: string[] = [];
  listener.onControl = async (body) => {
    // The first time, one of them cannot be applied: it has to be, before all are.
    if (body.toString() === '2' && !listener.controls.includes('2')) {
      listener.controls.push('2');
      throw new Error('not yet');
    }
    applied.push(body.toString());
    listener.controls.push(body.toString());
  };
  await until(() => listener.drained.length === 1, 'drained');
  assert.equal(applied, ['1', '2', '3']);
  assert.is(listener.connected, 1);
  plain.sendToQueue(control, Buffer.from('4'));
  await until(() => applied.length === 4, 'the fourth');
  assert.is(listener.drained.length, 1);
  const none = await connect();
  await until(() => none.listener.drained.length === 1, 'an empty queue is drained at once');
});

test('pushes that vanish from the queue are not waited for', async () => {
  const gatewayId = 'gw-purged';
  const control = `gateway_${gatewayId}_control`;
  await plain.assertQueue(control, { durable: true });
  for (const text of ['1', '2', '3']) plain.sendToQueue(control, Buffer.from(text));
  await until(async () => (await plain.checkQueue(control)).messageCount === 3, 'three wait');
  const { listener } = await connect({ gatewayId });
  let release = () => {};
  listener.control = () => new Promise((resolve) => (release = resolve));
  await until(() => listener.controls.length === 1, 'the first is being applied');
  await plain.purgeQueue(control);
  release();
  assert.is(listener.drained.length, 0);
  await until(() => listener.drained.length === 1, 'drained');
});

test('a query is not persistent, expires, and is answered on the queue of its machine', async () => {
  const { listener, transport, gatewayId } = await connect();
  await listener.up();
  await plain.assertQueue('device_auth', { durable: true });
  await transport.watchReplies('device_auth', 'SN1');
  const query = { messageId: 'gw-1-00ab-q1', channel: 'device_auth', serial: 'SN1', body: Buffer.from('{}') };
  transport.ask(query);
  await until(() => listener.confirmed.length === 1, 'confirmed');
  const { content, properties } = await take('device_auth');
  assert.is(content.toString(), '{}');
  assert.is(properties.messageId, query.messageId);
  assert.is(properties.appId, gatewayId);
  assert.is(properties.expiration, '10000');
  assert.is(properties.deliveryMode, 1);
  assert.is(properties.type, 'device_auth');
  plain.sendToQueue('device_auth_SN1_res', Buffer.from('{"错误":""}'), { correlationId: query.messageId });
  await until(() => listener.receipts.length === 1, 'the answer');
  const [answer] = listener.receipts;
  assert.is(answer?.messageId, query.messageId);
  assert.is(answer?.channel, 'device_auth');
  assert.is(answer?.stale, false);
  await plain.deleteQueue('device_auth');
});

test('per-gateway: a query names the queue for its answer', async () => {
  const { listener, transport, gatewayId } = await connect({ replies: 'per-gateway' });
  await listener.up();
  await plain.assertQueue('device_auth', { durable: true });
  transport.ask({ messageId: 'gw-1-00ab-q1', channel: 'device_auth', serial: 'SN1', body: Buffer.from('{}') });
  assert.is((await take('device_auth')).properties.replyTo, `gateway_${gatewayId}_receipts`);
  await plain.deleteQueue('device_auth');
});

test('a query without a queue is rejected, and the queue made for the next', async () => {
  const { listener, transport } = await connect();
  await listener.up();
  const query = { messageId: 'gw-1-00ab-q1', channel: 'device_auth', serial: 'SN1', body: Buffer.from('{}') };
  transport.ask(query);
  await until(() => listener.rejected.length === 1, 'rejected');
  assert.is(listener.rejected[0]!.messageId, query.messageId);
  await until(() => exists('device_auth'), 'the queue');
  transport.ask({ ...query, messageId: 'gw-1-00ab-q2' });
  await until(() => listener.confirmed.length === 1, 'confirmed');
  await plain.deleteQueue('device_auth');
});

test('a query does not wait behind megabytes of reports', async () => {
  const { listener, transport } = await connect();
  await listener.up();
  await plain.assertQueue('device_auth', { durable: true });
  const body = Buffer.alloc(64 * 1024, 'x');
  let sent = 0;
  while (transport.send(exampleReport(++sent, { body })));
  transport.ask({ messageId: 'gw-1-00ab-q1', channel: 'device_auth', serial: 'SN1', body: Buffer.from('{}') });
  await until(() => listener.confirmed.includes('gw-1-00ab-q1'), 'the query is confirmed');
  const before = listener.confirmed.indexOf('gw-1-00ab-q1');
  await until(() => listener.confirmed.length === sent + 1, 'all confirmed');
  assert.ok(before < sent / 2, `${before} of ${sent} reports were confirmed before the query`);
  await plain.deleteQueue('device_auth');
});

test('a second gateway with the same id stays out and sends nothing, until the first has gone', async () => {
  const first = await connect();
  await first.listener.up();
  const second = await connect({ gatewayId: first.gatewayId });
  await until(() => second.transport.state.lastError?.code === 'uplink-gateway-id-taken', 'refused');
  assert.not(second.transport.state.connected);
  assert.throws(() => second.transport.send(exampleReport(1)), /no connection/);
  assert.ok(first.transport.state.connected);
  await first.transport.stop();
  await second.listener.up();
});

test('a reply queue that somebody else reads is refused, and the link stays', async () => {
  const one = await connect();
  const two = await connect();
  await Promise.all([one.listener.up(), two.listener.up()]);
  await one.transport.watchReplies(queue, 'SN5');
  await two.transport.watchReplies(queue, 'SN5')!.then(
    () => assert.unreachable(),
    (error) => {
      assert.is(error.code, 'uplink-gateway-id-taken');
    },
  );
  assert.ok(two.transport.state.connected);
  await one.transport.stop();
  await two.transport.watchReplies(queue, 'SN5');
});

test('connection.blocked holds back, loses nothing, and lets go on', async () => {
  const { listener, transport } = await connect();
  await listener.up();
  await rabbit.block(true);
  assert.ok(transport.send(exampleReport(1)), 'the broker says so only after the first publish');
  await until(() => transport.state.blocked, 'blocked');
  assert.not(transport.send(exampleReport(2)));
  assert.is(listener.confirmed.length, 0);
  assert.is(listener.drains, 0);
  await rabbit.block(false);
  await until(() => listener.confirmed.length === 2, 'both confirmed');
  assert.not(transport.state.blocked);
  assert.is(listener.drains, 1);
});

test('1000 reports, each with exactly one answer, in order', async () => {
  const { listener, transport } = await connect();
  await listener.up();
  const ids = Array.from({ length: 1000 }, (_, i) => exampleReport(i + 1).messageId);
  for (let i = 1; i <= 1000; i++) transport.send(exampleReport(i));
  await until(() => listener.confirmed.length >= 1000, 'all confirmed');
  assert.equal([...listener.confirmed].sort(), [...ids].sort());
  const arrived: string[] = [];
  for (let i = 0; i < 1000; i++) arrived.push((await take(queue)).properties.messageId as string);
  assert.equal(arrived, ids);
});

test('bodies of every size arrive as they were, also those of several frames', async () => {
  const { listener, transport } = await connect();
  await listener.up();
  // RabbitMQ agrees on frames of 128 KiB; reports are copied into pieces of 64 KiB before they are written.
  const sizes = [0, 1, 511, 65_000, 65_536, 131_063, 131_064, 131_065, 262_128, 300_001, 1_000_000, 3];
  const reports = sizes.map((size, index) => exampleReport(index, { body: patterned(size, index) }));
  for (const report of reports) {
    if (!transport.send(report)) await until(() => listener.confirmed.includes(report.messageId), 'confirmed');
  }
  await until(() => listener.confirmed.length === sizes.length, 'all confirmed');
  for (const report of reports) {
    const { content, properties } = await take(queue);
    assert.is(properties.messageId, report.messageId);
    assert.is(Buffer.compare(content, report.body), 0, `${report.body.length} bytes`);
  }
});

test('bodies larger than the limit of bytes under way ask to wait', async () => {
  const { listener, transport } = await connect();
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
