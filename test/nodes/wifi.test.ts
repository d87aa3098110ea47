import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { SimulatedRadio } from '@holdfast/hardware/wifi';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Message, NodeInstance, NodeStatus } from '../../nodes/shared/node-red.ts';
import register from '../../nodes/wifi/wifi.ts';
import { TestBus } from '../support/dbus.ts';
import { until } from '../support/until.ts';

const require = createRequire(import.meta.url);
const helper = require('node-red-node-test-helper');
const catchNode = require('@node-red/nodes/core/common/25-catch.js');

const test = suite('wifi node');
const radio = SimulatedRadio.named('node');
const password = 'correct horse';
const folder = new URL('../../nodes/wifi/', import.meta.url);

helper.init(require.resolve('node-red'));
test.before(() => new Promise<void>((resolve) => helper.startServer(resolve)));
test.after(() => new Promise<void>((resolve) => helper.stopServer(resolve)));
test.before.each(() => radio.reset());
test.after.each(() => helper.unload());

interface Flow {
  readonly wifi: NodeInstance & { receive(message: Message): void };
  /** What came out of the node, and what `catch` got. */
  readonly sent: Message[];
  readonly caught: (Message & { error: { message: string; code?: string } })[];
  /** The statuses that it had; the texts are keys of the catalogue. */
  readonly statuses: NodeStatus[];
}

async function load(config: Record<string, unknown>, credentials: Record<string, string> = {}): Promise<Flow> {
  const statuses: NodeStatus[] = [];
  const sent: Message[] = [];
  const caught: Flow['caught'] = [];
  // A node without a place counts as a configuration node.
  const at = { z: 'tab', x: 0, y: 0 };
  const flow = [
    { id: 'tab', type: 'tab', label: 'tab' },
    { ...at, id: 'wifi', type: 'holdfast-wifi', version: 1, adapter: 'sim:node', wires: [['sent']], ...config },
    { ...at, id: 'sent', type: 'helper' },
    { ...at, id: 'errors', type: 'catch', scope: null, uncaught: false, wires: [['caught']] },
    { ...at, id: 'caught', type: 'helper' },
  ];
  await helper.load([withStatuses(statuses), catchNode], flow, { wifi: credentials });
  helper.getNode('sent').on('input', (message: Message) => sent.push(message));
  helper.getNode('caught').on('input', (message: Flow['caught'][number]) => caught.push(message));
  return { wifi: helper.getNode('wifi'), sent, caught, statuses };
}

/** The registration, with every status noted from the first one on. */
function withStatuses(statuses: NodeStatus[]): typeof register {
  return (RED) =>
    register({
      ...RED,
      nodes: {
        ...RED.nodes,
        createNode(instance, config) {
          RED.nodes.createNode(instance, config);
          const status = instance.status.bind(instance);
          instance.status = (value) => {
            statuses.push(value);
            status(value);
          };
        },
      },
    });
}

test('answers with the state and the networks', async () => {
  const { wifi, sent, statuses } = await load({ action: 'message' });
  radio.appear({ ssid: 'hall', password, strength: 80 });
  wifi.receive({ payload: 'state', topic: 'kept' });
  await until(() => sent.length === 1);
  assert.equal(sent[0]?.payload, { driver: 'ready', connection: 'disconnected', device: 'wlan-sim' });
  assert.equal([sent[0]?.action, sent[0]?.topic], ['state', 'kept']);
  wifi.receive({ action: 'scan' });
  await until(() => sent.length === 2);
  assert.equal(
    (sent[1]!.payload as { ssid: string }[]).map(({ ssid }) => ssid),
    ['hall'],
  );
  assert.ok(statuses.some(({ text }) => text === 'wifi.status.doing.scan'));
  assert.equal(statuses.at(-1), { fill: 'grey', shape: 'ring', text: 'wifi.status.disconnected' });
});

test('connects with what the dialog says', async () => {
  const { wifi, sent, statuses } = await load({ action: 'connect', ssid: 'hall' }, { password });
  radio.appear({ ssid: 'hall', password, strength: 80 });
  wifi.receive({ payload: 1 });
  await until(() => sent.length === 1);
  assert.is((sent[0]!.payload as { ssid: string }).ssid, 'hall');
  assert.equal(statuses.at(-1), { fill: 'green', shape: 'dot', text: 'hall 80 %' });
});

test('connects with what the message says, and takes the password out of it', async () => {
  const { wifi, sent, caught } = await load({ action: 'message' });
  radio.appear({ ssid: 'hall', password });
  wifi.receive({ action: 'connect', ssid: 'hall', password });
  await until(() => sent.length === 1);
  wifi.receive({ payload: { action: 'connect', ssid: 'hall', password } });
  await until(() => sent.length === 2);
  wifi.receive({ action: 'connect', ssid: 'hall', password: 'wrong horse', payload: { password: 'wrong horse' } });
  await until(() => caught.length === 1);
  assert.is(caught[0]?.error.code, 'wrong-password');
  assert.not.match(JSON.stringify([sent, caught]), 'horse');
});

test('a hidden network, and disconnecting', async () => {
  const { wifi, sent } = await load({ action: 'message', ssid: 'attic', hidden: true }, { password });
  radio.appear({ ssid: 'attic', password, hidden: true });
  wifi.receive({ payload: 'connect' });
  await until(() => sent.length === 1);
  assert.is(radio.connected?.ssid, 'attic');
  wifi.receive({ payload: 'disconnect' });
  await until(() => sent.length === 2);
  assert.is(radio.connected, undefined);
});

