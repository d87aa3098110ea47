import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { toDocument } from '../../src/documents/index.ts';
import { SiteTime } from '../../src/platform/index.ts';
import { Double } from '../../src/store/index.ts';

const site = new SiteTime('Asia/Shanghai');
const time = { key: '报文时间', parse: (text: string) => site.parse(text) };
const origin = { id: 'gw-0-1', receivedMs: 1_700_000_000_000 };

/** The document without what every document has. */
function stored(body: string | object, more: object = {}): Record<string, unknown> {
  const payload = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const { _received, ...document } = toDocument(payload, { ...origin, ...more }, time);
  assert.equal(_received, new Date(origin.receivedMs));
  return document;
}

const test = suite('stored documents');

test('keys and values stand as received, ours beside them', () => {
  const body = { 序列号: 'sn1', 报文时间: '2024-03-18 15:30:45', 预热时长: '20', extra: null };
  assert.equal(stored(body, { gateway: 'gw', sequence: 7, previous: 3, acceptedMs: 1000, clock: 'untrusted' }), {
    _id: 'gw-0-1',
    ...body,
    _time: new Date('2024-03-18T07:30:45Z'),
    _accepted: new Date(1000),
    _clock: 'untrusted',
    _gateway: 'gw',
    _seq: 7n,
    _prev: 3n,
  });
});

test('a time that cannot be read is null', () => {
  for (const at of ['2024-02-31 00:00:00', 'yesterday', 5, null, undefined]) {
    assert.is(stored({ 报文时间: at })._time, null);
  }
  assert.equal(stored({ 报文时间: '2024-3-8 5:3:4' })._time, new Date('2024-03-07T21:03:04Z'));
});

test('a local time that occurs twice is the earlier', () => {
  const berlin = new SiteTime('Europe/Berlin');
  const body = Buffer.from('{"报文时间":"2024-10-27 02:30:00"}');
  const document = toDocument(body, origin, { key: '报文时间', parse: (text) => berlin.parse(text) });
  assert.equal(document._time, new Date('2024-10-27T00:30:00Z'));
});

test('integers are 64 bits wide, larger ones a string', () => {
  const body =
    '{"a":20,"b":-9223372036854775808,"c":9223372036854775807,"d":9223372036854775808,"e":-0,"f":[9007199254740993]}';
  const { _id, _time, ...document } = stored(body);
  assert.equal(document, {
    a: 20n,
    b: -9223372036854775808n,
    c: 9223372036854775807n,
    d: '9223372036854775808',
    e: 0n,
    f: [9007199254740993n],
    _numbers: { d: '9223372036854775808', e: '-0' },
  });
});

test('decimals are doubles, with their text where that would change it', () => {
  const { _id, _time, ...document } = stored(
    '{"a":1.5,"b":1.0,"c":0.1000,"d":1e3,"e":1e400,"f":{"g.h":[1.5,2.50,{"i":3}]},"j":-0.0,"k":0.30000000000000004}',
  );
  assert.equal(document, {
    a: 1.5,
    b: new Double(1),
    c: 0.1,
    d: new Double(1000),
    e: '1e400',
    f: { 'g．h': [1.5, 2.5, { i: 3n }] },
    j: new Double(0),
    k: 0.30000000000000004,
    _numbers: { b: '1.0', c: '0.1000', d: '1e3', e: '1e400', f: { 'g．h': { 1: '2.50' } }, j: '-0.0' },
  });
});

test("a client's key is neither one of ours nor an operator, at any depth", () => {
  const { _id, _time, ...document } = stored(
    '{"_id":"x","$set":{"a.b":1,"$ne":2,"_seq":3},"n\\u0000l":["x",{"_time":true}],"__proto__":{"polluted":true}}',
  );
  assert.is(_id, 'gw-0-1');
  assert.equal(document, {
    '＿id': 'x',
    '＄set': { 'a．b': 1n, '＄ne': 2n, '＿seq': 3n },
    'n␀l': ['x', { '＿time': true }],
    '＿_proto__': { polluted: true },
  });
  assert.is(({} as { polluted?: boolean }).polluted, undefined);
});

test('escaped keys do not meet', () => {
  const { _id, _time, ...document } = stored('{"_a":"1","＿a":"2","a.b":"3","a．b":"4"}');
  assert.equal(document, { '＿＿a': '1', '＿a': '2', '＿a．b': '3', 'a．b': '4' });
});

test('a recognised key is stored under its clean name', () => {
  const document = stored(
    '{" 客户名称":"重庆达优","振镜类型:":"菲镭钛克","own: ":"x","报文时间 ：":"2024-03-18 15:30:45"}',
  );
  assert.is(document.客户名称, '重庆达优');
  assert.is(document.振镜类型, '菲镭钛克');
  assert.is(document['own: '], 'x');
  assert.equal(document._time, new Date('2024-03-18T07:30:45Z'));
  assert.equal(document._keys, { 客户名称: ' 客户名称', 振镜类型: '振镜类型:', 报文时间: '报文时间 ：' });
});

test('of equal keys the last wins, also when they differ by a colon', () => {
  assert.is(stored('{"a":"1","a":"2"}').a, '2');
  const first = stored('{"序列号:":"sn1","序列号":"sn2","x":1.50}');
  assert.is(first.序列号, 'sn2');
  assert.is(first._keys, undefined);
  const second = stored('{"序列号":"sn2","序列号:":"sn1"}');
  assert.is(second.序列号, 'sn1');
  assert.equal(second._keys, { 序列号: '序列号:' });
  assert.is('序列号:' in second, false);
});

test('a byte order mark is skipped', () => {
  assert.is(stored('\ufeff{"a":"1"}').a, '1');
  assert.is(stored('\ufeff{"a":1.50}').a, 1.5);
});

test('a key that is a number of the array kind keeps its value', () => {
  assert.equal(stored('{"2":"b","1":"a"}')[1], 'a');
});

test.run();
