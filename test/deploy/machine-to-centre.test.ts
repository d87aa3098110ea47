/**
 * The whole way under TLS with what `deploy/certificates/make` makes: machine –MQTTS→ gateway –AMQPS→ RabbitMQ –AMQPS→
 * centre, and the gateway enrolled over HTTPS. Then all certificates are renewed, and it goes on without a restart.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { issueCode } from '../../src/central/index.ts';
import { type Central, createCentral } from '../../src/central.ts';
import { loadConfig } from '../../src/config/index.ts';
import { enrolBox, parseCode } from '../../src/enrolment/index.ts';
import { Gateway } from '../../src/gateway.ts';
import { nodeFileSystem, silentLogger, systemClock } from '../../src/platform/index.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { reportBody } from '../support/site/machine-reports.ts';
import { freePorts, temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

const test = suite('from the machine to the centre, all over TLS');
const folder = temporaryFolder('hf-');
const file = (name: string) => folder.file(`certificates/${name}`);
const serial = 'sn000001';
let rabbit: Rabbit;
let central: Central | undefined;
let gateway: Gateway | undefined;

function make(...names: string[]): void {
  const program = join(import.meta.dirname, '../../deploy/certificates/make');
  execFileSync('sh', [program, '--out', folder.file('certificates'), ...names]);
}

test.before(async () => {
  make('localhost', '127.0.0.1');
  rabbit = await startRabbit({
    tls: true,
    config: {
      'ssl_options.cacertfile': file('ca.crt'),
      'ssl_options.certfile': file('server.crt'),
      'ssl_options.keyfile': file('server.key'),
      'ssl_options.verify': 'verify_peer',
      'ssl_options.fail_if_no_peer_cert': true,
    },
  });
});
test.after(async () => {
  await gateway?.stop();
  await central?.stop();
  await rabbit.remove();
});

/** A machine reports over MQTTS and waits for the answer that it is stored. */
async function report(port: number, n: number): Promise<Record<string, string>> {
  const client = await mqtt.connectAsync(`mqtts://localhost:${port}`, {
    ca: readFileSync(file('ca.crt')),
    username: serial,
    password: 'secret',
  });
  try {
    const answer = new Promise<Record<string, string>>((resolve) => {
      client.on('message', (_topic, body) => resolve(JSON.parse(body.toString())));
    });
    await client.subscribeAsync(`device_base_info_${serial}_res`, { qos: 1 });
    await client.publishAsync('device_base_info', reportBody(serial, 'device_base_info', n), { qos: 1 });
    return await answer;
  } finally {
    await client.endAsync(true);
  }
}

const stored = () => central!.store.count({ database: 'device_info', collection: 'device_base' });

test('a report arrives, and so does one after every certificate was renewed', async () => {
  const [http, mqtts, centralHttp] = (await freePorts(3)) as [number, number, number];
  const clock = systemClock();
  const environment = {
    HOLDFAST_HTTP_HOST: '127.0.0.1',
    HOLDFAST_HTTP_PORT: String(http),
    HOLDFAST_MQTT_HOST: '127.0.0.1',
    HOLDFAST_MQTT_PORT: '0',
    HOLDFAST_MQTT_TLS_PORT: String(mqtts),
    HOLDFAST_MQTT_TLS_CERTIFICATE: file('server.crt'),
    HOLDFAST_MQTT_TLS_KEY: file('server.key'),
    HOLDFAST_MQTT_CLIENTS: `[{username: ${serial}, password: secret}]`,
    HOLDFAST_CENTRAL_BROKER: rabbit.tlsUrl!,
    HOLDFAST_CENTRAL_BROKER_TLS_CA: file('ca.crt'),
    HOLDFAST_CENTRAL_BROKER_TLS_CERTIFICATE: file('client.crt'),
    HOLDFAST_CENTRAL_BROKER_TLS_KEY: file('client.key'),
    HOLDFAST_CENTRAL_EMBEDDED: folder.file('documents'),
    HOLDFAST_CENTRAL_HTTP_HOST: '127.0.0.1',
    HOLDFAST_CENTRAL_HTTP_PORT: String(centralHttp),
    HOLDFAST_CENTRAL_HTTP_TLS_CERTIFICATE: file('server.crt'),
    HOLDFAST_CENTRAL_HTTP_TLS_KEY: file('server.key'),
  };
  const { config } = loadConfig({ environment });
  central = createCentral({ config, clock, logger: silentLogger, dataFolder: folder.file('centre') });
  await central.start();
  const text = (name: string) => readFileSync(file(name), 'utf8');
  const settings = {
    url: rabbit.tlsUrl!,
    gateway: 'line-1',
    ca: text('ca.crt'),
    certificate: text('client.crt'),
    key: text('client.key'),
  };
  const code = await issueCode(central.store, { settings, validForMs: 60_000, nowMs: clock.wallMs() });
  await enrolBox({
    centre: new URL(`https://localhost:${centralHttp}`),
    code: parseCode(code)!,
    trust: { ca: text('ca.crt') },
    dataFolder: folder.file('box'),
    fileSystem: nodeFileSystem,
    configuredId: undefined,
    state: { running: false, waiting: 0, hasSent: false },
    force: false,
  });
  gateway = new Gateway({ config, dataFolder: folder.file('box'), clock, logger: silentLogger });
  await gateway.start();
  assert.is(gateway.id, 'line-1');

  assert.is((await report(mqtts, 1)).错误, '');
  await until(async () => (await stored()) === 1, 'the report is in the database', 30_000);
  const [document] = await central.store.find({ database: 'device_info', collection: 'device_base' });
  assert.is(document?._gateway, 'line-1');
  assert.is(document?.序列号, serial);

  make('localhost', '127.0.0.1');
  await gateway.reloadCertificates();
  await central.reloadCertificates();
  assert.is((await report(mqtts, 2)).错误, '');
  await until(async () => (await stored()) === 2, 'the second report is in the database', 30_000);
  const connections = await rabbit.ctl('list_connections', '--no-table-headers', 'name', 'ssl');
  assert.ok(connections.split('\n').length >= 2, connections);
  for (const line of connections.split('\n')) assert.match(line, /true$/);
});

test.run();
