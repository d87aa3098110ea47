// slow
/** The MQTT transport, against RabbitMQ's MQTT plugin and against aedes. */

import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Aedes } from 'aedes';
import amqp, { type Channel, type ChannelModel } from 'amqplib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger, systemClock } from '../../src/platform/index.ts';
import { createMqttTransport, type MqttTransportOptions } from '../../src/uplink/mqtt.ts';
import type { UplinkTransport } from '../../src/uplink/transport.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { exampleReport, RecordingListener } from '../support/recording-listener.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { freePort } from '../support/temporary.ts';
import { type CertificateFiles, testCertificates } from '../support/tls.ts';
import { until } from '../support/until.ts';

const certificates = testCertificates();
const { ca } = certificates;
const started: UplinkTransport[] = [];
let gateways = 0;

function connect(url: string, options: Partial<MqttTransportOptions> = {}) {
  const listener = new RecordingListener();
  const gatewayId = options.gatewayId ?? `gw-${++gateways}`;
  const transport = createMqttTransport({
    url,
    tls: { ca },
    gatewayId,
    logger: silentLogger,
    clock: systemClock(),
    random: () => 0.1,
    ...options,
  });
  started.push(transport);
  transport.start(listener);
  return { listener, transport, gatewayId };
}

const stopAll = async () => {
  await Promise.all(started.splice(0).map((transport) => transport.stop()));
};

const plugin = suite("MQTT, RabbitMQ's plugin");
let rabbit: Rabbit;
let proxy: TcpProxy;
let model: ChannelModel;
/** The centre's side. */
let centre: Channel;
let arrived: { readonly key: string; readonly body: string }[] = [];

plugin.before(async () => {
  rabbit = await startRabbit({ mqtt: true });
  proxy = await startTcpProxy({ port: rabbit.mqttPort! });
  model = await amqp.connect(rabbit.url);
  centre = await model.createChannel();
  const { queue } = await centre.assertQueue('', { exclusive: true });
  await centre.bindQueue(queue, 'amq.topic', 'holdfast.*.up.*.*');
  await centre.consume(queue, (message) => {
    arrived.push({ key: message!.fields.routingKey, body: message!.content.toString() });
    centre.ack(message!);
  });
});
plugin.before.each(() => {
  arrived = [];
});
plugin.after.each(stopAll);
plugin.after(async () => {
  await proxy.stop();
  await model.close();
  await rabbit.remove();
});
const pluginUrl = () => `mqtt://guest:guest@127.0.0.1:${proxy.port}`;

plugin('a report arrives under its topic, unchanged, and is confirmed; the receipt comes back', async () => {
  const { listener, transport, gatewayId } = connect(pluginUrl());
  await listener.up();
  const report = exampleReport(1);
  assert.is(transport.watchReplies(report.channel, report.serial), undefined);
  assert.ok(transport.send(report));
  await until(() => listener.confirmed.length === 1 && arrived.length === 1, 'confirmed and arrived');
  assert.equal(arrived[0], {
    key: `holdfast.${gatewayId}.up.device_process_info.${report.messageId}`,
    body: report.body.toString(),
  });
  centre.publish('amq.topic', `holdfast.${gatewayId}.down.receipt.${report.messageId}`, Buffer.from('{"错误":""}'));
  await until(() => listener.receipts.length === 1, 'the receipt');
  assert.equal(listener.receipts[0], {
    messageId: report.messageId,
    channel: undefined,
    serial: undefined,
    body: Buffer.from('{"错误":""}'),
    stale: false,
  });
});

/**
 * RabbitMQ ends a session some time after its socket: until then it may hand a push to the one that is gone, and puts
 * it back for the next only later.
 */
async function letGo(gatewayId: string): Promise<void> {
  const queue = `mqtt-subscription-holdfast-${gatewayId}qos1`;
  await until(async () => (await centre.checkQueue(queue)).consumerCount === 0, 'the session has ended');
}

