/** Simulated machines against a real gateway, which goes away and comes back. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Gateway } from '../../src/gateway.ts';
import { until } from '../support/until.ts';
import { createSite, finish, GatewayPlace } from './support.ts';

const test = suite('machines at a gateway');
let place: GatewayPlace;
let gateway: Gateway;
let prefixes = 0;

test.before(async () => {
  place = await GatewayPlace.find();
  gateway = place.gateway();
  await gateway.start();
});
test.after(() => gateway.stop());

const urls = () => ({ mqtt: `mqtt://127.0.0.1:${place.mqttPort}`, http: `http://127.0.0.1:${place.httpPort}` });

for (const scheme of ['mqtt', 'http'] as const) {
  test(`${scheme}: every report is acknowledged and replied to, and stored once`, async () => {
    const before = gateway.spool.status.accepted;
    const { site, wrong } = createSite({ url: urls()[scheme], serialPrefix: `a${++prefixes}-`, count: 300 });
    site.start();
    site.start();
    await finish(site);
    await site.stop();
    const { sent, acknowledged, replied, repeated } = site.figures;
    assert.equal([sent, acknowledged, replied, repeated, wrong], [300, 300, 300, 0, []]);
    assert.is(gateway.spool.status.accepted - before, 300);
  });

  test(`${scheme}: a gateway that goes away is waited for, and no report is lost or stored twice`, async () => {
    const before = gateway.spool.status.accepted;
    const { site, wrong } = createSite({ url: urls()[scheme], serialPrefix: `b${++prefixes}-`, inflight: 2 });
    site.start();
    await until(() => site.figures.replied > 50, 'the machines report');
    await gateway.stop();
    await until(() => site.connected === 0, 'the machines notice');
    assert.is.not(site.figures.connectionsLost, 0);
    gateway = place.gateway();
    await gateway.start();
    const answered = site.figures.replied;
    await until(() => site.figures.replied > answered + 50, 'the machines go on');
    await site.stop(4000);
    const { sent, acknowledged, replied, unanswered } = site.figures;
    assert.equal([acknowledged, replied, unanswered, wrong], [sent, sent, 0, []]);
    assert.is(gateway.spool.status.accepted - before, sent);
  });
}

test('in order per machine and channel', async () => {
  const { site } = createSite({ url: urls().mqtt, serialPrefix: 'c-', count: 200 });
  site.start();
  await finish(site);
  const layers = new Map<string, number>();
  const reader = gateway.spool.createReader('process');
  const records = await reader.read(10_000);
  reader.close();
  for (const { serial, payload } of records) {
    if (!serial.startsWith('c-')) continue;
    const { 设备状态: state, 当前层号: layer } = JSON.parse(payload.toString());
    if (state === '开始打印') layers.set(serial, 0);
    if (state !== '打印') continue;
    assert.is(Number(layer), layers.get(serial)! + 1);
    layers.set(serial, Number(layer));
  }
  assert.is(layers.size, 3);
});

test('a wrong password is told, and nothing is reported', async () => {
  const losses: string[] = [];
  const { site } = createSite({
    url: urls().mqtt,
    password: 'wrong',
    machines: 1,
    onLost: (error) => losses.push(error.message),
  });
  site.start();
  await until(() => losses.length > 0, 'the refusal');
  await site.stop();
  assert.match(losses[0]!, /Bad username or password/);
  assert.is(site.figures.sent, 0);
});

test('a URL of another kind and a prefix that makes no serial number are refused', () => {
  assert.throws(() => createSite({ url: 'ftp://127.0.0.1' }), /begins with mqtt/);
  assert.throws(() => createSite({ url: 'mqtt://127.0.0.1', serialPrefix: 'a b' }), /cannot be a serial number/);
});

test.run();
