/** What flows say to the gateway: a real gateway, a real client, an embedded centre behind a proxy. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../support/until.ts';
import { FlowClient, LocalSite } from './support.ts';

const fixture = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/machines', `${name}.json`), 'utf8'));
const channel = 'device_process_info';
const report = (serial = 'SN1', more: object = {}) => ({
  channel,
  body: { ...fixture('process-initialized'), 序列号: serial, ...more },
});
const documents = (serial: string) =>
  site.central.store.find({ database: 'device_info', collection: 'device_process' }, { filter: { 序列号: serial } });

const test = suite('local door');
const site = new LocalSite();
let all: FlowClient;

test.before(async () => {
  await site.start();
  all = await FlowClient.connect(site.mqttPort, 'all');
  assert.is(await all.subscribe('holdfast/local/all/#'), 1);
});
test.after(async () => {
  await all.end();
  await site.stop();
});

test('a report is stored, then delivered, and stands in the database once', async () => {
  await all.ask('report', 'r1', report('SN-A'));
  await until(() => all.of('r1').includes('delivered'));
  assert.equal(all.of('r1'), ['stored', 'delivered']);
  assert.type(all.body('r1', 'stored')?.sequence, 'number');
  const [document, ...more] = await documents('SN-A');
  assert.is(document?.设备状态, '初始化成功');
  assert.is(more.length, 0);
});

test('a number too long for JavaScript arrives as it was sent', async () => {
  const { channel: name, body } = report('SN-N');
  const text = JSON.stringify({ channel: name, body: { ...body, 附加: 'N' } }).replace('"N"', '12345678901234567890');
  const before = site.gateway.spool.status.nextSequence;
  await site.proxy.cut();
  await all.ask('report', 'n1', `  ${text} `);
  const record = await site.gateway.spool.take(before);
  assert.match(record!.record.payload.toString(), /"附加":12345678901234567890/);
  await site.proxy.restore();
  await until(() => all.of('n1').includes('delivered'));
});

test('the same id again is the same report, and is answered with what became of it', async () => {
  const { accepted } = site.gateway.spool.status;
  await all.ask('report', 'twice', report('SN-B'));
  await until(() => all.of('twice').includes('delivered'));
  await all.ask('report', 'twice', report('SN-B', { 报文时间: '2026-11-21 11:11:11' }));
  await until(() => all.of('twice').length >= 4);
  assert.equal(all.of('twice'), ['stored', 'delivered', 'stored', 'delivered']);
  assert.is(site.gateway.spool.status.accepted, accepted + 1);
  assert.is((await documents('SN-B')).length, 1);
});

test('the same bytes under two ids are two reports', async () => {
  const { accepted } = site.gateway.spool.status;
  await all.ask('report', 'same-1', report('SN-C'));
  await all.ask('report', 'same-2', report('SN-C'));
  await until(() => all.of('same-1').length === 2 && all.of('same-2').length === 2);
  assert.is(site.gateway.spool.status.accepted, accepted + 2);
});

test('many at once, each sent twice: each is one report', async () => {
  const { accepted } = site.gateway.spool.status;
  const ids = Array.from({ length: 200 }, (_, index) => `m${index}`);
  await Promise.all(
    ids.flatMap((id) => [all.ask('report', id, report('SN-D')), all.ask('report', id, report('SN-D'))]),
  );
  await until(() => ids.every((id) => all.of(id).includes('delivered')));
  assert.is(site.gateway.spool.status.accepted, accepted + 200);
  assert.is((await documents('SN-D')).length, 200);
});

test('after a restart of the gateway a report is known by its id, delivered or not', async () => {
  await all.ask('report', 'old-1', report('SN-E'));
  await until(() => all.of('old-1').includes('delivered'));
  await site.proxy.cut();
  await all.ask('report', 'old-2', report('SN-E'));
  await until(() => all.of('old-2').includes('stored'));
  await site.gateway.stop();
  await site.startGateway();
  const { accepted } = site.gateway.spool.status;
  const again = await FlowClient.connect(site.mqttPort, 'all');
  await again.subscribe('holdfast/local/all/#');
  await again.ask('report', 'old-1', report('SN-E'));
  await again.ask('report', 'old-2', report('SN-E'));
  await until(() => again.of('old-1').length === 2 && again.of('old-2').length === 1);
  assert.equal(again.of('old-1'), ['stored', 'delivered']);
  assert.equal(again.of('old-2'), ['stored']);
  assert.is(site.gateway.spool.status.accepted, accepted);
  await site.proxy.restore();
  await until(() => again.of('old-2').includes('delivered'));
  assert.is((await documents('SN-E')).length, 2);
  await again.end();
  all = await FlowClient.connect(site.mqttPort, 'all');
  await all.subscribe('holdfast/local/all/#');
});

test('what is not a report is answered with a reason, and acknowledged', async () => {
  const { key: _, ...rest } = { key: 0, ...report().body } as Record<string, unknown>;
  delete rest.机器型号;
  const bad: [string, unknown, RegExp][] = [
    ['b1', 'no json', /not JSON/],
    ['b2', [1], /object/],
    ['b3', { channel: 7, body: {} }, /"channel"/],
    ['b4', { channel, body: 'text' }, /"body"/],
    ['b5', { channel, body: rest }, /missing-key/],
    ['b6', { channel: 'device_auth', body: fixture('authorization') }, /authorize\/<id>/],
  ];
  for (const [id, body, text] of bad) {
    await all.ask('report', id, body);
    await until(() => all.of(id).length > 0);
    assert.is(all.body(id, 'failed')?.code, 'malformed', id);
    assert.match(String(all.body(id, 'failed')?.text), text);
  }
});

test('a channel that does not exist, or is not for it, is forbidden', async () => {
  await all.ask('report', 'f1', { ...report(), channel: 'gateway_event' });
  await until(() => all.of('f1').length > 0);
  assert.is(all.body('f1', 'failed')?.code, 'forbidden');
  const one = await FlowClient.connect(site.mqttPort, 'one');
  await one.subscribe('holdfast/local/one/+/+');
  await one.ask('report', 'f2', report('SN2'));
  await one.ask('authorize', 'f3', fixture('authorization'));
  await one.ask('query', 'f4', { path: '/deviceInfo/base/sn', query: { sn: 'SN1' } });
  await until(() => one.said.length === 3);
  assert.equal(
    one.said.map(({ id, kind, body }) => [id, kind, body.code]),
    ['f2', 'f3', 'f4'].map((id) => [id, 'failed', 'forbidden']),
  );
  await one.ask('report', 'f5', report('SN1'));
  await until(() => one.of('f5').includes('stored'));
  await one.end();
});

test("nobody reads another's answers, and a machine none of it", async () => {
  assert.is(await all.subscribe('holdfast/local/one/#'), 128);
  assert.is(await all.subscribe('holdfast/local/#'), 128);
  assert.is(await all.subscribe('#'), 128);
  assert.is(await all.subscribe('+/local/all/stored/x'), 128);
  const machine = await FlowClient.connect(site.mqttPort, 'machine');
  for (const filter of ['holdfast/local/machine/#', 'holdfast/local/uplink', 'holdfast/local/message/#']) {
    assert.is(await machine.subscribe(filter), 128, filter);
  }
  const { accepted } = site.gateway.spool.status;
  await machine.ask('report', 'x1', report());
  await machine.mqtt.publishAsync('holdfast/local/all/report/x2', JSON.stringify(report()), { qos: 1 });
  await all.ask('report', 'x3', report());
  await until(() => all.of('x3').includes('stored'));
  assert.equal(all.of('x2'), []);
  assert.is(site.gateway.spool.status.accepted, accepted + 1);
  await machine.end();
});

test('authorization is asked, and answered in plain words', async () => {
  const query = { ...fixture('authorization'), 序列号: 'SN-Q' };
  await all.ask('authorize', 'q1', query);
  await until(() => all.of('q1').length > 0);
  const answer = all.body('q1', 'authorized');
  assert.is(answer?.granted, false);
  assert.type(answer?.error, 'string');
  assert.is.not(answer?.error, '');
  assert.is(answer?.until, null);
  assert.ok(['centre', 'lease', 'nobody'].includes(String(answer?.source)));
  await all.ask('authorize', 'q2', { 序列号: 'SN-Q' });
  await until(() => all.of('q2').length > 0);
  assert.is(all.body('q2', 'failed')?.code, 'malformed');
});

test('a query is answered as over HTTP', async () => {
  await all.ask('report', 'd1', { channel: 'device_base_info', body: { ...fixture('base'), 序列号: 'SN-W' } });
  await until(() => all.of('d1').includes('stored'));
  let tries = 0;
  for (;;) {
    const id = `w${++tries}`;
    await all.ask('query', id, { path: '/deviceInfo/base/sn/', query: { sn: 'SN-W' } });
    await until(() => all.of(id).length > 0);
    const { status, body } = all.body(id, 'answer') as { status: number; body: Record<string, unknown> };
    assert.is(status, 200);
    if (body.错误 === '') {
      assert.is(body.序列号, 'SN-W');
      break;
    }
    assert.ok(tries < 100, JSON.stringify(body));
  }
  await all.ask('query', 'w-bad', { path: '/etc/passwd', query: {} });
  await until(() => all.of('w-bad').length > 0);
  assert.is(all.body('w-bad', 'failed')?.code, 'malformed');
});

test('what machines send is read after it is stored, what flows send is not', async () => {
  const reader = await FlowClient.connect(site.mqttPort, 'all', 'secret', 'reader');
  assert.is(await reader.subscribe('holdfast/local/message/device_process_info/+'), 1);
  assert.is(await reader.subscribe('holdfast/local/message/#'), 1);
  const machine = await FlowClient.connect(site.mqttPort, 'machine');
  const body = JSON.stringify(report('SN-M').body);
  await all.ask('report', 'feed', report('SN-F'));
  await machine.mqtt.publishAsync(channel, body, { qos: 1 });
  await until(() => reader.others.length > 0);
  assert.equal(reader.others, [{ topic: `holdfast/local/message/${channel}/SN-M`, body }]);
  await reader.end();
  await machine.end();
});

test('the state of the uplink is told at once, on changes, and on coming back', async () => {
  const reader = await FlowClient.connect(site.mqttPort, 'all', 'secret', 'uplink-reader');
  await reader.subscribe('holdfast/local/uplink');
  await until(() => reader.others.length > 0);
  const states = () => reader.others.map(({ body }) => JSON.parse(body));
  assert.equal(Object.keys(states()[0]), ['connected', 'pending', 'since']);
  await site.proxy.cut();
  await until(() => states().at(-1).connected === false);
  await site.proxy.restore();
  await until(() => states().at(-1).connected === true);
  await reader.end();
  const back = await FlowClient.connect(site.mqttPort, 'all', 'secret', 'uplink-reader');
  await until(() => back.others.length > 0);
  assert.is(back.others[0]!.topic, 'holdfast/local/uplink');
  await back.end();
});

test('the Unix socket wants a password too', async () => {
  const flow = await FlowClient.connect(site.socket, 'all');
  await flow.end();
  let error: unknown;
  await FlowClient.connect(site.socket, 'all', 'wrong').catch((cause: unknown) => {
    error = cause;
  });
  assert.ok(error);
});

test.run();