plugin('a push waits for a gateway that is away, and is acknowledged once it is applied', async () => {
  const first = connect(pluginUrl());
  await first.listener.up();
  const { gatewayId } = first;
  const push = (text: string) =>
    centre.publish('amq.topic', `holdfast.${gatewayId}.down.control`, Buffer.from(text), { persistent: true });
  first.listener.control = () => new Promise(() => {});
  push('1');
  await until(() => first.listener.controls.length === 1, 'the push');
  await first.transport.stop();
  push('2');
  const second = connect(pluginUrl(), { gatewayId });
  await until(() => second.listener.controls.length === 2, 'both');
  assert.equal([...second.listener.controls].sort(), ['1', '2']);
  await second.transport.stop();
  const third = connect(pluginUrl(), { gatewayId });
  await third.listener.up();
  push('3');
  await until(() => third.listener.controls.length > 0, 'only the third');
  assert.equal(third.listener.controls, ['3']);
});

plugin('a query goes up like a report, and is answered like one', async () => {
  const { listener, transport, gatewayId } = connect(pluginUrl());
  await listener.up();
  const query = { messageId: 'gw-1-00ab-q1', channel: 'device_auth', serial: 'SN1', body: Buffer.from('{}') };
  transport.ask(query);
  await until(() => listener.confirmed.length === 1 && arrived.length === 1, 'confirmed and arrived');
  assert.is(arrived[0]!.key, `holdfast.${gatewayId}.up.device_auth.${query.messageId}`);
  centre.publish('amq.topic', `holdfast.${gatewayId}.down.receipt.${query.messageId}`, Buffer.from('{"错误":""}'));
  await until(() => listener.receipts.length === 1, 'the answer');
  assert.is(listener.receipts[0]!.messageId, query.messageId);
});

plugin('what was pushed while the gateway was away is applied before it says so', async () => {
  const first = connect(pluginUrl());
  await first.listener.up();
  await until(() => first.listener.drained.length === 1, 'drained with nothing to apply');
  await first.transport.stop();
  await letGo(first.gatewayId);
  for (const text of ['1', '2', '3']) {
    centre.publish('amq.topic', `holdfast.${first.gatewayId}.down.control`, Buffer.from(text), { persistent: true });
  }
  const second = connect(pluginUrl(), { gatewayId: first.gatewayId });
  second.listener.control = () => new Promise((resolve) => setTimeout(resolve, 300));
  await until(() => second.listener.drained.length > 0, 'drained');
  assert.equal(second.listener.drained, [3]);
});

plugin('1000 reports across three cuts: each answered at most once per connection, all arrive', async () => {
  const { listener, transport } = connect(pluginUrl());
  await listener.up();
  const done = new Set<string>();
  let open = new Set<string>();
  const sendOpen = () => {
    for (let i = 1; i <= 1000; i++) {
      const report = exampleReport(i, { body: Buffer.alloc(1000, 'x') });
      if (done.has(report.messageId)) continue;
      open.add(report.messageId);
      transport.send(report);
    }
  };
  listener.onConfirmed = (messageId) => {
    assert.ok(open.delete(messageId), messageId);
    done.add(messageId);
  };
  listener.onDisconnected = () => {
    open = new Set();
  };
  listener.onConnected = sendOpen;
  sendOpen();
  for (const bytes of [50_000, 300_000, 700_000]) {
    await proxy.cutAfter('up', bytes);
    await proxy.restore();
    await until(() => transport.state.connected, 'back');
  }
  await until(() => done.size === 1000, 'all confirmed');
  await until(() => new Set(arrived.map(({ key }) => key)).size === 1000, 'all arrived');
});

plugin('a wrong password is refused', async () => {
  const { transport } = connect(pluginUrl().replace('guest:guest', 'guest:secret'));
  await until(() => transport.state.lastError !== undefined, 'refused');
  assert.is(transport.state.lastError!.code, 'uplink-refused');
  assert.not.match(transport.state.lastError!.message, /secret/);
});

plugin.run();

const other = suite('MQTT over TLS, aedes');
let broker: Aedes;
const servers: { readonly server: Server; readonly sockets: Set<Socket> }[] = [];

