/** Flows that say what they should not: odd bytes, other people's topics, other qualities of service. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { packet, publishPacket, RawClient, readPublish, text } from '../support/mqtt-raw.ts';
import { until } from '../support/until.ts';
import { FlowClient, LocalSite, processReport } from './support.ts';

const test = suite('local door, hostile');
const site = new LocalSite();
let all: FlowClient;
let raw: RawClient;

const login = { username: 'all', password: 'secret' };
const envelope = (serial: string, more: object = {}) =>
  JSON.stringify(processReport(serial, { 设备状态: '开始打印', ...more }));
const accepted = () => site.gateway.spool.status.accepted;
/** Sends bytes as they are, and waits for the acknowledgement. */
const say = async (id: string, body: Buffer | string, kind = 'report') => {
  raw.write(publishPacket(`holdfast/local/all/${kind}/${id}`, body));
  await raw.next(4);
};
const answerTo = async (id: string) => {
  await until(() => all.of(id).length > 0);
  return all.said.find((said) => said.id === id)!;
};

test.before(async () => {
  await site.start();
  all = await FlowClient.connect(site.mqttPort, 'all');
  await all.subscribe('holdfast/local/all/#');
  raw = await RawClient.open(site.mqttPort, { ...login, id: 'raw' });
});
test.after(async () => {
  await raw.close();
  await all.end();
  await site.stop();
});

test('a report that is not UTF-8 is refused, and nothing is put in the place of its bytes', async () => {
  const before = accepted();
  const bytes = Buffer.from(envelope('SN-U', { 附加: 'ab' }));
  bytes[bytes.indexOf('ab')] = 0xff;
  await say('utf8', bytes);
  assert.is((await answerTo('utf8')).body.code, 'malformed');
  assert.is(accepted(), before);
});

test('a byte order mark is passed over, as in the report of a machine', async () => {
  await say('bom', `\ufeff${envelope('SN-BOM')}`);
  assert.is((await answerTo('bom')).kind, 'stored');
});

test('a lone surrogate written out stays as it was written', async () => {
  await site.proxy.cut();
  const { nextSequence } = site.gateway.spool.status;
  await say('surrogate', envelope('SN-S', { 附加: 'X' }).replace('"X"', '"\\ud800"'));
  assert.is((await answerTo('surrogate')).kind, 'stored');
  const kept = await site.gateway.spool.take(nextSequence);
  assert.match(kept!.record.payload.toString(), /"\\ud800"/);
  await site.proxy.restore();
});

test('names written with escapes, twins, and names that JavaScript uses itself', async () => {
  const body = envelope('SN-T');
  const inner = body.slice(body.indexOf('"body":') + 7, -1);
  const channel = '"channel":"device_process_info"';
  const good: [string, string][] = [
    ['escaped', `{${channel},"b\\u006fdy":${inner}}`],
    ['twins', `{"body":{"a":"}{\\"["},${channel},"body":${inner}}`],
    ['twins-escaped', `{"b\\u006fdy":[1,2],${channel},"body":${inner}}`],
    ['proto', `{"__proto__":{"body":1},"constructor":[{}],${channel},"body":${inner}}`],
    ['blanks', `\r\n\t {\t${channel} ,\n"body"\t:\r${inner} }\n`],
    ['proto-inside', `{${channel},"body":{"__proto__":{"序列号":"SN-X"},${inner.slice(1)}}`],
    ['infinite', `{${channel},"body":{"附加":1e400,${inner.slice(1)}}`],
  ];
  for (const [id, bytes] of good) {
    await say(id, bytes);
    assert.is((await answerTo(id)).kind, 'stored', id);
  }
  const bad: [string, string][] = [
    ['proto-only', `{"__proto__":{${channel},"body":${inner}}}`],
    ['twin-last', `{${channel},"body":${inner},"body":7}`],
    ['proto-serial', `{${channel},"body":{"__proto__":${inner}}}`],
    ['two', `${body}${body}`],
    ['empty', ''],
    ['null', 'null'],
  ];
  for (const [id, bytes] of bad) {
    await say(id, bytes);
    assert.is((await answerTo(id)).body.code, 'malformed', id);
  }
});

test('deep nesting is refused, not followed', async () => {
  const deep = `${'['.repeat(400_000)}${']'.repeat(400_000)}`;
  for (const [id, body] of [
    ['deep', deep],
    ['deep-inside', envelope('SN-D', { 附加: 'X' }).replace('"X"', deep)],
    ['deep-beside', envelope('SN-D').replace('{', `{"x":${deep},`)],
    ['deep-open', '{"body":'.repeat(100_000)],
  ] as const) {
    await say(id, body);
    const { kind, body: answer } = await answerTo(id);
    // What stands beside the report is not kept, so its depth is nobody's matter.
    if (id === 'deep-beside') assert.is(kind, 'stored');
    else assert.is(answer.code, 'malformed', id);
  }
});

test('what is said back does not grow with what was sent', async () => {
  await say('long-channel', JSON.stringify({ channel: '\u0001'.repeat(100_000), body: {} }));
  await say(
    'long-name',
    JSON.stringify({ path: '/deviceInfo/base/sn', query: { ['x'.repeat(500_000)]: {} } }),
    'query',
  );
  await say('long-path', JSON.stringify({ path: `/${'y'.repeat(500_000)}` }), 'query');
  for (const id of ['long-channel', 'long-name', 'long-path']) {
    assert.ok(JSON.stringify((await answerTo(id)).body).length < 2000, id);
  }
});

