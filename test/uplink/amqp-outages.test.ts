// slow
/** The AMQP transport when broker and network fail: every report ends confirmed, rejected, or in doubt, never lost. */

import amqp from 'amqplib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger, systemClock } from '../../src/platform/index.ts';
import { createAmqpTransport } from '../../src/uplink/amqp.ts';
import type { UplinkTransport } from '../../src/uplink/transport.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { exampleReport, RecordingListener } from '../support/recording-listener.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { testCertificates } from '../support/tls.ts';
import { until } from '../support/until.ts';

const test = suite('AMQP outages');
const queue = 'device_process_info';
let rabbit: Rabbit;
let proxy: TcpProxy;
let transport: UplinkTransport;
let listener: RecordingListener;
let gateways = 0;

test.before(async () => {
  rabbit = await startRabbit({ tls: true });
  proxy = await startTcpProxy({ port: rabbit.tlsPort! });
});
test.before.each(async () => {
  listener = new RecordingListener();
  transport = createAmqpTransport({
    url: `amqps://guest:guest@localhost:${proxy.port}`,
    tls: { ca: testCertificates().ca },
    gatewayId: `gw-${++gateways}`,
    replies: 'per-device',
    queueType: 'classic',
    channels: [queue],
    logger: silentLogger,
    clock: systemClock(),
    random: () => 0.2,
  });
  transport.start(listener);
  await listener.up();
});
test.after.each(async () => {
  await transport.stop();
  await proxy.restore();
});
test.after(async () => {
  await proxy.stop();
  await rabbit.remove();
});

/** Sends what is not yet confirmed, as the forwarder does, at every connection; resolves when all is confirmed. */
async function deliver(count: number, body: Buffer): Promise<void> {
  const done = new Set<string>();
  const open = new Map<string, number>();
  let next = 1;
  const pump = () => {
    while (transport.state.connected && open.size < 64 && next <= count) {
      const report = exampleReport(next, { body });
      if (!done.has(report.messageId)) {
        open.set(report.messageId, next);
        if (!transport.send(report)) {
          next++;
          return;
        }
      }
      next++;
    }
  };
  const settle = (messageId: string) => {
    assert.ok(open.delete(messageId), `${messageId} was answered twice, or on a later connection`);
    done.add(messageId);
    pump();
  };
  listener.onConfirmed = settle;
  listener.onRejected = (messageId, error) => assert.unreachable(`${messageId}: ${error.message}`);
  listener.onDrain = pump;
  listener.onDisconnected = () => open.clear();
  listener.onConnected = () => {
    next = 1;
    pump();
  };
  pump();
  await until(() => done.size === count, `${count} delivered`, 40_000);
}

async function drainQueue(): Promise<string[]> {
  const model = await amqp.connect(rabbit.url);
  const channel = await model.createChannel();
  const ids: string[] = [];
  for (
    let message = await channel.get(queue, { noAck: true });
    message;
    message = await channel.get(queue, { noAck: true })
  ) {
    ids.push(message.properties.messageId as string);
  }
  await model.close();
  return ids;
}

const body = Buffer.alloc(3_000, 'x');
const all = (count: number) => Array.from({ length: count }, (_, i) => exampleReport(i + 1).messageId).sort();

test('cut in mid-message, up and down, again and again: nothing lost, answers exactly once per connection', async () => {
  const delivered = deliver(3000, body);
  for (const [direction, bytes] of [
    ['up', 100_000],
    ['down', 500],
    ['up', 1_234_567],
    ['down', 200],
  ] as const) {
    await proxy.cutAfter(direction, bytes);
    await until(() => !transport.state.connected, 'noticed');
    await proxy.restore();
    await until(() => transport.state.connected, 'back', 30_000);
  }
  await delivered;
  assert.equal([...new Set(await drainQueue())].sort(), all(3000));
});

test('the broker stopped in order and started again', async () => {
  const delivered = deliver(300, body);
  await rabbit.stop();
  await until(() => !transport.state.connected, 'noticed');
  assert.is(transport.state.lastError?.severity, 'link');
  assert.throws(() => transport.send(exampleReport(1)), /no connection/);
  await rabbit.start();
  await delivered;
  assert.equal([...new Set(await drainQueue())].sort(), all(300));
});

test('a closed channel and a forced close of the connection come back by themselves', async () => {
  const before = transport.state.connects;
  await rabbit.ctl('close_all_connections', 'maintenance');
  await until(() => listener.disconnects.length === 1, 'noticed');
  assert.is(listener.disconnects[0]!.code, 'uplink-closed');
  await listener.up(2);
  assert.is(transport.state.connects, before + 1);
  // A queue that nobody may publish to any more closes the channel (403).
  await rabbit.declareUser('later', 'secret');
  await rabbit.ctl('set_permissions', 'guest', '.*', '^$', '.*');
  transport.send(exampleReport(1));
  await until(() => listener.disconnects.length === 2, 'the channel was closed');
  await rabbit.ctl('set_permissions', 'guest', '.*', '.*', '.*');
  await listener.up(3);
  assert.equal([...listener.confirmed], []);
});

test('a slow, late link delivers all the same, and its own clock keeps it up', async () => {
  proxy.delayMs = 100;
  proxy.bytesPerSecond = 400_000;
  await deliver(200, body);
  proxy.delayMs = 0;
  proxy.bytesPerSecond = Number.POSITIVE_INFINITY;
  assert.equal([...new Set(await drainQueue())].sort(), all(200));
});

test('stop while reports are under way is in time, and nothing is said afterwards', async () => {
  for (let i = 1; i <= 500; i++) transport.send(exampleReport(i, { body }));
  rabbit.pause();
  const begun = performance.now();
  await transport.stop();
  assert.ok(performance.now() - begun < 2_500);
  const said = listener.confirmed.length;
  rabbit.resume();
  await rabbit.ctl('eval', 'ok.');
  assert.is(listener.confirmed.length, said);
  assert.equal(listener.disconnects, []);
  await drainQueue();
});

test.run();
