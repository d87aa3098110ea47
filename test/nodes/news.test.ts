import * as assert from 'node:assert/strict';
import { suite } from 'uvu';
import { until } from '../support/until.ts';
import { collect, deploy, gatewayNode, loadFlow, nodeOf, statuses, stopRuntime, unloadFlow } from './support/flow.ts';
import { ScriptedGateway } from './support/scripted-gateway.ts';

const test = suite('machine message and uplink');
const gateways: ScriptedGateway[] = [];
let count = 0;

async function start(node: Record<string, unknown> & { type: string }, prepare?: (gateway: ScriptedGateway) => void) {
  const gateway = new ScriptedGateway();
  gateways.push(gateway);
  prepare?.(gateway);
  await gateway.start();
  const id = `news${++count}`;
  const { node: gatewayConfig, credentials } = gatewayNode(gateway, id);
  await loadFlow(
    [
      gatewayConfig,
      { id: 'node', version: 1, gateway: id, wires: [['got']], ...node },
      { id: 'got', type: 'helper' },
      { id: 'catch', type: 'catch', scope: ['node'], wires: [['caught']] },
      { id: 'caught', type: 'helper' },
    ],
    { credentials },
  );
  return { gateway, got: collect('got'), caught: collect('caught'), texts: statuses('node') };
}

test.after.each(async () => {
  await unloadFlow();
  for (const gateway of gateways.splice(0)) await gateway.stop();
});
test.after(stopRuntime);

const channel = 'device_error_info';
const topic = (serial: string) => `holdfast/local/message/${channel}/${serial}`;

test('machine message: parsed, with channel and serial; what is no JSON reaches catch', async () => {
  const { gateway, got, caught, texts } = await start({ type: 'holdfast-machine-message', channel });
  await until(() => gateway.filters.includes(`holdfast/local/message/${channel}/+`));
  gateway.publish(topic('s1'), Buffer.from('{"序列号": "s1", "异常等级": "故障"}'));
  gateway.publish(topic('s2'), Buffer.from('no json'));
  gateway.publish('holdfast/local/message/device_base_info/s1', Buffer.from('{}'));
  await until(() => got.length === 1 && caught.length === 1);
  const { payload, serial, channel: from, topic: name } = got[0]!;
  assert.deepEqual(payload, { 序列号: 's1', 异常等级: '故障' });
  assert.deepEqual([from, serial, name], [channel, 's1', `${channel}/s1`]);
  assert.equal((caught[0]!.error as { code?: string }).code, 'bad-json');
  assert.equal(String(caught[0]?.payload), 'no json');
  await until(() => texts.includes('machine-message.status.rate'));
});

test('machine message: what machines report while it is deployed anew comes afterwards, in order', async () => {
  const gateway = new ScriptedGateway();
  gateways.push(gateway);
  await gateway.start();
  const { node: gatewayConfig, credentials } = gatewayNode(gateway, 'anew');
  const flow = (name: string) => [
    gatewayConfig,
    { id: 'node', type: 'holdfast-machine-message', version: 1, gateway: 'anew', channel, name, wires: [['got']] },
    { id: 'slow', type: 'helper', name },
    { id: 'got', type: 'helper' },
  ];
  await loadFlow(flow('before') as never, { credentials });
  const filter = `holdfast/local/message/${channel}/+`;
  await until(() => gateway.filters.includes(filter));
  const got = collect('got');
  const publish = (n: number) => gateway.publish(topic('s1'), Buffer.from(JSON.stringify({ n })));
  nodeOf('slow').on('close', (done: () => void) => {
    for (let n = 1; n <= 1010; n++) publish(n);
    setTimeout(done, 300);
  });
  await deploy(flow('after') as never, 'nodes');
  publish(1011);
  await until(() => got.some(({ payload }) => (payload as { n: number }).n === 1011));
  // As many as the box keeps for a client that is away. Credentials, given again, would make the gateway node anew as well.
  assert.deepEqual(
    got.map(({ payload }) => (payload as { n: number }).n),
    Array.from({ length: 1001 }, (_, index) => index + 11),
  );
  assert.equal(gateway.filters.filter((each) => each === filter).length, 1, 'subscribed all the time');
});

test('machine message: byte for byte, of one machine', async () => {
  const { gateway, got } = await start({ type: 'holdfast-machine-message', serial: 's1', format: 'bytes' });
  await until(() => gateway.filters.includes('holdfast/local/message/+/s1'));
  const bytes = Buffer.from([0x7b, 0x20, 0xff, 0x00, 0x7d]);
  gateway.publish(topic('s1'), bytes);
  await until(() => got.length === 1);
  assert.deepEqual(got[0]?.payload, bytes);
});

test('machine message: a credential that may not is told below the node', async () => {
  const { texts } = await start({ type: 'holdfast-machine-message' }, (gateway) =>
    gateway.refusedFilters.add('holdfast/local/message/#'),
  );
  await until(() => texts.at(-1)?.endsWith('status.needs-query'));
});

test('uplink: on every change, and on demand', async () => {
  const { gateway, got, texts } = await start({ type: 'holdfast-uplink' });
  const since = '2024-03-18T15:30:45.000Z';
  await until(() => got.length === 1);
  assert.deepEqual(got[0]?.payload, { reachable: true, connected: true, pending: 0, since });
  gateway.tellUplink();
  gateway.uplink = { connected: false, pending: 5, since };
  gateway.tellUplink();
  await until(() => got.length === 2);
  assert.deepEqual(got[1]?.payload, { reachable: true, connected: false, pending: 5, since });
  await until(() => texts.at(-1) === 'uplink.status.away');
  nodeOf('node').receive({ payload: 'ask', kept: 1 });
  await until(() => got.length === 3);
  assert.deepEqual(got[2]?.payload, got[1]?.payload);
  assert.equal(got[2]?.kept, 1);
  await gateway.stop();
  await until(() => got.length === 4);
  assert.deepEqual(got[3]?.payload, { reachable: false, connected: false, pending: null, since: null });
  await gateway.start();
  await until(() => got.length === 5);
  assert.equal((got[4]!.payload as { reachable: boolean }).reachable, true);
});

test.run();
