import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../src/config/index.ts';
import { isHoldfastError } from '../../src/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'config-'));
const file = join(folder, 'holdfast.yaml');
for (const name of ['cert.pem', 'key.pem', 'ca.pem']) writeFileSync(join(folder, name), 'x');

function load(yaml: string, environment: Record<string, string> = {}) {
  writeFileSync(file, yaml);
  return loadConfig({ file, environment });
}

/** The lines of the mistakes, without the path of the file. */
function mistakes(yaml: string, environment: Record<string, string> = {}): string[] {
  try {
    load(yaml, environment);
  } catch (error) {
    assert.ok(isHoldfastError(error, 'configuration-invalid'), String(error));
    return error.message.split('\n').map((line) => line.replace(`${file}:`, ''));
  }
  return [];
}

const test = suite('configuration');

test('has the documented defaults without a file', () => {
  const { config } = loadConfig();
  assert.is(config.gateway.id, undefined);
  assert.equal(config.site, { timezone: 'Asia/Shanghai', language: 'zh' });
  assert.is(config.http.port, 8080);
  assert.is(config.mqtt.port, 1883);
  assert.is(config.mqtt.tls, undefined);
  assert.is(config.mqtt.maxPacketBytes, 1024 * 1024);
  assert.is(config.upstream.receiptTimeoutMs, 3000);
  assert.is(config.spool.lanes.process.quotaBytes, 4 * 2 ** 30);
  assert.is(config.spool.repeatWindowMs, 600_000);
  assert.is(config.central.http.port, 8090);
});

test('goes by the environment, then the file, then the default', () => {
  const yaml = 'http: { port: 81, host: 127.0.0.1 }';
  const { http } = load(yaml, { HOLDFAST_HTTP_PORT: '82' }).config;
  assert.equal([http.port, http.host, http.tlsPort], [82, '127.0.0.1', 8443]);
});

test('reads lists, groups and lists of groups from the environment', () => {
  const { config } = load('', {
    HOLDFAST_HTTP_ALSO_LISTEN: '80, 8081',
    HOLDFAST_MQTT_TLS_CERTIFICATE: 'cert.pem',
    HOLDFAST_MQTT_TLS_KEY: 'key.pem',
    HOLDFAST_MQTT_CLIENTS: '[{ username: line-1, password: p, serials: ["*"] }]',
    HOLDFAST_SPOOL_LANES_BULK_QUOTA: '1.5GiB',
  });
  assert.equal(config.http.alsoListen, [80, 8081]);
  assert.is(config.mqtt.tls?.port, 8883);
  assert.is(config.mqtt.tls?.key, join(folder, 'key.pem'));
  assert.equal(config.mqtt.clients, [{ username: 'line-1', password: 'p', serials: ['*'], allow: undefined }]);
  assert.is(config.spool.lanes.bulk.quotaBytes, 1.5 * 2 ** 30);
});

test('an empty variable counts as not set', () => {
  assert.is(load('http: { port: 81 }', { HOLDFAST_HTTP_PORT: '' }).config.http.port, 81);
});

test('paths start from the folder of the file', () => {
  const { config } = load('upstream:\n  url: amqps://h\n  tls: { ca: ca.pem }\ncentral: { embedded: ./store }');
  assert.is(config.upstream.tls.ca, join(folder, 'ca.pem'));
  assert.is(config.central.embedded, join(folder, 'store'));
});

test('is frozen all through', () => {
  const { config } = load('mqtt: { clients: [{ username: a, password: b }] }');
  const check = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    assert.ok(Object.isFrozen(value), JSON.stringify(value));
    Object.values(value).forEach(check);
  };
  check(config);
});

test('reports two mistakes at once, with line, key and what is allowed', () => {
  assert.equal(mistakes('site:\n  language: de\nupstream:\n  window: 0\n'), [
    '2: site.language: "de" is not allowed; allowed: zh, en',
    '4: upstream.window: 0 is not allowed; allowed: a whole number from 1 to 65535',
  ]);
});

