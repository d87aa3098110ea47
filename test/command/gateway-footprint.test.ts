import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePorts, temporaryFolder } from '../support/temporary.ts';

const test = suite('what a gateway loads');

/** Writes down, when the process ends, which files it loaded and which parts of Node. */
const witness = `
  import { writeFileSync } from 'node:fs';
  import { registerHooks } from 'node:module';
  import { isMainThread } from 'node:worker_threads';
  const files = [];
  registerHooks({ load: (url, context, next) => (files.push(url), next(url, context)) });
  if (isMainThread) process.on('exit', () => writeFileSync(process.env.WITNESS, [...files, ...process.moduleLoadList].join('\\n')));
`;

/** Each of them costs between a half and seven MiB for as long as the gateway runs (decision 0016). */
const strangers: readonly [what: string, pattern: RegExp][] = [
  ['a client for HTTP, by importing node:http', /deps\/undici/],
  ['compilers for schemas of HTTP routes', /\/ajv\/dist\/(core|ajv)|fast-json-stringify\/index/],
  ["Prometheus' client", /\/prom-client\//],
  ['a client for AMQP', /\/amqplib\//],
  ['a client for MQTT', /node_modules\/mqtt\//],
  ['a driver for MongoDB', /\/(mongodb|bson)\//],
  ['the flow engine', /\/(node-red|@node-red)\//],
  ['the centre', /\/src\/central/],
  ['the simulator', /\/src\/simulate/],
];

test('a gateway without an upstream loads nothing that it does not need', async () => {
  const folder = temporaryFolder();
  const [httpPort, mqttPort] = await freePorts(2);
  const config = folder.file('holdfast.yaml');
  const host = '127.0.0.1';
  writeFileSync(config, JSON.stringify({ http: { host, port: httpPort }, mqtt: { host, port: mqttPort } }));
  const main = new URL('../../src/main.ts', import.meta.url).pathname;
  const words = ['--import', `data:text/javascript,${encodeURIComponent(witness)}`, main];
  const child = spawn(process.execPath, [...words, 'gateway', '--config', config, '--data', folder.file('data')], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, WITNESS: folder.file('loaded') },
  });
  const ended = once(child, 'exit');
  try {
    while (child.exitCode === null && !(await isHealthy(`http://${host}:${httpPort}/healthz`))) await sleep(20);
  } finally {
    child.kill('SIGTERM');
  }
  await ended;
  const loaded = readFileSync(folder.file('loaded'), 'utf8').split('\n');
  assert.ok(loaded.some((name) => name.endsWith('/src/gateway.ts')));
  for (const [what, pattern] of strangers) {
    assert.equal(loaded.filter((name) => pattern.test(name)).slice(0, 5), [], `it loaded ${what}`);
  }
});

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

test.run();