async function listen(files?: CertificateFiles, options: { client?: boolean } = {}): Promise<number> {
  const sockets = new Set<Socket>();
  const accept = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    broker.handle(socket);
  };
  const server = files
    ? createTlsServer(
        {
          cert: readFileSync(files.certificate),
          key: readFileSync(files.key),
          ca: readFileSync(ca),
          requestCert: options.client ?? false,
          rejectUnauthorized: options.client ?? false,
        },
        accept,
      )
    : createServer(accept);
  server.on('tlsClientError', () => {});
  servers.push({ server, sockets });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return port;
}

async function failure(port: number, tls: MqttTransportOptions['tls'] = { ca }): Promise<string | undefined> {
  const { transport } = connect(`mqtts://localhost:${port}`, { tls });
  await until(() => transport.state.connected || transport.state.lastError !== undefined, 'an outcome');
  const code = transport.state.connected ? undefined : transport.state.lastError?.code;
  await transport.stop();
  return code;
}

other.before(async () => {
  broker = await Aedes.createBroker();
});
other.after.each(async () => {
  await stopAll();
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
other.after(() => new Promise<void>((resolve) => broker.close(resolve)));

other('reports, receipts and pushes over TLS', async () => {
  const { listener, transport, gatewayId } = connect(`mqtts://localhost:${await listen(certificates.server)}`);
  await listener.up();
  const topics: string[] = [];
  const take = (packet: { topic: string }, done: () => void) => {
    topics.push(packet.topic);
    done();
  };
  await new Promise<void>((resolve) => broker.subscribe('holdfast/+/up/+/+', take as never, resolve));
  for (let i = 1; i <= 100; i++) transport.send(exampleReport(i));
  await until(() => listener.confirmed.length === 100 && topics.length === 100, 'all');
  assert.is(topics[99], `holdfast/${gatewayId}/up/device_process_info/${exampleReport(100).messageId}`);
  const publish = (topic: string, payload: string) =>
    broker.publish({ cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false } as never, () => {});
  publish(`holdfast/${gatewayId}/down/receipt/m-1`, '{}');
  publish(`holdfast/${gatewayId}/down/control`, 'push');
  await until(() => listener.receipts.length === 1 && listener.controls.length === 1, 'both');
  assert.is(listener.receipts[0]!.messageId, 'm-1');
});

other('each mistake with certificates has its own code', async () => {
  const good = await listen(certificates.server);
  assert.is(await failure(good), undefined);
  assert.is(await failure(good, { ca: certificates.wrongCa }), 'uplink-tls-ca');
  assert.is(await failure(await listen(certificates.expired)), 'uplink-tls-expired');
  assert.is(await failure(await listen(certificates.wrongHost)), 'uplink-tls-host');
  const strict = await listen(certificates.server, { client: true });
  assert.is(await failure(strict, { ca, ...certificates.client }), undefined);
  assert.is(await failure(strict), 'uplink-tls-client');
  assert.is(await failure(await freePort()), 'uplink-unreachable');
});

other('a push that cannot be applied ends the session and comes again', async () => {
  const { listener, gatewayId } = connect(`mqtt://localhost:${await listen()}`);
  await listener.up();
  let tries = 0;
  listener.control = async () => {
    if (++tries === 1) throw new Error('not now');
  };
  const topic = `holdfast/${gatewayId}/down/control`;
  broker.publish({ cmd: 'publish', topic, payload: 'p', qos: 1, retain: false, dup: false } as never, () => {});
  await until(() => tries === 2, 'tried again');
  assert.equal(listener.controls, ['p', 'p']);
  assert.is(listener.disconnects.length, 1);
});

other('large bodies fill the socket: wait, drain, go on', async () => {
  const { listener, transport } = connect(`mqtt://localhost:${await listen()}`);
  await listener.up();
  const body = Buffer.alloc(1024 * 1024, 'x');
  let sent = 0;
  while (transport.send(exampleReport(++sent, { body })));
  assert.ok(sent <= 17);
  await until(() => listener.drains >= 1 && listener.confirmed.length === sent, 'drained');
});

other.run();