test('reports an unknown key with the nearest known one', () => {
  const [first, second] = mistakes('upstream:\n  acknowlege: stored\nzzz: 1\n');
  assert.match(
    first!,
    /^2: upstream\.acknowlege: there is no such key; did you mean acknowledge\? Allowed here: url, /,
  );
  assert.match(second!, /^3: zzz: there is no such key; allowed here: gateway, site, /);
});

test('a mistake in the environment names the variable', () => {
  const lines = mistakes('', {
    HOLDFAST_MQTT_PORT: 'x',
    HOLDFAST_HTTP_PROT: '1',
    HOLDFAST_MQTT_CLIENTS: '[{usrname: a}]',
  });
  assert.match(lines[0]!, /^HOLDFAST_MQTT_PORT: mqtt\.port: "x" is not allowed; allowed: a whole number/);
  assert.match(
    lines[1]!,
    /^HOLDFAST_MQTT_CLIENTS: mqtt\.clients\.0\.usrname: there is no such key; did you mean username\?/,
  );
  assert.is(lines.at(-1), 'HOLDFAST_HTTP_PROT: there is no such key; did you mean HOLDFAST_HTTP_PORT?');
});

test('mistakes of the syntax stand beside the others', () => {
  const lines = mistakes('http: { port: 0 }\nmqtt:\n  port: 1883\n  port: 1884\nsite: [\n');
  assert.match(lines[0]!, /^1: http\.port: 0 is not allowed/);
  assert.ok(lines.some((line) => line.startsWith('4: not valid YAML')));
  assert.ok(
    lines.some((line) => /^[56]: not valid YAML/.test(line)),
    lines.join('\n'),
  );
});

test('a file that is not there is a mistake', () => {
  assert.throws(
    () => loadConfig({ file: join(folder, 'none.yaml') }),
    (error: Error) => /none\.yaml: cannot be read: ENOENT/.test(error.message),
  );
});

test('quantities need their unit and their range', () => {
  assert.match(mistakes('spool: { segmentSize: 8 }')[0]!, /the unit is missing; allowed: a size from 1MiB to 256MiB/);
  assert.match(mistakes('spool: { segmentSize: 8MB }')[0]!, /"8MB" is not allowed/);
  assert.match(mistakes('upstream: { receiptTimeout: 3 days }')[0]!, /a duration from 100ms to 10m/);
  assert.match(mistakes('upstream: { receiptTimeout: 11m }')[0]!, /"11m" is not allowed/);
});

test('never shows a password, right or wrong', () => {
  const lines = mistakes('upstream: { url: "amqps://u:top#secret@h" }\nhttp: { metricsToken: secret }', {
    HOLDFAST_CENTRAL_MONGODB: 'mongo://u:secret@h',
  });
  assert.is(lines.length, 3);
  assert.not.match(lines.join('\n'), /secret/);
});

test('takes the URLs that the brokers and databases know', () => {
  for (const url of ['amqp://h', 'amqps://u:p%23@h:5671/%2Fv', 'mqtts://[::1]:8883']) {
    assert.is(load(`upstream: { url: "${url}" }`).config.upstream.url, url);
  }
  const mongodb = 'mongodb://u:p@a:1,b:2/db?replicaSet=r';
  assert.is(load(`central: { mongodb: "${mongodb}" }`).config.central.mongodb, mongodb);
});

test('aliases work, one that contains itself is a mistake', () => {
  const { config } = load('http: { plainFrom: &own [10.1.0.0/16] }\nmqtt: { plainFrom: *own }');
  assert.equal(config.mqtt.plainFrom, ['10.1.0.0/16']);
  assert.match(mistakes('site: &site\n  language: *site\n')[0]!, /nested deeper/);
});

test('a key without a value counts as not given', () => {
  assert.is(load('http:\n  port:\nmqtt:\n').config.http.port, 8080);
});

test.run();
