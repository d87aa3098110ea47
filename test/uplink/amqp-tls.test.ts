// slow
/** Who is let in over AMQP: each mistake of an operator has its own code, and a sentence with the next step. */

import { createServer, type Server } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describeError, type ErrorCode, HoldfastError } from '../../src/errors.ts';
import { type Logger, systemClock } from '../../src/platform/index.ts';
import { createAmqpTransport } from '../../src/uplink/amqp.ts';
import type { TlsFiles } from '../../src/uplink/broker-socket.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { RecordingListener } from '../support/recording-listener.ts';
import { freePort } from '../support/temporary.ts';
import { testCertificates } from '../support/tls.ts';
import { until } from '../support/until.ts';

const test = suite('AMQP and who is let in');
const certificates = testCertificates();
const { ca } = certificates;
let rabbit: Rabbit;

const logged: string[] = [];
const logger: Logger = {
  debug: (facts, message) => logged.push(JSON.stringify(facts) + message),
  info: (facts, message) => logged.push(JSON.stringify(facts) + message),
  warn: (facts, message) => logged.push(JSON.stringify(facts) + message),
  error: (facts, message) => logged.push(JSON.stringify(facts) + message),
  child: () => logger,
};

/** Tries until there is an error or a connection; undefined for a connection. */
async function outcome(url: string, tls: TlsFiles = { ca }, gatewayId = 'gw-tls'): Promise<HoldfastError | undefined> {
  const transport = createAmqpTransport({
    url,
    tls,
    gatewayId,
    replies: 'per-device',
    queueType: 'classic',
    channels: [],
    logger,
    clock: systemClock(),
  });
  transport.start(new RecordingListener());
  await until(() => transport.state.connected || transport.state.lastError !== undefined, 'an outcome');
  const { connected, lastError } = transport.state;
  await transport.stop();
  return connected ? undefined : lastError;
}

async function refused(code: ErrorCode, next: RegExp, ...attempt: Parameters<typeof outcome>): Promise<void> {
  const error = await outcome(...attempt);
  assert.instance(error, HoldfastError);
  assert.is(error!.code, code, describeError(error));
  assert.match(error!.message, next);
  assert.not.match(describeError(error), /guest|sécret|secret/);
}

test.before(async () => {
  rabbit = await startRabbit({ tls: true });
});
test.after(() => rabbit.remove());

test('a right certificate, by name and by IP address', async () => {
  assert.is(await outcome(rabbit.tlsUrl!), undefined);
  assert.is(await outcome(rabbit.tlsUrl!.replace('localhost', '127.0.0.1')), undefined);
});

test('a wrong authority, and none', async () => {
  await refused('uplink-tls-ca', /upstream\.tls\.ca/, rabbit.tlsUrl!, { ca: certificates.wrongCa });
  await refused('uplink-tls-ca', /upstream\.tls\.ca/, rabbit.tlsUrl!, {});
  await refused('uplink-tls-ca', /cannot read/, rabbit.tlsUrl!, { ca: '/nowhere/ca.pem' });
});

test('an expired certificate, and one that is not yet valid', async () => {
  const expired = await rabbit.addTlsListener({ certificate: certificates.expired });
  await refused('uplink-tls-expired', /renew|clock/, `amqps://guest:guest@localhost:${expired}`);
  const early = await rabbit.addTlsListener({ certificate: certificates.notYetValid });
  await refused('uplink-tls-expired', /renew|clock/, `amqps://guest:guest@localhost:${early}`);
});

test('a certificate for another host, by name and by IP address', async () => {
  const port = await rabbit.addTlsListener({ certificate: certificates.wrongHost });
  await refused('uplink-tls-host', /upstream\.url/, `amqps://guest:guest@localhost:${port}`);
  await refused('uplink-tls-host', /upstream\.url/, `amqps://guest:guest@127.0.0.1:${port}`);
});

test('a client certificate that is required: right, missing, a stranger’s, not readable, and a key of another', async () => {
  const port = await rabbit.addTlsListener({ requireClientCertificate: true });
  const url = `amqps://guest:guest@localhost:${port}`;
  const { client, stranger } = certificates;
  assert.is(await outcome(url, { ca, ...client }), undefined);
  await refused('uplink-tls-client', /upstream\.tls\.certificate/, url);
  await refused('uplink-tls-client', /upstream\.tls\.certificate/, url, { ca, ...stranger });
  await refused('uplink-tls-client', /cannot read/, url, { ca, ...client, key: '/nowhere/key.pem' });
  await refused('uplink-tls-client', /upstream\.tls\.key/, url, { ca, ...client, key: stranger.key });
});

test('a wrong password, an unknown virtual host, and a password with every kind of character', async () => {
  await refused('uplink-refused', /password/, rabbit.tlsUrl!.replace('guest:guest', 'guest:secret'));
  await refused('uplink-refused', /virtual host/, `${rabbit.tlsUrl}/elsewhere`);
  const password = 'sécret/@:%zh密';
  await rabbit.declareUser('gateway', password);
  assert.is(await outcome(rabbit.tlsUrl!.replace('guest:guest', `gateway:${encodeURIComponent(password)}`)), undefined);
});

test('a user without the right to declare', async () => {
  await rabbit.ctl('add_user', 'reader', 'secret');
  await rabbit.ctl('set_permissions', 'reader', '^$', '.*', '.*');
  await refused(
    'uplink-refused',
    /right to configure/,
    rabbit.tlsUrl!.replace('guest:guest', 'reader:secret'),
    { ca },
    'gw-new',
  );
});

test('nobody there, no such name, and a port that does not speak TLS', async () => {
  await refused('uplink-unreachable', /broker runs/, `amqps://guest:guest@localhost:${await freePort()}`);
  await refused('uplink-unreachable', /upstream\.url/, 'amqps://guest:guest@no-such-host.invalid');
  await refused('uplink-unreachable', /TLS/, rabbit.url.replace('amqp:', 'amqps:'));
});

test('a try to connect that nobody answers ends at once when the uplink is stopped', async () => {
  const silent: Server = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as { port: number };
  const transport = createAmqpTransport({
    url: `amqps://guest:guest@127.0.0.1:${port}`,
    tls: { ca },
    gatewayId: 'gw-tls',
    replies: 'per-device',
    queueType: 'classic',
    channels: [],
    logger,
    clock: systemClock(),
  });
  transport.start(new RecordingListener());
  const begun = performance.now();
  await transport.stop();
  await transport.stop();
  assert.ok(performance.now() - begun < 1000);
  silent.close();
});

test('no password in any line of the log', () => {
  assert.ok(logged.length > 10);
  for (const line of logged) assert.not.match(line, /guest|secret|sécret/);
});

test.run();
