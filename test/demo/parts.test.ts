/** The parts of the demo, each by itself. */

import { writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../src/config/index.ts';
import { type Control, listen } from '../../src/demo/controls.ts';
import { demoConfig } from '../../src/demo/demo-config.ts';
import { countDocuments } from '../../src/demo/documents.ts';
import { audit } from '../../src/demo/ledger.ts';
import { isGiven } from '../../src/demo/ports.ts';
import { UplinkSwitch } from '../../src/demo/uplink-switch.ts';
import { SqliteDocumentStore } from '../../src/store/index.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { pause, until } from '../support/until.ts';

const test = suite('the parts of the demo');

const fine = {
  before: { total: 10, machines: 8, twice: 0 },
  after: { total: 110, machines: 106, twice: 0 },
  ledger: { accepted: 110, delivered: 110, pending: 0, quarantined: 0, evicted: 0 },
  acknowledged: 98,
  wrong: 0,
};

test('an audit finds nothing where nothing is lost', () => {
  assert.equal(audit(fine), []);
  // Stored, and the receipt lost with the connection: still pending, and no loss.
  const cut = { ...fine.ledger, delivered: 105, pending: 5 };
  assert.equal(audit({ ...fine, ledger: cut }), []);
});

test('an audit finds each kind of loss', () => {
  const { ledger, after } = fine;
  assert.match(audit({ ...fine, ledger: { ...ledger, accepted: 111 } }).join(), /accepted 111, but .* 110/);
  assert.match(audit({ ...fine, after: { ...after, total: 109 } }).join(), /only 109 are in the database/);
  assert.match(audit({ ...fine, after: { ...after, total: 111 } }).join(), /111 are in the database, but/);
  assert.match(audit({ ...fine, acknowledged: 99 }).join(), /acknowledged 99 to machines, but kept only 98/);
  assert.match(audit({ ...fine, after: { ...after, twice: 1 } }).join(), /twice/);
  assert.match(audit({ ...fine, wrong: 1 }).join(), /answered wrong/);
});

test('reports are counted from the file of documents', async () => {
  const folder = temporaryFolder();
  const none = { total: 0, machines: 0, twice: 0 };
  assert.equal(countDocuments(folder.file('missing')), none);
  const store = new SqliteDocumentStore({ folder: folder.path });
  const put = (collection: string, id: string, fields: object = { _seq: 1n }, database = 'device_info') =>
    store.put({ database, collection }, { _id: id, ...fields });
  await store.start();
  assert.equal(countDocuments(folder.path), none);
  await put('device_process', 'a');
  await put('device_process', 'b');
  await put('device_base', 'c');
  await put('event', 'd', { _seq: 4n }, 'gateway');
  await put('device_auth_log', 'e', {});
  await put('rejected', 'f');
  await put('machine', 'sn1', { _seq: 3n });
  await store.stop();
  assert.equal(countDocuments(folder.path), { total: 4, machines: 3, twice: 0 });
  await store.start();
  await put('event', 'a', { _seq: 5n }, 'gateway');
  await store.stop();
  assert.equal(countDocuments(folder.path), { total: 5, machines: 3, twice: 1 });
});

test('the configuration stays on this computer, whatever it was', () => {
  const { config } = loadConfig({
    environment: {
      HOLDFAST_UPSTREAM_URL: 'amqps://user:password@example.com',
      HOLDFAST_UPSTREAM_ACKNOWLEDGE: 'broker',
      HOLDFAST_CENTRAL_MONGODB: 'mongodb://example.com',
      HOLDFAST_MQTT_ANONYMOUS: 'true',
      HOLDFAST_HTTP_ALSO_LISTEN: '80',
      HOLDFAST_SITE_LANGUAGE: 'en',
    },
  });
  const demo = demoConfig(config, {
    host: '127.0.0.1',
    httpPort: 1,
    mqttPort: 2,
    centralPort: 3,
    editorPort: 5,
    gatewayId: 'demo',
    upstreamUrl: 'mqtt://demo:x@127.0.0.1:4',
    documentFolder: '/documents',
    centreKey: '/centre.pub',
    hardwareIdentity: 'the demo in /',
    clients: [],
  });
  assert.equal([demo.http.host, demo.mqtt.host, demo.central.http.host], Array(3).fill('127.0.0.1'));
  assert.equal(demo.flows.editor, { enabled: true, host: '127.0.0.1', port: 5, tls: undefined });
  assert.equal([demo.http.alsoListen, demo.mqtt.anonymous, demo.site.language], [[], false, 'en']);
  assert.is(demo.authorization.centreKey, '/centre.pub');
  assert.not.match(JSON.stringify(demo), /example\.com/);
});

test('whether a port was configured is known from file and environment', () => {
  const folder = temporaryFolder();
  const file = folder.file('h.yaml');
  writeFileSync(file, 'http: { port: 8080 }\nmqtt:\n');
  const sources = { file, environment: { HOLDFAST_CENTRAL_HTTP_PORT: '8090', HOLDFAST_MQTT_PORT: '' } };
  assert.is(isGiven(['http', 'port'], sources), true);
  assert.is(isGiven(['mqtt', 'port'], sources), false);
  assert.is(isGiven(['central', 'http', 'port'], sources), true);
  assert.is(isGiven(['http', 'port'], { file: undefined, environment: {} }), false);
});

test('the switch cuts in mid-message, holds new connections, and lets them through', async () => {
  const received: string[] = [];
  const far = createServer((socket) => {
    socket.on('error', () => {}).on('data', (data) => received.push(data.toString()));
    socket.write('welcome');
  });
  const farPort = await listening(far);
  const cable = new UplinkSwitch({ host: '127.0.0.1', target: () => farPort });
  await cable.start();
  await cable.start();
  const first = near(cable);
  await until(() => first.heard() === 'welcome');
  first.socket.write('one');
  await until(() => received.length === 1);
  cable.cut();
  assert.is(cable.isUp, false);
  await until(() => first.socket.destroyed);

  const second = near(cable);
  second.socket.write('two');
  await until(() => second.socket.readyState === 'open');
  await pause(50);
  assert.is(second.heard(), '');
  assert.equal(received, ['one']);
  cable.restore();
  await until(() => second.heard() === 'welcome' && received.length === 2);
  assert.equal(received, ['one', 'two']);
  await cable.stop();
  await cable.stop();
  await until(() => second.socket.destroyed);
  await new Promise((resolve) => far.close(resolve));
});

test('lines are commands, and their end says nothing', async () => {
  const input = new PassThrough();
  const heard: Control[] = [];
  const stop = listen(input as never, (control) => heard.push(control));
  input.end('cut\n RESTORE \n\nkill\nu\na\nauthorization\nb\nbutton\nnonsense\nquit\n');
  await until(() => heard.includes('quit'));
  await pause(10);
  stop();
  assert.equal(heard, [
    'cut',
    'restore',
    'kill',
    'uplink',
    'authorization',
    'authorization',
    'button',
    'button',
    'help',
    'quit',
  ]);
});

test('keys are commands on a terminal, which is given back', () => {
  const modes: boolean[] = [];
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (raw: boolean) => modes.push(raw) });
  const heard: Control[] = [];
  const stop = listen(input as never, (control) => heard.push(control));
  input.emit('data', Buffer.from('ukaQ?'));
  input.emit('data', Buffer.from('\u0003'));
  stop();
  input.emit('data', Buffer.from('u'));
  assert.equal(heard, ['uplink', 'kill', 'authorization', 'quit', 'help', 'quit']);
  assert.equal(modes, [true, false]);
});

function listening(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}

function near(cable: UplinkSwitch): { socket: Socket; heard: () => string } {
  const socket = connect(cable.port!, '127.0.0.1');
  let text = '';
  socket
    .on('error', () => {})
    .on('data', (data) => {
      text += data.toString();
    });
  return { socket, heard: () => text };
}

test.run();
