import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../src/config/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'config-'));
const file = join(folder, 'holdfast.yaml');
writeFileSync(join(folder, 'a.pem'), 'x');

function outcome(yaml: string): { mistakes: string; warnings: string } {
  writeFileSync(file, yaml);
  try {
    return { mistakes: '', warnings: loadConfig({ file }).warnings.join('\n') };
  } catch (error) {
    return { mistakes: (error as Error).message.replaceAll(`${file}:`, ''), warnings: '' };
  }
}

const test = suite('configuration, keys together');

/** What is refused, with the beginning of the line that says so. */
const refused: [yaml: string, line: string][] = [
  ['upstream:\n  url: mqtts://h\n  acknowledge: broker', '3: upstream.acknowledge: broker is not allowed with an MQTT'],
  ['upstream:\n  tls: { certificate: a.pem }', '2: upstream.tls.certificate: needs upstream.tls.key'],
  ['central:\n  brokerTls: { key: a.pem }', '2: central.brokerTls.key: needs central.brokerTls.certificate'],
  ['central:\n  mongodb: mongodb://h\n  embedded: x', '3: central.embedded: is not allowed together'],
  ['spool:\n  segmentSize: 64MiB\n  deferred: { quota: 100MiB }', '3: spool.deferred.quota: must be at least twice'],
  ['http: { alsoListen: [80, 8080] }', '1: http.alsoListen: 8080 is used by http.port already'],
  ['http: { port: 1883 }', '1: mqtt.port: 1883 is used by http.port'],
  [
    'mqtt:\n  clients:\n    - { username: a, password: x }\n    - { username: a, password: y }',
    '4: mqtt.clients.1.username: stands for another client',
  ],
  ['mqtt:\n  clients: [{ username: flow-engine, password: x }]', '2: mqtt.clients.0.username: flow-engine is the name'],
  [
    'mqtt:\n  clients: [{ username: uplink, password: x, allow: [query] }]',
    '2: mqtt.clients.0.username: a client with',
  ],
  ['flows: { editor: { enabled: true, port: 8080 } }', '1: flows.editor.port: 8080 is used by http.port'],
  [
    'channels:\n  - { name: a, database: d, collection: c }\n  - { name: a, database: d, collection: e }',
    '3: channels.1.name: stands for another channel',
  ],
  ['channels:\n  - { name: device_auth, database: d, collection: c }', '2: channels.0.name: device_auth is a built-in'],
  ['channels:\n  - { name: a_res, database: d, collection: c }', '2: channels.0.name: a_res would be taken'],
  ['mqtt: { tls: { certificate: a.pem, key: b.pem } }', '1: mqtt.tls.key: '],
  ['mqtt: { tls: { certificate: a.pem } }', '1: mqtt.tls.key: is missing'],
];
for (const [yaml, line] of refused) {
  test(`refuses ${line}`, () => {
    const { mistakes } = outcome(yaml);
    const found = mistakes.split('\n').some((mistake) => mistake.startsWith(line) || mistake.includes(line.slice(3)));
    assert.ok(found, mistakes);
  });
}

/** What is allowed with a warning. */
const warned: [yaml: string, warning: RegExp][] = [
  ['mqtt: { anonymous: true }', /^mqtt\.anonymous: /],
  ['', /^mqtt\.clients: there is none/],
  ['upstream: { url: "amqp://u:p@far.example" }', /^upstream\.url: .* without TLS/m],
  ['upstream: { url: "amqp://h", tls: { ca: a.pem } }', /^upstream\.tls: has no effect/m],
  ['upstream: { url: "mqtts://h", replies: per-gateway }', /^upstream\.replies: has no effect/m],
  ['spool: { lanes: { bulk: { syncEveryMs: 50 } } }', /^spool\.lanes\.bulk\.syncEveryMs: .* up to 50 ms/m],
];
for (const [yaml, warning] of warned) {
  test(`warns of ${warning.source}`, () => assert.match(outcome(yaml).warnings, warning));
}

test('is silent about a plain connection within this computer', () => {
  const { warnings } = outcome('mqtt: { anonymous: true }\nupstream: { url: "amqp://u:p@127.0.0.1:5672" }');
  assert.not.match(warnings, /upstream/);
});

test.run();
