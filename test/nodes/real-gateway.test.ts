/** The nodes in the real Node-RED against the real gateway, its real broker and an embedded centre. */

import * as assert from 'node:assert/strict';
import { suite } from 'uvu';
import { FlowClient, LocalSite, processReport } from '../local/support.ts';
import { until } from '../support/until.ts';
import { collect, loadFlow, nodeOf, stopRuntime, unloadFlow } from './support/flow.ts';

const test = suite('nodes with the real gateway');
const site = new LocalSite();

test.before(() => site.start());
test.after(async () => {
  await unloadFlow();
  await stopRuntime();
  await site.stop();
});

const own = (id: string, type: string, more: object, ...wires: string[][]) => ({
  ...{ id, type: `holdfast-${type}`, version: 1, gateway: 'real' },
  ...more,
  wires,
});
const flow = [
  { ...{ id: 'real', type: 'holdfast-gateway', version: 1, place: 'network', host: '127.0.0.1' }, security: 'plain' },
  own('report', 'report', { channel: 'device_process_info' }, ['stored'], ['delivered']),
  own('authorize', 'authorize', { from: 'payload' }, ['granted'], ['denied']),
  own('query', 'query', { path: '/deviceInfo/process/sn/', parameters: '{"sn": "SN1"}' }, ['answer']),
  own('message', 'machine-message', { channel: 'device_process_info' }, ['message-out']),
  own('uplink', 'uplink', {}, ['uplink-out']),
  ...['stored', 'delivered', 'granted', 'denied', 'answer', 'message-out', 'uplink-out', 'caught'].map((id) => ({
    id,
    type: 'helper',
  })),
  { id: 'catch', type: 'catch', scope: null, wires: [['caught']] },
];

const bodyOf = (n: number) => processReport('SN1', { 设备状态: '开始打印', 层: n }).body;

test('reports, questions and news, over a restart of the gateway', async () => {
  const gateway = { ...flow[0]!, port: site.mqttPort };
  const credentials = { real: { username: 'all', password: 'secret' } };
  await loadFlow([gateway, ...flow.slice(1)] as Parameters<typeof loadFlow>[0], { credentials });
  const [stored, delivered, denied] = ['stored', 'delivered', 'denied'].map(collect);
  const [answers, messages, uplink, caught] = ['answer', 'message-out', 'uplink-out', 'caught'].map(collect);
  await until(() => (uplink!.at(-1)?.payload as { connected?: boolean } | undefined)?.connected);
  const report = (n: number) => nodeOf('report').receive({ payload: bodyOf(n), reportId: `r${n}` });
  for (let n = 0; n < 20; n++) report(n);
  await until(() => stored!.length === 20 && delivered!.length === 20);
  await site.gateway.stop();
  await until(() => (uplink!.at(-1)!.payload as { reachable: boolean }).reachable === false);
  for (let n = 20; n < 40; n++) report(n);
  report(3);
  await site.startGateway();
  await until(() => stored!.length === 41 && delivered!.length === 41);
  const sequences = new Set(stored!.map((message) => (message.report as { sequence: number }).sequence));
  assert.equal(sequences.size, 40);
  const machine = await FlowClient.connect(site.mqttPort, 'machine', 'secret', 'a-machine');
  await machine.mqtt.publishAsync('device_process_info', JSON.stringify(bodyOf(41)), { qos: 1 });
  await machine.end();
  await until(() => messages!.length >= 1);
  assert.equal(messages!.at(-1)?.serial, 'SN1');
  nodeOf('query').receive({ query: { limit: 1 } });
  await until(() => answers!.length === 1);
  const answer = answers![0] as { payload: { 错误: string; 信息: unknown[] }; statusCode: number };
  assert.deepEqual([answer.statusCode, answer.payload.错误, answer.payload.信息.length], [200, '', 1]);
  const asking = { 序列号: 'SN1', 机器型号: 'm', 机器名称: 'n', 地址: 'a', 客户名称: 'c' };
  nodeOf('authorize').receive({ payload: asking });
  await until(() => denied!.length === 1);
  const { granted, source } = denied![0]!.authorization as { granted: boolean; source: string };
  assert.deepEqual([granted, source], [false, 'centre']);
  assert.equal(caught!.length, 0);
  nodeOf('report').receive({ payload: { 序列号: 'SN1' } });
  nodeOf('report').receive({ payload: {}, channel: 'x', reportId: 'r3-new' });
  await until(() => caught!.length === 2);
  for (const { error } of caught!) assert.equal((error as { code?: string }).code, 'malformed');
});

test.run();
