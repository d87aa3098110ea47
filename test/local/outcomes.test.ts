/** Reports of flows that do not go the straight way: refused by the centre for good, sent on by hand, given up for room. */

import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { administer } from '../../src/spool/index.ts';
import { forwarderBench } from '../support/forwarder-bench.ts';
import { until } from '../support/until.ts';
import { FlowClient, identity, LocalSite, processReport } from './support.ts';

const test = suite('local door, outcomes');
const site = new LocalSite({
  HOLDFAST_MQTT_MAX_PACKET: '8MiB',
  HOLDFAST_MQTT_RATE_PER_CLIENT: '0',
  HOLDFAST_SPOOL_SEGMENT_SIZE: '4MiB',
  HOLDFAST_SPOOL_FREE_RESERVE: '0B',
  HOLDFAST_SPOOL_LANES_PROCESS_QUOTA: '8MiB',
  HOLDFAST_SPOOL_LANES_PROCESS_WHEN_FULL: 'dropOldest',
});
let all: FlowClient;
const report = (serial: string, more: object = {}) => processReport(serial, { 设备状态: '开始打印', ...more });
const alarm = (serial: string) => ({
  channel: 'device_error_info',
  body: { ...identity(serial), 异常等级: '故障', 异常描述: '电机运动超时' },
});
const count = async (serial: string) =>
  (
    await site.central.store.find(
      { database: 'device_info', collection: 'device_process' },
      { filter: { 序列号: serial }, limit: 1000 },
    )
  ).length;

test.before(async () => {
  await site.start();
  all = await FlowClient.connect(site.mqttPort, 'all');
  await all.subscribe('holdfast/local/all/#');
});
test.after(async () => {
  await all.end();
  await site.stop();
});

test('what the centre refuses for good is said; sent on by hand, it is answered again', async () => {
  // The box takes more, a centre never more than 1 MiB.
  await all.ask('report', 'large', report('SN-L', { 附加: 'x'.repeat(1_100_000) }));
  await all.ask('report', 'small', report('SN-L'));
  await until(() => all.of('large').includes('failed') && all.of('small').includes('delivered'));
  assert.equal(all.of('large'), ['stored', 'failed']);
  assert.is(all.body('large', 'failed')?.code, 'quarantined');
  await all.ask('report', 'large', report('SN-L'));
  await until(() => all.of('large').length === 4);
  assert.equal(all.of('large').slice(2), ['stored', 'failed']);
  assert.is(await count('SN-L'), 1);
});

test('a report that no segment could hold is refused for good, so that it is not sent for ever', async () => {
  await all.ask('report', 'huge', report('SN-H', { 附加: 'x'.repeat(5_000_000) }));
  await until(() => all.of('huge').length > 0);
  assert.is(all.body('huge', 'failed')?.code, 'malformed');
  await all.ask('report', 'huge-bad', report('SN-H', { 报文时间: 7, 附加: 'x'.repeat(5_000_000) }));
  await until(() => all.of('huge-bad').length > 0);
  assert.is(all.body('huge-bad', 'failed')?.code, 'malformed');
});

test('a report in the quarantine is delivered when it is sent on and the centre takes it after all', async () => {
  const delivered: string[] = [];
  const bench = await forwarderBench({ onDelivered: (origin) => delivered.push(origin) });
  const { spool, transport, clock, forwarder } = bench;
  const pass = async (condition: () => boolean) => {
    const deadline = Date.now() + 10_000;
    while (!condition() && Date.now() < deadline) {
      await clock.advanceGently(50);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(condition(), String(condition));
  };
  transport.connect();
  const { channel, body } = report('SN-M');
  const payload = Buffer.from(JSON.stringify(body));
  const sequence = await spool.append('process', { channel, serial: 'SN-M', payload, origin: 'all/moved' });
  spool.origins.remember('all/moved', sequence);
  await pass(() => transport.sent.length > 0);
  const [first] = transport.sent;
  transport.confirm(first!);
  transport.receipt(first!, { 错误: '报文格式错误', 错误码: 'malformed' });
  await pass(() => spool.status.quarantined === 1);
  assert.is((await spool.fateOf('all/moved'))?.fate, 'quarantined');
  for await (const answer of administer(spool, { action: 'requeue' }, clock, (record) =>
    forwarder.onRequeued(record),
  )) {
    assert.equal(answer, { requeued: 1 });
  }
  assert.is((await spool.fateOf('all/moved'))?.fate, 'waiting');
  assert.equal(delivered, []);
  transport.answerAll();
  await pass(() => delivered.length > 0);
  assert.equal(delivered, ['all/moved']);
  assert.is((await spool.fateOf('all/moved'))?.fate, 'delivered');
  await bench.close();
});

test('reports given up for room are told by themselves, and no others', async () => {
  const before = site.gateway.spool.status.evicted;
  await site.proxy.cut();
  // The oldest of all waits in another lane.
  await all.ask('report', 'alarm', alarm('SN-E'));
  const ids = Array.from({ length: 150 }, (_, index) => `e${index}`);
  for (const id of ids) await all.ask('report', id, report('SN-E', { 附加: randomBytes(60_000).toString('base64') }));
  const given = () => site.gateway.spool.status.evicted - before;
  assert.ok(given() > 10 && given() < 140, String(given()));
  await until(() => ids.filter((id) => all.of(id).includes('failed')).length === given());
  assert.ok(all.of('e0').includes('failed'));
  assert.is(all.body('e0', 'failed')?.code, 'evicted');
  await site.proxy.restore();
  const isDecided = (id: string) => all.of(id).includes('failed') || all.of(id).includes('delivered');
  await until(() => isDecided('alarm') && ids.every(isDecided));
  assert.equal(all.of('alarm'), ['stored', 'delivered']);
  for (const id of ids) assert.is(all.of(id).length, 2, `${id}: ${all.of(id)}`);
  assert.is(await count('SN-E'), ids.length - given());
  // Asked again, the same is said.
  await all.ask('report', 'e0', report('SN-E'));
  await until(() => all.of('e0').length === 4);
  assert.equal(all.of('e0'), ['stored', 'failed', 'stored', 'failed']);
});

test.run();
