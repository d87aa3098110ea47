/** A box is enrolled: from the code at the centre to a gateway that goes by what it was given. */

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { enrolledCollection, enrolmentCollection } from '../../src/central/index.ts';
import { type GatewayConfig, loadConfig } from '../../src/config/index.ts';
import { chooseUpstream, formatCode, lookupHash, readUpstream, stageEnrolment } from '../../src/enrolment/index.ts';
import { type ErrorCode, isHoldfastError } from '../../src/errors.ts';
import { Gateway } from '../../src/gateway.ts';
import {
  Certificates,
  certificateFingerprint,
  nodeFileSystem,
  silentLogger,
  systemClock,
} from '../../src/platform/index.ts';
import { cleanEnvironment, holdfast } from '../support/site/program.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { freePorts, temporaryFolder } from '../support/temporary.ts';
import { testCertificates } from '../support/tls.ts';
import { until } from '../support/until.ts';
import { enrol, settings, startCentre, type TestCentre } from './support.ts';

const test = suite('enrolment');
const certificates = testCertificates();
let centre: TestCentre;

test.before(async () => {
  centre = await startCentre();
});
test.after(() => centre.central.stop());

const newBox = () => temporaryFolder('hf-').path;
const secret = (box: string, name: string) => readFileSync(join(box, 'secrets', name), 'utf8');

async function fails(promise: Promise<unknown>, code: ErrorCode, text: RegExp): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(isHoldfastError(error, code), String(error));
  assert.match(error.message, text);
}

/** Runs `holdfast` with lines on its standard input. */
function command(words: readonly string[], input = '', environment: NodeJS.ProcessEnv = {}) {
  return new Promise<{ code: number | null; output: string; errors: string }>((resolve) => {
    const child = spawn(holdfast, words, { env: { ...cleanEnvironment, ...environment } });
    let [output, errors] = ['', ''];
    child.stdout.on('data', (part) => {
      output += part;
    });
    child.stderr.on('data', (part) => {
      errors += part;
    });
    child.on('close', (code) => resolve({ code, output, errors }));
    child.stdin.end(input);
  });
}

test('a box gets its id, its way to the centre and the key of the centre, in files that only it can read', async () => {
  const box = newBox();
  const code = await centre.code({ gateway: 'line-7' });
  assert.equal(await enrol(centre, code, { dataFolder: box }), { gateway: 'line-7', before: undefined });
  assert.is(secret(box, 'gateway-id'), 'line-7\n');
  assert.equal(JSON.parse(secret(box, 'upstream.json')), settings);
  assert.is(secret(box, 'centre.pub'), centre.central.signingKey.publicPem);
  assert.is(statSync(join(box, 'secrets')).mode & 0o777, 0o700);
  for (const name of readdirSync(join(box, 'secrets'))) {
    assert.is(statSync(join(box, 'secrets', name)).mode & 0o777, 0o600, name);
  }
  assert.not(existsSync(join(box, 'secrets', 'enrolment.json')));
  const [known] = await centre.central.store.find(enrolledCollection, { filter: { _id: 'line-7' } });
  assert.ok(known?.enrolled instanceof Date);
});

test('without an id in the code the box keeps its own, and no other box gets it', async () => {
  const box = newBox();
  const { gateway } = await enrol(centre, await centre.code(), { dataFolder: box });
  assert.match(gateway, /^gw-[a-z0-9]{10}$/);
  assert.is(secret(box, 'gateway-id'), `${gateway}\n`);
  // The same box again, with another code.
  await enrol(centre, await centre.code(), { dataFolder: box });
  const other = await centre.code();
  await fails(enrol(centre, other, { configuredId: gateway }), 'enrolment-conflict', /another box was enrolled as/);
  // The code was not used up, and a code for that very id replaces the box.
  await enrol(centre, other);
  await enrol(centre, await centre.code({ gateway }), { configuredId: gateway });
});