test('tells catch what went wrong, with a code', async () => {
  const { wifi, sent, caught, statuses } = await load({ action: 'message' });
  const cases: [Message, () => void, string][] = [
    [{ action: 'connect', ssid: 'nowhere' }, () => {}, 'not-found'],
    [{ action: 'connect' }, () => {}, 'bad-input'],
    [{ payload: 'dance' }, () => {}, 'bad-input'],
    [{ action: 'scan' }, () => radio.fail('denied'), 'denied'],
    [{ action: 'scan' }, () => radio.fail('no-service'), 'no-service'],
    [{ action: 'scan' }, () => radio.fail(undefined) ?? radio.unplug(), 'no-device'],
  ];
  for (const [message, prepare, code] of cases) {
    prepare();
    const before = caught.length;
    wifi.receive(message);
    await until(() => caught.length > before, code);
    assert.is(caught.at(-1)?.error.code, code);
  }
  assert.is(statuses.at(-1)?.text, 'wifi.status.error.no-device');
  wifi.receive({ action: 'state' });
  await until(() => sent.length === 1);
  assert.is((sent[0]!.payload as { driver: string }).driver, 'no-device');
});

test('sends a message at each change when that is wanted', async () => {
  const { wifi, sent } = await load({ action: 'state', watch: true });
  wifi.receive({});
  await until(() => sent.length === 1);
  radio.appear({ ssid: 'yard' });
  radio.join('yard', undefined, false);
  radio.vanish('yard');
  await until(() => sent.length === 3);
  assert.equal(
    sent.slice(1).map(({ action, payload }) => [action, (payload as { connection: string }).connection]),
    [
      ['changed', 'connected'],
      ['changed', 'disconnected'],
    ],
  );
});

test('is silent about changes otherwise, but shows them', async () => {
  const { wifi, sent, statuses } = await load({ action: 'state' });
  wifi.receive({});
  await until(() => sent.length === 1);
  radio.unplug();
  await until(() => statuses.at(-1)?.text === 'wifi.status.error.no-device');
  radio.plug();
  await until(() => statuses.at(-1)?.text === 'wifi.status.disconnected');
  assert.is(sent.length, 1);
});

test('settings that cannot be are told, and answered', async () => {
  for (const config of [{ adapter: 'wlan0' }, { action: 'dance' }, { version: 7 }]) {
    const { wifi, caught, statuses } = await load(config);
    await until(() => statuses.at(-1)?.text === 'wifi.status.settings');
    const before = caught.length;
    wifi.receive({ payload: 'state' });
    await until(() => caught.length > before);
    assert.ok(['bad-settings', 'invalid'].includes(caught.at(-1)?.error.code ?? ''));
    await helper.unload();
  }
});

test('a node saved before there were versions has the defaults', async () => {
  const { wifi, sent } = await load({ version: undefined });
  wifi.receive({ payload: 'state' });
  await until(() => sent.length === 1);
});

test('works over D-Bus, and lets go of it', async () => {
  const bus = new TestBus();
  await bus.start();
  try {
    await bus.startNetworkManager();
    await bus.plug();
    await bus.appear({ ssid: 'hall', password });
    process.env.DBUS_SYSTEM_BUS_ADDRESS = bus.address;
    const { wifi, sent, caught, statuses } = await load({ action: 'message', adapter: 'auto:', watch: true });
    wifi.receive({ action: 'connect', ssid: 'hall', password });
    await until(() => sent.some(({ action }) => action === 'connect'));
    await until(() => statuses.at(-1)?.text === 'hall 70 %');
    await bus.stopNetworkManager();
    await until(() => statuses.at(-1)?.text === 'wifi.status.error.no-service');
    wifi.receive({ action: 'scan' });
    await until(() => caught.length === 1);
    assert.is(caught[0]?.error.code, 'no-service');
    assert.not.match(JSON.stringify([sent, caught]), password);
    await helper.unload();
  } finally {
    await bus.remove();
  }
});

test('both catalogues say the same, and all that is asked of them', () => {
  const keys = (language: string) => {
    const all: string[] = [];
    const walk = (value: unknown, path: string): void => {
      if (typeof value === 'string') all.push(path);
      else for (const [key, inner] of Object.entries(value as object)) walk(inner, path ? `${path}.${key}` : key);
    };
    walk(JSON.parse(readFileSync(new URL(`locales/${language}/wifi.json`, folder), 'utf8')), '');
    return all;
  };
  assert.equal(keys('zh-CN'), keys('en-US'));
  const dialog = readFileSync(new URL('wifi.html', folder), 'utf8');
  for (const [, key = ''] of dialog.matchAll(/(?:data-i18n="(?:\[\w+\])?|_\(')(wifi\.[\w.-]+)/g)) {
    assert.ok(keys('en-US').includes(key), key);
  }
  for (const language of ['en-US', 'zh-CN']) {
    const help = readFileSync(new URL(`locales/${language}/wifi.html`, folder), 'utf8');
    assert.match(help, 'data-help-name="holdfast-wifi"');
  }
});

test('the example holds only settings that the node knows', () => {
  const example = JSON.parse(readFileSync(new URL('../examples/40 - wifi.json', folder), 'utf8')) as Message[];
  const ids = new Set(example.map(({ id }) => id));
  for (const node of example) {
    for (const target of ((node.wires ?? []) as string[][]).flat()) assert.ok(ids.has(target));
    if (node.type !== 'holdfast-wifi') continue;
    const known = [
      'id',
      'type',
      'z',
      'name',
      'x',
      'y',
      'wires',
      'version',
      'adapter',
      'action',
      'ssid',
      'hidden',
      'watch',
    ];
    assert.equal(Object.keys(node).sort(), known.sort());
  }
  assert.ok(example.some(({ type }) => type === 'comment'));
});

test.run();
