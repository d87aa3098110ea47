/** The queues of the AMQP transport against RabbitMQ: how they are made, and what comes back over them. */

import { type ChannelModel, connect } from 'amqplib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { replyQueueArguments } from '../../src/protocols/machines/index.ts';
import { Topology } from '../../src/uplink/amqp-topology.ts';
import { exampleReport } from '../support/recording-listener.ts';
import { until } from '../support/until.ts';
import { amqpBench, queue } from './amqp-bench.ts';

const test = suite('AMQP queues');
const bench = amqpBench(test);

test('every queue can be declared as plain clients do, after us', async () => {
  const { listener, transport, gatewayId } = await bench.connect({ replies: 'per-gateway' });
  await listener.up();
  const other = await bench.connect({ gatewayId: `${gatewayId}b` });
  await other.listener.up();
  await other.transport.watchReplies(queue, 'SN9');
  const names = [
    queue,
    'device_error_info',
    `${queue}_SN9_res`,
    `gateway_${gatewayId}_control`,
    `gateway_${gatewayId}_receipts`,
  ];
  for (const name of names) assert.is((await bench.plain.assertQueue(name, { durable: true })).queue, name);
  assert.is(transport.watchReplies(queue, 'SN9'), undefined);
});

test('an existing queue is used as it is, whatever it was made with', async () => {
  await bench.plain.assertQueue(queue, { durable: true, maxLength: 5 });
  const { listener, transport } = await bench.connect({ queueType: 'quorum' });
  await listener.up();
  transport.send(exampleReport(1));
  await until(() => listener.confirmed.length === 1, 'confirmed');
  await bench.take(queue);
});

test('queues of a row of new machines are made without a channel for each; what is there is used, whatever it was made with', async () => {
  const model = await connect(bench.rabbit.url);
  let channels = 0;
  try {
    const topology = new Topology({
      createChannel() {
        channels++;
        return model.createChannel();
      },
    } as ChannelModel);
    const names = Array.from({ length: 20 }, (_, index) => `${queue}_row${index}_res`);
    await bench.plain.assertQueue(names[10]!, { durable: true, maxLength: 7 });
    bench.plain.sendToQueue(names[10]!, Buffer.from('waits'));
    await bench.plain.assertQueue(names[12]!, { durable: true });
    const states = await Promise.all(names.map((name) => topology.ensure(name, replyQueueArguments)));
    assert.equal(
      states.map(({ messageCount }) => messageCount),
      names.map((_, index) => (index === 10 ? 1 : 0)),
    );
    // Four side by side; four more for the first ones, which are found missing, one for the one that is otherwise, and
    // again four behind it at most. One for each would be 23.
    assert.ok(channels <= 13, `${channels} channels`);
    const text = await bench.rabbit.ctl('list_queues', '--no-table-headers', 'name', 'durable', 'arguments');
    for (const [index, name] of names.entries()) {
      const line = text.split('\n').find((each) => each.startsWith(`${name}\t`));
      assert.match(line ?? '', index === 10 ? /true\t.*max-length/ : /true\t\[\]/);
    }
  } finally {
    await model.close();
  }
});

test('quorum queues have a single active consumer', async () => {
  const { listener, transport } = await bench.connect({ queueType: 'quorum' });
  await listener.up();
  transport.send(exampleReport(1));
  await until(() => listener.confirmed.length === 1, 'confirmed');
  const text = await bench.rabbit.ctl('list_queues', '--no-table-headers', 'name', 'type', 'arguments');
  assert.match(text, /device_process_info\s+quorum.*x-single-active-consumer/);
});

