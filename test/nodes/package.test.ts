/** The palette in a bare Node-RED: packed, installed, and reporting over MQTT with TLS. */

import * as assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import { freePort } from '../support/temporary.ts';
import { testCertificates } from '../support/tls.ts';
import { until } from '../support/until.ts';
import { type BareNodeRed, installPalette, packPalette, startNodeRed } from './support/bare-node-red.ts';
import { ScriptedGateway } from './support/scripted-gateway.ts';

const test = suite('the palette in a bare Node-RED');
const root = join(import.meta.dirname, '../../nodes');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** What the manifest names and is written. */
const expected = Object.entries(manifest['node-red'].nodes as Record<string, string>)
  .filter(([, path]) => existsSync(join(root, path.replace('dist/', '').replace(/\.js$/, '.ts'))))
  .map(([type]) => type);

const certificates = testCertificates();
const gateway = new ScriptedGateway({
  tls: { cert: readFileSync(certificates.server.certificate), key: readFileSync(certificates.server.key) },
});
let nodeRed: BareNodeRed | undefined;
let folder = '';

test.before(async () => {
  await gateway.start();
  const packed = packPalette();
  assert.equal(packed.complaints, '');
  const installed = installPalette(packed);
  folder = installed.folder;
  console.log(`installed by ${installed.by}`);
  const tls = { security: 'tls', servername: 'localhost', ca: certificates.ca, certificate: '' };
  nodeRed = await startNodeRed({
    folder,
    port: await freePort(),
    credentials: { gw: { username: gateway.username, password: 'secret' } },
    flow: [
      { id: 'tab', type: 'tab', label: 'test' },
      {
        ...{ id: 'gw', type: 'holdfast-gateway', version: 1, place: 'network', host: '127.0.0.1', port: gateway.port },
        ...tls,
      },
      {
        ...{ id: 'in', z: 'tab', type: 'inject', x: 1, y: 1, once: true, onceDelay: 0.1, repeat: '', crontab: '' },
        props: [{ p: 'payload' }],
        payload: '{"序列号":"s1"}',
        payloadType: 'json',
        wires: [['report']],
      },
      {
        ...{
          id: 'report',
          z: 'tab',
          type: 'holdfast-report',
          version: 1,
          gateway: 'gw',
          channel: 'from_afar',
          x: 2,
          y: 1,
        },
        wires: [['stored'], []],
      },
      { id: 'stored', z: 'tab', type: 'debug', x: 3, y: 1, active: true, console: true, complete: 'report', wires: [] },
    ],
  });
});

test.after(async () => {
  await nodeRed?.stop();
  await gateway.stop();
});

test('every node registers without an error, and without the native parts', async () => {
  assert.ok(!existsSync(join(folder, 'node_modules/serialport')));
  assert.ok(!existsSync(join(folder, 'node_modules/onoff')));
  const answer = await fetch(`http://127.0.0.1:${nodeRed!.port}/nodes`, { headers: { accept: 'application/json' } });
  const sets = (await answer.json()) as { module: string; types: string[]; err?: unknown; enabled: boolean }[];
  const ours = sets.filter(({ module }) => module === '@holdfast/node-red');
  const broken = ours.filter(
    ({ types, err }) => err && types.every((type) => expected.includes(type)) && types.length > 0,
  );
  assert.deepEqual(broken, []);
  const types = ours.filter(({ err }) => !err).flatMap((set) => set.types);
  assert.deepEqual(types.sort(), [...expected].sort(), nodeRed!.output());
});

test('a report arrives over MQTT with TLS, and the flow hears that it is on disk', async () => {
  await until(() => gateway.disk.length === 1);
  assert.equal(gateway.disk[0]?.channel, 'from_afar');
  assert.deepEqual(gateway.disk[0]?.body, { 序列号: 's1' });
  await until(() => nodeRed!.output().includes('sequence: 1'));
});

test('the package holds dialogs, catalogues, help and examples', () => {
  const installed = join(folder, 'node_modules/@holdfast/node-red');
  for (const type of expected) {
    const name = type.replace('holdfast-', '');
    for (const file of [`${name}.html`, `locales/en-US/${name}.json`, `locales/zh-CN/${name}.html`]) {
      assert.ok(existsSync(join(installed, 'dist', name, file)), `${name}/${file}`);
    }
  }
  assert.ok(existsSync(join(installed, 'examples/01 - Report from an inject.json')));
  assert.ok(existsSync(join(installed, 'README.md')));
});

test.run();
