import * as assert from 'node:assert/strict';
import { suite } from 'uvu';
import type { Message } from '../../nodes/shared/node-red.ts';
import { pause, until } from '../support/until.ts';
import { collect, gatewayNode, loadFlow, nodeOf, statuses, stopRuntime, unloadFlow } from './support/flow.ts';
import { ScriptedGateway } from './support/scripted-gateway.ts';

const test = suite('authorize and query');
const gateways: ScriptedGateway[] = [];
let count = 0;
const identity = { serial: 's1', model: 'P440', machine: '重庆1号机', address: '重庆', customer: '重庆达优' };
const asked = {
  序列号: 's1',
  机器型号: 'P440',
  机器名称: '重庆1号机',
  地址: '重庆',
  客户名称: '重庆达优',
  查询授权: '1',
};

async function start(node: Record<string, unknown> & { type: string }) {
  const gateway = new ScriptedGateway();
  gateways.push(gateway);
  await gateway.start();
  const id = `ask${++count}`;
  const { node: gatewayConfig, credentials } = gatewayNode(gateway, id);
  await loadFlow(
    [
      gatewayConfig,
      { id: 'node', version: 1, gateway: id, wires: [['first'], ['second']], ...node },
      { id: 'first', type: 'helper' },
      { id: 'second', type: 'helper' },
      { id: 'catch', type: 'catch', scope: ['node'], wires: [['caught']] },
      { id: 'caught', type: 'helper' },
    ],
    { credentials },
  );
  const outputs = { first: collect('first'), second: collect('second'), caught: collect('caught') };
  return {
    gateway,
    ...outputs,
    texts: statuses('node'),
    send: (message: object) => nodeOf('node').receive({ ...message }),
  };
}

const codeOf = (message: Message | undefined) => (message?.error as { code?: string } | undefined)?.code;

test.after.each(async () => {
  await unloadFlow();
  for (const gateway of gateways.splice(0)) await gateway.stop();
});
test.after(stopRuntime);

test('authorize: granted and denied have an output each, with reason, source and end', async () => {
  const { gateway, first, second, caught, texts, send } = await start({ type: 'holdfast-authorize', ...identity });
  gateway.authorize = () => ({ granted: true, error: '', source: 'lease', until: '2030-01-01 00:00:00' });
  send({ payload: 'button', topic: 't' });
  await until(() => first.length === 1);
  assert.deepEqual(gateway.questions[0]?.body, asked);
  assert.equal(first[0]?.payload, true);
  assert.equal(first[0]?.topic, 't');
  const granted = { granted: true, error: '', source: 'lease', until: '2030-01-01 00:00:00' };
  assert.deepEqual(first[0]?.authorization, granted);
  await until(() => texts.at(-1) === 'authorize.status.granted-lease');
  gateway.authorize = () => ({ granted: false, error: '授权不通过0', source: 'centre', until: null });
  send({ payload: 'button' });
  await until(() => second.length === 1);
  assert.equal(second[0]?.payload, false);
  assert.equal((second[0]!.authorization as { error: string }).error, '授权不通过0');
  assert.deepEqual([first.length, caught.length], [1, 0]);
});

test('authorize: no answer is an error and nothing is sent on, also when it comes too late', async () => {
  const { gateway, first, second, caught, send } = await start({
    ...{ type: 'holdfast-authorize', ...identity },
    timeoutSeconds: 1,
  });
  gateway.authorize = () => undefined;
  send({ payload: 'button' });
  await until(() => caught.length === 1);
  assert.equal(codeOf(caught[0]), 'no-answer');
  gateway.send('authorized', gateway.questions[0]!.id, { granted: true, error: '', source: 'centre', until: null });
  await pause(50);
  assert.deepEqual([first.length, second.length], [0, 0]);
});

test('authorize: what is not a plain yes grants nothing', async () => {
  const { gateway, first, second, caught, send } = await start({ type: 'holdfast-authorize', ...identity });
  const answers = [{ granted: 'true' }, { granted: 1 }, {}, { code: 'forbidden', text: 'no' }];
  gateway.authorize = () => answers.shift();
  for (let n = 0; n < 4; n++) send({});
  await until(() => caught.length === 4);
  assert.equal(codeOf(caught[0]), 'bad-answer');
  assert.equal(codeOf(caught[3]), 'forbidden');
  assert.deepEqual([first.length, second.length], [0, 0]);
});

test('authorize: the machine from the message, as object and as text', async () => {
  const { gateway, first, caught, send } = await start({ type: 'holdfast-authorize', from: 'payload' });
  const { 查询授权: _, ...machine } = asked;
  send({ payload: machine });
  send({ payload: JSON.stringify(asked) });
  await until(() => first.length === 2);
  assert.deepEqual(gateway.questions[0]?.body, asked);
  assert.deepEqual(gateway.questions[1]?.body, asked);
  send({ payload: 'no json' });
  send({ payload: 7 });
  await until(() => caught.length === 2);
  assert.deepEqual(caught.map(codeOf), ['bad-input', 'bad-input']);
});

test('authorize: a replaced node switches nothing any more', async () => {
  const { gateway, first, send } = await start({ type: 'holdfast-authorize', ...identity });
  gateway.authorize = () => undefined;
  send({});
  await until(() => gateway.questions.length === 1);
  (nodeOf('node') as unknown as { close(removed: boolean): void }).close(false);
  gateway.send('authorized', gateway.questions[0]!.id, { granted: true, error: '', source: 'centre', until: null });
  await pause(50);
  assert.equal(first.length, 0);
});

test('query: the answer as it is; parameters of the message go first', async () => {
  const { gateway, first, send } = await start({
    ...{ type: 'holdfast-query', path: '/deviceInfo/process/sn/' },
    parameters: '{"sn": "s1", "limit": 20, "min_time": ""}',
  });
  send({ query: { limit: 3 } });
  await until(() => first.length === 1);
  const request = { path: '/deviceInfo/process/sn/', query: { sn: 's1', limit: '3' } };
  assert.deepEqual(gateway.questions[0]?.body, request);
  assert.deepEqual(first[0]?.payload, { 错误: '', asked: request });
  assert.equal(first[0]?.statusCode, 200);
});

test('query: the path from the message; failures reach catch', async () => {
  const { gateway, first, caught, texts, send } = await start({ type: 'holdfast-query', path: '' });
  send({ path: '/deviceInfo/base/customer/names/' });
  await until(() => first.length === 1);
  send({});
  gateway.query = () => ({ code: 'malformed', text: 'no such path' });
  send({ path: '/x' });
  await until(() => caught.length === 2);
  assert.deepEqual(caught.map(codeOf), ['bad-input', 'malformed']);
  assert.ok(texts.includes('query.status.failed'));
});

test('query: parameters that are no object are told at once', async () => {
  const { caught, send } = await start({ type: 'holdfast-query', parameters: '[1]' });
  send({});
  await until(() => caught.length === 1);
  assert.equal(codeOf(caught[0]), 'bad-settings');
});

test.run();