test('per-device receipts: those that waited are stale and come first', async () => {
  const replies = `${queue}_SN1_res`;
  await bench.plain.assertQueue(replies);
  for (let i = 0; i < 300; i++)
    bench.plain.sendToQueue(replies, Buffer.from(`old ${i}`), { correlationId: `old-${i}` });
  await until(async () => (await bench.plain.checkQueue(replies)).messageCount === 300, 'the old replies wait');
  const { listener, transport } = await bench.connect();
  await listener.up();
  const watching = transport.watchReplies(queue, 'SN1');
  assert.ok(watching);
  await watching;
  assert.is(listener.receipts.length, 300);
  assert.ok(listener.receipts.every(({ stale }) => stale));
  assert.is(transport.watchReplies(queue, 'SN1'), undefined);
  bench.plain.sendToQueue(replies, Buffer.from('new'), { correlationId: 'm-1' });
  bench.plain.sendToQueue(replies, Buffer.from('legacy'));
  await until(() => listener.receipts.length === 302, 'two more');
  const [withId, without] = listener.receipts.slice(300);
  assert.equal(withId, { messageId: 'm-1', channel: queue, serial: 'SN1', body: Buffer.from('new'), stale: false });
  assert.is(without!.messageId, undefined);
});

test('per-gateway: reply_to on every report, receipts from one queue', async () => {
  const { listener, transport, gatewayId } = await bench.connect({ replies: 'per-gateway' });
  await listener.up();
  transport.send(exampleReport(1));
  const { properties } = await bench.take(queue);
  assert.is(properties.replyTo, `gateway_${gatewayId}_receipts`);
  bench.plain.sendToQueue(properties.replyTo as string, Buffer.from('{}'), {
    correlationId: properties.messageId as string,
  });
  await until(() => listener.receipts.length === 1, 'the receipt');
  assert.is(listener.receipts[0]!.messageId, exampleReport(1).messageId);
  assert.is(listener.receipts[0]!.channel, undefined);
});

test('a reply queue that is deleted while it is read is made again', async () => {
  const { listener, transport } = await bench.connect();
  await listener.up();
  await transport.watchReplies(queue, 'SN2');
  await bench.plain.deleteQueue(`${queue}_SN2_res`);
  await until(async () => {
    bench.plain.sendToQueue(`${queue}_SN2_res`, Buffer.from('{}'));
    return listener.receipts.length > 0;
  }, 'a receipt from the new queue');
  assert.is(listener.disconnects.length, 0);
});