test('ids and topics that are none are refused, ten of them end the connection', async () => {
  const before = accepted();
  const topics = [
    `holdfast/local/all/report/${'i'.repeat(65)}`,
    'holdfast/local/all/report/',
    'holdfast/local/all/report/a/b',
    'holdfast/local/all/report/ü',
    'holdfast/local/all/report/a\u0000b',
    'holdfast/local/all//report/a',
    'holdfast/local/allx/report/a',
    'holdfast/local/all/stored/a',
    'holdfast/local/uplink',
    'holdfast/local/message/device_process_info/SN1',
  ];
  const other = await RawClient.open(site.mqttPort, { ...login, id: 'other' });
  for (const topic of topics) other.write(publishPacket(topic, envelope('SN-I')));
  await other.closed;
  assert.is(other.packets.filter(({ type }) => type === 4).length, topics.length);
  assert.is(accepted(), before);
  assert.equal(all.others, []);
});

test('filters that nobody may read', async () => {
  const filters = [
    '$share/group/holdfast/local/all/#',
    '$SYS/#',
    'holdfast/local/all',
    'holdfast/local/all/',
    'holdfast/local/all//#',
    'holdfast/local/all/stored/#',
    'holdfast/local/allx/#',
    'holdfast/local/+/stored/+',
    'holdfast/local/+',
    'holdfast/+/all/stored/x',
    'holdfast/local//#',
    'holdfast/local/message',
    'holdfast/local/message/+',
    'holdfast/local/message/+/#',
    'holdfast/local/message/a/b/c',
    'holdfast/local/all/stored/ü',
    'holdfast/local/all/stored/a\u0000b',
    `holdfast/local/all/stored/${'x'.repeat(60_000)}`,
    'holdfast/local/uplink/#',
  ];
  const other = await RawClient.open(site.mqttPort, { ...login, id: 'filters' });
  for (const filter of filters) assert.is(await other.subscribe(filter), 128, filter.slice(0, 80));
  assert.is(await other.subscribe('holdfast/local/all/+/+'), 1);
  await other.close();
});

test('a wildcard in the wrong place ends the connection', async () => {
  for (const filter of ['holdfast/local/all/#/x', 'holdfast/local/all/x#', 'holdfast/local/all/stored+/x']) {
    const other = await RawClient.open(site.mqttPort, { ...login, id: 'wrong' });
    other.write(packet(0x82, [0, 1], text(filter), [1]));
    const end = await Promise.race([other.closed.then(() => 'closed'), other.next(9).then(({ body }) => body[2])]);
    assert.ok(end === 'closed' || end === 128, filter);
    await other.close();
  }
});

test('QoS 0 and QoS 2 are reports too, and a repeated packet is the same report', async () => {
  const before = accepted();
  raw.write(publishPacket('holdfast/local/all/report/qos0', envelope('SN-0'), { qos: 0 }));
  assert.is((await answerTo('qos0')).kind, 'stored');
  raw.write(publishPacket('holdfast/local/all/report/qos2', envelope('SN-2'), { qos: 2, id: 7 }));
  await raw.next(5);
  raw.write(publishPacket('holdfast/local/all/report/qos2', envelope('SN-2'), { qos: 2, id: 7, dup: true }));
  await raw.next(5);
  raw.write(packet(0x62, [0, 7]));
  await raw.next(7);
  assert.is((await answerTo('qos2')).kind, 'stored');
  const again = publishPacket('holdfast/local/all/report/dup', envelope('SN-2'), { id: 9 });
  raw.write(again, publishPacket('holdfast/local/all/report/dup', envelope('SN-2'), { id: 9, dup: true }));
  await raw.next(4);
  await raw.next(4);
  await until(() => all.of('dup').filter((kind) => kind === 'stored').length === 2);
  assert.is(accepted(), before + 3);
});

test('a request that is to be retained is refused and told so', async () => {
  const before = accepted();
  for (const qos of [1, 2] as const) {
    const other = await RawClient.open(site.mqttPort, { ...login, id: 'retains' });
    const id = `retained-${qos}`;
    other.write(publishPacket(`holdfast/local/all/report/${id}`, envelope('SN-R'), { qos, id: 3, retain: true }));
    await other.next(qos === 1 ? 4 : 5);
    assert.is((await answerTo(id)).body.code, 'malformed');
    await other.close();
  }
  assert.is(accepted(), before);
});

test('a will is refused with the connection', async () => {
  const will = { topic: 'holdfast/local/all/report/will', payload: envelope('SN-W') };
  let error: unknown;
  await RawClient.open(site.mqttPort, { ...login, id: 'will', will }).catch((cause: unknown) => {
    error = cause;
  });
  assert.match(String(error), /CONNACK 5/);
});

test('of states of the uplink an absent reader is told the present one only', async () => {
  const present = await FlowClient.connect(site.mqttPort, 'all', 'secret', 'present');
  await present.subscribe('holdfast/local/uplink');
  const last = () => JSON.parse(present.others.at(-1)?.body ?? '{}').connected;
  const away = await RawClient.open(site.mqttPort, { ...login, id: 'away', clean: false });
  assert.is(await away.subscribe('holdfast/local/uplink'), 1);
  const greeting = readPublish(await away.next(3));
  away.write(packet(0x40, [greeting.id >> 8, greeting.id & 0xff]));
  await away.close();
  await until(() => last() === true);
  await site.proxy.cut();
  await until(() => last() === false);
  await site.proxy.restore();
  await until(() => last() === true);
  const back = await RawClient.open(site.mqttPort, { ...login, id: 'away', clean: false });
  await back.next(3);
  // The answer to a ping comes behind everything that was kept.
  back.write(packet(0xc0));
  await back.next(13);
  assert.equal(
    back.packets.filter(({ type }) => type === 3).map((each) => readPublish(each).topic),
    [],
  );
  await back.close();
  await present.end();
});

test.run();