test('the gateway takes its upstream from there, and the configuration goes before it', async () => {
  const box = newBox();
  await enrol(centre, await centre.code({ gateway: 'line-8' }), { dataFolder: box });
  const place = { dataFolder: box, fileSystem: nodeFileSystem };
  const watching = () => new Certificates({ clock: systemClock(), logger: silentLogger, alarms: noAlarms });
  const upstreamOf = (environment: Record<string, string> = {}): GatewayConfig['upstream'] =>
    loadConfig({ environment }).config.upstream;
  const enrolled = chooseUpstream(upstreamOf(), place, watching());
  assert.is(enrolled?.url, settings.url);
  assert.equal((enrolled!.tls as () => object)(), { ca: settings.ca, certificate: undefined, key: undefined });
  const configured = chooseUpstream(upstreamOf({ HOLDFAST_UPSTREAM_URL: 'amqps://mine' }), place, watching());
  assert.is(configured?.url, 'amqps://mine');
  const withCa = chooseUpstream(upstreamOf({ HOLDFAST_UPSTREAM_TLS_CA: certificates.wrongCa }), place, watching());
  assert.is(withCa?.url, settings.url);
  assert.equal((withCa!.tls as () => { ca: Buffer })().ca, readFileSync(certificates.wrongCa));
  assert.is(chooseUpstream(upstreamOf(), { ...place, dataFolder: newBox() }, watching()), undefined);
  const certificate = watching();
  chooseUpstream(upstreamOf(), place, certificate);
  assert.ok(certificate.secondsLeft.get('secrets/upstream.json.ca')! > 0);

  const gateway = await startGateway(box);
  assert.is(gateway.id, 'line-8');
  const health = await (await fetch(`http://127.0.0.1:${gateway.ports.http[0]}/healthz`)).json();
  assert.is((health as { uplink: { connected?: boolean } }).uplink.connected, false);
  await gateway.stop();
});

test('what a running gateway is given is used from its next start on', async () => {
  const box = newBox();
  const gateway = await startGateway(box);
  const before = gateway.id;
  const state = { running: true, waiting: 3, hasSent: false };
  await enrol(centre, await centre.code({ gateway: 'line-9' }), { dataFolder: box, state });
  assert.is(secret(box, 'gateway-id'), `${before}\n`);
  assert.is(readUpstream({ dataFolder: box, fileSystem: nodeFileSystem }), undefined);
  await gateway.stop();
  const next = await startGateway(box);
  assert.is(next.id, 'line-9');
  await next.stop();
  assert.is(readUpstream({ dataFolder: box, fileSystem: nodeFileSystem })?.url, settings.url);
});

test('a box that may have sent what still waits keeps its id, unless it is forced', async () => {
  const box = newBox();
  await enrol(centre, await centre.code({ gateway: 'old-1' }), { dataFolder: box });
  const code = await centre.code({ gateway: 'new-1' });
  const waits = { running: false, waiting: 2, hasSent: true };
  await fails(
    enrol(centre, code, { dataFolder: box, state: waits }),
    'enrolment-conflict',
    /code is for new-1, and 2 reports.*as old-1.*--force/,
  );
  await fails(
    enrol(centre, code, { dataFolder: box, state: { running: true, waiting: 0, hasSent: true } }),
    'enrolment-conflict',
    /stop the gateway/,
  );
  await fails(enrol(centre, code, { configuredId: 'mine', force: true }), 'enrolment-conflict', /gateway\.id.*mine/);
  assert.is(secret(box, 'gateway-id'), 'old-1\n');
  // None of these used the code up.
  assert.is((await enrol(centre, code, { dataFolder: box, state: waits, force: true })).before, 'old-1');
  assert.is(secret(box, 'gateway-id'), 'new-1\n');
  // Nothing waits, or nothing was ever sent: no question.
  await enrol(centre, await centre.code({ gateway: 'new-2' }), { dataFolder: box });
  const fresh = newBox();
  mkdirSync(join(fresh, 'secrets'));
  writeFileSync(join(fresh, 'secrets', 'gateway-id'), 'drawn-1\n');
  await enrol(centre, await centre.code({ gateway: 'new-3' }), {
    dataFolder: fresh,
    state: { running: false, waiting: 7, hasSent: false },
  });
});

test('an answer that was lost is given to the same box again, and to no other', async () => {
  const box = newBox();
  const code = await centre.code({ gateway: 'line-10' });
  const proxy = await startTcpProxy({ port: Number(centre.url.port) });
  proxy.delayMs = 200;
  const enrolling = enrol({ url: new URL(`https://127.0.0.1:${proxy.port}`) }, code, { dataFolder: box });
  const { store } = centre.central;
  const record = async () => (await store.find(enrolmentCollection, { filter: { _id: lookupHash(code.lookup) } }))[0];
  await until(async () => (await record())?.state === 'used', 'the code is used');
  // The answer is on its way.
  proxy.reset();
  proxy.delayMs = 0;
  await enrolling;
  await proxy.cut();
  assert.is((await record())?.repeats, 1n);
  assert.is(secret(box, 'gateway-id'), 'line-10\n');
  await enrol(centre, code, { dataFolder: box });
  await fails(enrol(centre, code), 'enrolment-refused', /was used/);
});