test('a reply queue that somebody else reads is refused, and the link stays', async () => {
  const one = await bench.connect();
  const two = await bench.connect();
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

test('a push is removed only once it is applied, and asked for again when that failed', async () => {
  const { listener, transport, gatewayId } = await bench.connect();
  await listener.up();
  const control = `gateway_${gatewayId}_control`;
  listener.control = () => new Promise(() => {});
  bench.plain.sendToQueue(control, Buffer.from('1'), { persistent: true });
  bench.plain.sendToQueue(control, Buffer.from('2'), { persistent: true });
  await until(() => listener.controls.length === 1, 'the first');
  await transport.stop();
  const again = await bench.connect({ gatewayId });
  await until(() => again.listener.controls.length === 2, 'both');
  assert.equal(again.listener.controls, ['1', '2']);
  await until(async () => (await bench.plain.checkQueue(control)).messageCount === 0, 'empty');
});

test('what was pushed while the gateway was away is applied before it says so; then pushes come as they do', async () => {
  const gatewayId = 'gw-drain';
  const control = `gateway_${gatewayId}_control`;
  await bench.plain.assertQueue(control, { durable: true });
  for (const text of ['1', '2', '3']) bench.plain.sendToQueue(control, Buffer.from(text));
  await until(async () => (await bench.plain.checkQueue(control)).messageCount === 3, 'three wait');
  const { listener } = await bench.connect({ gatewayId });
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
  bench.plain.sendToQueue(control, Buffer.from('4'));
  await until(() => applied.length === 4, 'the fourth');
  assert.is(listener.drained.length, 1);
  const none = await bench.connect();
  await until(() => none.listener.drained.length === 1, 'an empty queue is drained at once');
});

test('pushes that vanish from the queue are not waited for', async () => {
  const gatewayId = 'gw-purged';
  const control = `gateway_${gatewayId}_control`;
  await bench.plain.assertQueue(control, { durable: true });
  for (const text of ['1', '2', '3']) bench.plain.sendToQueue(control, Buffer.from(text));
  await until(async () => (await bench.plain.checkQueue(control)).messageCount === 3, 'three wait');
  const { listener } = await bench.connect({ gatewayId });
  let release = () => {};
  listener.control = () => new Promise((resolve) => (release = resolve));
  await until(() => listener.controls.length === 1, 'the first is being applied');
  await bench.plain.purgeQueue(control);
  release();
  assert.is(listener.drained.length, 0);
  await until(() => listener.drained.length === 1, 'drained');
});

test('a query is not persistent, expires, and is answered on the queue of its machine', async () => {
  const { listener, transport, gatewayId } = await bench.connect();
  await listener.up();
  await bench.plain.assertQueue('device_auth', { durable: true });
  await transport.watchReplies('device_auth', 'SN1');
  const query = { messageId: 'gw-1-00ab-q1', channel: 'device_auth', serial: 'SN1', body: Buffer.from('{}') };
  transport.ask(query);
  await until(() => listener.confirmed.length === 1, 'confirmed');
  const { content, properties } = await bench.take('device_auth');
  assert.is(content.toString(), '{}');
  assert.is(properties.messageId, query.messageId);
  assert.is(properties.appId, gatewayId);
  assert.is(properties.expiration, '10000');
  assert.is(properties.deliveryMode, 1);
  assert.is(properties.type, 'device_auth');
  bench.plain.sendToQueue('device_auth_SN1_res', Buffer.from('{"错误":""}'), { correlationId: query.messageId });
  await until(() => listener.receipts.length === 1, 'the answer');
  const [answer] = listener.receipts;
  assert.is(answer?.messageId, query.messageId);
  assert.is(answer?.channel, 'device_auth');
  assert.is(answer?.stale, false);
  await bench.plain.deleteQueue('device_auth');
});

test('per-gateway: a query names the queue for its answer', async () => {
  const { listener, transport, gatewayId } = await bench.connect({ replies: 'per-gateway' });
  await listener.up();
  await bench.plain.assertQueue('device_auth', { durable: true });
  transport.ask({ messageId: 'gw-1-00ab-q1', channel: 'device_auth', serial: 'SN1', body: Buffer.from('{}') });
  assert.is((await bench.take('device_auth')).properties.replyTo, `gateway_${gatewayId}_receipts`);
  await bench.plain.deleteQueue('device_auth');
});

test('a query without a queue is rejected, and the queue made for the next', async () => {
  const { listener, transport } = await bench.connect();
  await listener.up();
  const query = { messageId: 'gw-1-00ab-q1', channel: 'device_auth', serial: 'SN1', body: Buffer.from('{}') };
  transport.ask(query);
  await until(() => listener.rejected.length === 1, 'rejected');
  assert.is(listener.rejected[0]!.messageId, query.messageId);
  await until(() => bench.exists('device_auth'), 'the queue');
  transport.ask({ ...query, messageId: 'gw-1-00ab-q2' });
  await until(() => listener.confirmed.length === 1, 'confirmed');
  await bench.plain.deleteQueue('device_auth');
});

test('a query does not wait behind megabytes of reports', async () => {
  const { listener, transport } = await bench.connect();
  await listener.up();
  await bench.plain.assertQueue('device_auth', { durable: true });
  const body = Buffer.alloc(64 * 1024, 'x');
  let sent = 0;
  while (transport.send(exampleReport(++sent, { body })));
  transport.ask({ messageId: 'gw-1-00ab-q1', channel: 'device_auth', serial: 'SN1', body: Buffer.from('{}') });
  await until(() => listener.confirmed.includes('gw-1-00ab-q1'), 'the query is confirmed');
  const before = listener.confirmed.indexOf('gw-1-00ab-q1');
  await until(() => listener.confirmed.length === sent + 1, 'all confirmed');
  assert.ok(before < sent / 2, `${before} of ${sent} reports were confirmed before the query`);
  await bench.plain.deleteQueue('device_auth');
});

test.run();
