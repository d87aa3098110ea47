import * as assert from 'node:assert/strict';
import { suite } from 'uvu';
import { temporaryFolder } from '../support/temporary.ts';
import { pause, until } from '../support/until.ts';
import { collect, deploy, gatewayNode, loadFlow, nodeOf, statuses, stopRuntime, unloadFlow } from './support/flow.ts';
import { ScriptedGateway, type ScriptedGatewayOptions } from './support/scripted-gateway.ts';

const test = suite('report and report status');
const gateways: ScriptedGateway[] = [];
let count = 0;

async function startGateway(options?: ScriptedGatewayOptions): Promise<ScriptedGateway> {
  const gateway = new ScriptedGateway(options);
  gateways.push(gateway);
  await gateway.start();
  return gateway;
}

/** A report node with everything behind it; ids are new in each test, because pending reports outlive a flow. */
function flowOf(gateway: ScriptedGateway, settings: Record<string, unknown> = {}) {
  const id = `gw${++count}`;
  const { node, credentials } = gatewayNode(gateway, id);
  const flow = [
    node,
    {
      ...{ id: 'report', type: 'holdfast-report', version: 1, gateway: id, channel: 'device_process_info' },
      ...settings,
      wires: [['stored'], ['delivered']],
    },
    { id: 'stored', type: 'helper' },
    { id: 'delivered', type: 'helper' },
    { id: 'catch', type: 'catch', scope: ['report'], wires: [['caught']] },
    { id: 'caught', type: 'helper' },
    { id: 'complete', type: 'complete', scope: ['report'], wires: [['completed']] },
    { id: 'completed', type: 'helper' },
    {
      ...{ id: 'status', type: 'holdfast-report-status', version: 1, gateway: id, channel: '' },
      events: true,
      wires: [['news']],
    },
    { id: 'news', type: 'helper' },
  ];
  return { flow, credentials };
}

const outputs = () => ({
  stored: collect('stored'),
  delivered: collect('delivered'),
  caught: collect('caught'),
  completed: collect('completed'),
  news: collect('news'),
});

test.after.each(async () => {
  await unloadFlow();
  for (const gateway of gateways.splice(0)) await gateway.stop();
});
test.after(stopRuntime);

test('output 1 and complete when it is on disk, output 2 when it is in the database', async () => {
  const gateway = await startGateway();
  gateway.deliversAtOnce = false;
  const { flow, credentials } = flowOf(gateway);
  await loadFlow(flow, { credentials });
  const { stored, delivered, completed, caught, news } = outputs();
  nodeOf('report').receive({ payload: { 序列号: 's1' }, reportId: 'r1', topic: 't' });
  await until(() => stored.length === 1 && completed.length === 1);
  assert.deepEqual(stored[0]?.report, { id: 'r1', channel: 'device_process_info', sequence: 1 });
  assert.deepEqual(stored[0]?.payload, { 序列号: 's1' });
  assert.equal(delivered.length, 0);
  gateway.deliver('r1');
  await until(() => delivered.length === 1 && news.length === 2);
  assert.deepEqual(delivered[0]?.payload, { id: 'r1', channel: 'device_process_info', sequence: 1 });
  assert.equal(delivered[0]?.topic, 't');
  assert.deepEqual(
    news.map(({ topic }) => topic),
    ['stored', 'delivered'],
  );
  assert.equal(caught.length, 0);
  nodeOf('status').receive({ payload: 'r1' });
  nodeOf('status').receive({ payload: 'never-seen' });
  await until(() => news.length === 4);
  assert.deepEqual(
    news.slice(2).map(({ payload }) => (payload as { state: string }).state),
    ['delivered', 'unknown'],
  );
});

test('nothing is done before it is on disk', async () => {
  const gateway = await startGateway();
  gateway.mode = 'broken';
  const { flow, credentials } = flowOf(gateway);
  await loadFlow(flow, { credentials });
  const { stored, completed, caught } = outputs();
  nodeOf('report').receive({ payload: '{"n": 1.50}' });
  await until(() => gateway.received.length > 0);
  assert.deepEqual([stored.length, completed.length, caught.length], [0, 0, 0]);
  gateway.mode = 'store';
  await until(() => stored.length === 1 && completed.length === 1);
  assert.deepEqual(gateway.disk[0]?.body, { n: 1.5 });
  assert.equal(caught.length, 0);
});

test('errors reach catch with their code, and nothing else happens', async () => {
  const gateway = await startGateway();
  gateway.failing.set('bad', { code: 'malformed', text: '报文格式错误' });
  const { flow, credentials } = flowOf(gateway, { channel: '' });
  await loadFlow(flow, { credentials });
  const { stored, completed, caught } = outputs();
  const send = (message: Record<string, unknown>) => nodeOf('report').receive(message);
  send({ payload: {} });
  send({ payload: {}, channel: 'no channel' });
  send({ payload: 'not json', channel: 'c' });
  send({ payload: [1], channel: 'c' });
  send({ payload: {}, channel: 'c', reportId: 'no id!' });
  send({ payload: { long: 'x'.repeat(1_100_000) }, channel: 'c' });
  send({ payload: {}, channel: 'c', reportId: 'bad' });
  await until(() => caught.length === 7);
  const codes = caught.map(({ error }) => (error as { source: unknown; code?: string; message: string }).code);
  assert.deepEqual(codes, ['bad-input', 'bad-input', 'bad-input', 'bad-input', 'bad-input', 'too-large', 'malformed']);
  assert.deepEqual([stored.length, completed.length, gateway.disk.length], [0, 0, 0]);
});

