import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LocalSite, processReport } from '../local/support.ts';
import { until } from '../support/until.ts';
import { collect, deploy, loadFlow, nodeOf, stopRuntime, unloadFlow } from './support/flow.ts';

const test = suite('reports of a node that was deleted');
const site = new LocalSite();
test.before(() => site.start());
test.after(async () => {
  await unloadFlow();
  await stopRuntime();
  await site.stop();
});

const bodyOf = (layer: number) => processReport('SN1', { 设备状态: '开始打印', 层: layer }).body;

async function layersFrom(first: number): Promise<number[]> {
  const documents = await site.central.store.find(
    { database: 'device_info', collection: 'device_process' },
    { filter: { 序列号: 'SN1' }, limit: 1000 },
  );
  const layers = documents.map((each) => Number((each as Record<string, unknown>).层));
  return layers.filter((layer) => layer >= first).sort((one, other) => one - other);
}

for (const [kind, first] of [
  ['nodes', 100],
  ['full', 200],
] as const) {
  test(`the only one of its gateway node, while they wait (a deploy of kind ${kind}): they are sent`, async () => {
    const place = { place: 'network', host: '127.0.0.1', security: 'plain', port: site.mqttPort };
    const gateway = { id: 'real', type: 'holdfast-gateway', version: 1, ...place };
    const credentials = { real: { username: 'all', password: 'secret' } };
    const channel = 'device_process_info';
    const report = { id: 'report', type: 'holdfast-report', version: 1, gateway: 'real', channel };
    const helper = { id: 'stored', type: 'helper' };
    await loadFlow([gateway, { ...report, wires: [['stored'], []] }, helper] as never, { credentials });
    const stored = collect('stored') as unknown[];
    nodeOf('report').receive({ payload: bodyOf(1) });
    await until(() => stored.length === 1);
    await site.gateway.stop();
    for (let n = 0; n < 5; n++) nodeOf('report').receive({ payload: bodyOf(first + n) });
    await sleep(200);
    await deploy([gateway, helper] as never, kind, credentials);
    await site.startGateway();
    await until(async () => (await layersFrom(first)).length === 5);
    assert.equal(
      await layersFrom(first),
      [0, 1, 2, 3, 4].map((n) => first + n),
    );
    await unloadFlow();
  });
}

test.run();