test('GET /enrol/key is the key that gateways pin', async () => {
  const { get } = await import('node:https');
  const pem = await new Promise<string>((resolve, reject) => {
    get(`${centre.url.origin}/enrol/key`, { ca: readFileSync(certificates.ca) }, (response) => {
      response.setEncoding('utf8').once('data', resolve);
    }).on('error', reject);
  });
  assert.is(pem, centre.central.signingKey.publicPem);
});

test('the commands: a code is made while the centre runs, and shown by a box on standard input', async () => {
  const made = await command(
    ['enrol', '--new', '--data', centre.dataFolder, '--gateway', 'shop-1', '--upstream', 'amqps://gw@broker.example/v'],
    'pass%word/@:\n',
    centre.environment,
  );
  assert.is(made.code, 0, made.errors);
  const fingerprint = certificateFingerprint(readFileSync(certificates.server.certificate))!;
  assert.ok(made.errors.includes(`--fingerprint ${fingerprint}`), made.errors);
  assert.match(made.output, /^([0-9A-Z]{5}-){7}[0-9A-Z]{5}\n$/);
  assert.not.match(made.errors + made.output, /pass/);

  const box = newBox();
  const words = ['enrol', centre.url.origin, '--data', box];
  const untrusted = await command(words, made.output);
  assert.is(untrusted.code, 1);
  assert.match(untrusted.errors, /not signed by a trusted authority/);
  const done = await command([...words, '--fingerprint', fingerprint.toUpperCase()], made.output);
  assert.is(done.code, 0, done.errors);
  assert.match(done.output, /^enrolled as shop-1 \(before: gw-[a-z0-9]{10}\)\n$/);
  const { url } = JSON.parse(secret(box, 'upstream.json')) as { url: string };
  assert.is(decodeURIComponent(new URL(url).password), 'pass%word/@:');
  const again = await command([...words, '--ca', certificates.ca, made.output.trim()], '');
  assert.is(again.code, 0, again.errors);
  const wrong = await command([...words, '--ca', certificates.ca, made.output.trim().replace(/.$/, 'U')], '');
  assert.is(wrong.code, 2);
  assert.match(wrong.errors, /mistyped/);
  const plain = await command(['enrol', 'http://centre.example:8090', '--data', box], made.output);
  assert.is(plain.code, 2);
  assert.match(plain.errors, /https/);
  for (const line of centre.log) assert.not.match(line, /s3cret|pass%|[0-9A-Z]{5}-[0-9A-Z]{5}/);
});

test('a box that is enrolled by command while its gateway runs is told to restart it', async () => {
  const box = newBox();
  const gateway = await startGateway(box);
  const text = formatCode(await centre.code());
  const done = await command(['enrol', centre.url.origin, '--ca', certificates.ca, '--data', box], text);
  assert.is(done.code, 0, done.errors);
  assert.match(done.output, new RegExp(`^enrolled as ${gateway.id}\nthe gateway runs: restart it`));
  await gateway.stop();
});

test('a staged enrolment is finished by the next start whatever it was that died', async () => {
  const box = newBox();
  const place = { dataFolder: box, fileSystem: nodeFileSystem };
  await stageEnrolment(
    { gateway: 'line-11', centreKey: centre.central.signingKey.publicPem, url: 'amqps://staged' },
    place,
  );
  const gateway = await startGateway(box);
  assert.is(gateway.id, 'line-11');
  await gateway.stop();
  assert.is(readUpstream(place)?.url, 'amqps://staged');
});

test('spent and expired codes are removed', async () => {
  const code = await centre.code({}, -1);
  const { store } = centre.central;
  const { EnrolmentDesk } = await import('../../src/central/index.ts');
  const before = await store.count(enrolmentCollection);
  const desk = new EnrolmentDesk({
    store,
    clock: systemClock(),
    logger: silentLogger,
    signingKey: centre.central.signingKey,
  });
  await desk.sweep();
  assert.ok((await store.count(enrolmentCollection)) < before);
  await fails(enrol(centre, code), 'enrolment-refused', /expired/);
});

const noAlarms = { raise() {}, clear() {} };

async function startGateway(dataFolder: string): Promise<Gateway> {
  const [http, mqtt] = (await freePorts(2)) as [number, number];
  const environment = {
    HOLDFAST_HTTP_HOST: '127.0.0.1',
    HOLDFAST_HTTP_PORT: String(http),
    HOLDFAST_MQTT_HOST: '127.0.0.1',
    HOLDFAST_MQTT_PORT: String(mqtt),
  };
  const { config } = loadConfig({ environment });
  const gateway = new Gateway({ config, dataFolder, clock: systemClock(), logger: silentLogger });
  await gateway.start();
  return gateway;
}

test.run();