test('a report that is lost after it was on disk reaches catch', async () => {
  const gateway = await startGateway();
  gateway.deliversAtOnce = false;
  const { flow, credentials } = flowOf(gateway);
  await loadFlow(flow, { credentials });
  const { stored, caught } = outputs();
  nodeOf('report').receive({ payload: {}, reportId: 'r1' });
  await until(() => stored.length === 1);
  gateway.fail('r1', 'quarantined', 'the centre refuses it');
  await until(() => caught.length === 1);
  const { error, report } = caught[0] as { error: { code?: string }; report: { id: string } };
  assert.deepEqual([error.code, report.id], ['quarantined', 'r1']);
});

test('a deploy while the gateway is away: the new node takes over what waits', async () => {
  const gateway = await startGateway();
  const { flow, credentials } = flowOf(gateway);
  await loadFlow(flow, { credentials });
  await gateway.stop();
  for (let n = 0; n < 20; n++) nodeOf('report').receive({ payload: { n }, reportId: `r${n}` });
  const before = nodeOf('report');
  await deploy(flow, 'full', credentials);
  assert.notEqual(nodeOf('report'), before);
  const { stored, delivered } = outputs();
  await gateway.start();
  await until(() => stored.length === 20 && delivered.length === 20);
  assert.deepEqual(
    stored.map(({ payload }) => (payload as { n: number }).n),
    Array.from({ length: 20 }, (_, n) => n),
  );
  assert.equal(gateway.disk.length, 20);
});

test('a deploy of the report node alone keeps the connection and what waits', async () => {
  const gateway = await startGateway();
  gateway.mode = 'silent';
  const { flow, credentials } = flowOf(gateway);
  await loadFlow(flow, { credentials });
  nodeOf('report').receive({ payload: {}, reportId: 'r1' });
  await until(() => gateway.disk.length === 1);
  const changed = flow.map((node) => (node.id === 'report' ? { ...node, name: 'another name' } : node));
  await deploy(changed, 'nodes', credentials);
  const { stored } = outputs();
  gateway.send('stored', 'r1', { sequence: 1 });
  await until(() => stored.length === 1);
  assert.equal(gateway.clientIds.length, 1);
});

test('on a box the gateway node needs no settings', async () => {
  const socket = temporaryFolder().file('broker.sock');
  const gateway = await startGateway({ path: socket });
  const { flow } = flowOf(gateway);
  const [node, ...others] = flow;
  const bare = { id: node!.id, type: 'holdfast-gateway', version: 1, place: 'box' };
  await loadFlow([bare, ...others], { box: { socket, username: gateway.username, password: 'secret' } });
  const { stored } = outputs();
  nodeOf('report').receive({ payload: {} });
  await until(() => stored.length === 1);
});

test('not on a box: the status says so, and so does each message', async () => {
  const gateway = await startGateway();
  const { flow } = flowOf(gateway);
  const [node, ...others] = flow;
  await loadFlow([{ id: node!.id, type: 'holdfast-gateway', place: 'box' }, ...others]);
  const { caught } = outputs();
  nodeOf('report').receive({ payload: {} });
  await until(() => caught.length === 1);
  const { code, message } = (caught[0] as { error: { code?: string; message: string } }).error;
  assert.equal(code, 'no-box');
  assert.match(message, /choose 'Another computer'/);
});

test('settings of a newer palette are not guessed', async () => {
  const gateway = await startGateway();
  const { flow, credentials } = flowOf(gateway, { version: 9 });
  await loadFlow(flow, { credentials });
  const { caught } = outputs();
  nodeOf('report').receive({ payload: {} });
  await until(() => caught.length === 1);
  assert.match((caught[0] as { error: { message: string } }).error.message, /update the palette/);
});

test('the status tells of the connection and of what waits', async () => {
  const gateway = await startGateway();
  const { flow, credentials } = flowOf(gateway);
  await loadFlow(flow, { credentials });
  const texts = statuses('report');
  await until(() => texts.some((text) => text.endsWith('status.connected')));
  await gateway.stop();
  await until(() => texts.some((text) => text.includes('status.away')));
  nodeOf('report').receive({ payload: {} });
  await until(() => texts.at(-1)?.includes('report.status.waiting'));
  await gateway.start();
  await until(() => texts.at(-1)?.endsWith('status.connected'));
  gateway.password = 'another';
  gateway.dropConnections();
  await until(() => texts.at(-1)?.endsWith('status.bad-credentials'));
  const refused = gateway.refusedLogins;
  await pause(600);
  assert.equal(gateway.refusedLogins, refused);
});

test.run();
