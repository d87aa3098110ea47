import * as assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import {
  builtInChannels,
  cleanKey,
  createChannels,
  decodeMessage,
  defaultTexts,
  encodeMessage,
  type MessageKind,
  parseBody,
  ReplyWriter,
  readReply,
  replaceTexts,
  replyTopic,
  states,
  validateAuthorizationQuery,
  validateReport,
} from '../../src/protocols/machines/index.ts';

const test = suite('machines protocol');
const folder = new URL('../fixtures/machines/', import.meta.url);
const fixture = (name: string) => readFileSync(new URL(`${name}.json`, folder));
const names = readdirSync(folder).map((name) => name.replace(/\.json$/, ''));
const channels = createChannels([{ name: 'site_climate', database: 'site', collection: 'climate', lane: 'bulk' }]);
const channelOf = (name: string) => channels.get(name)!;
const process = channelOf('device_process_info');
const kindOf = (name: string) => name.split('-')[0] as MessageKind;
const channelOfKind = (kind: MessageKind) => builtInChannels.find((channel) => channel.kind === kind)!;
const golden = names.filter((name) => /^(base|process|error|authorization)/.test(name));

test('every golden message is accepted', () => {
  assert.ok(golden.length >= 16);
  for (const name of golden) {
    const kind = kindOf(name);
    const result = validateReport(channelOfKind(kind), fixture(name));
    assert.ok(result.ok, name);
    assert.equal(result.serial, 'sn000001');
    assert.equal(result.unknownWord, undefined);
    assert.equal(result.state !== undefined, kind === 'process');
  }
  assert.ok(validateAuthorizationQuery(fixture('authorization')).ok);
});

test('every golden message survives decoding and encoding', () => {
  for (const name of golden) {
    const kind = kindOf(name);
    const message = decodeMessage(kind, fixture(name))!;
    const again = encodeMessage(kind, message);
    assert.deepEqual(parseBody(again), Object.assign({}, parseBody(fixture(name))), name);
    assert.deepEqual(decodeMessage(kind, again), message, name);
  }
});

test('every bad message is refused with its reason, key and usable serial', () => {
  const expected: Record<string, [string, string | undefined, string | undefined]> = {
    'bad-not-json': ['not-json', undefined, undefined],
    'bad-not-object': ['not-object', undefined, undefined],
    'bad-utf8': ['not-utf8', undefined, undefined],
    'bad-too-deep': ['too-deep', undefined, undefined],
    'bad-missing-key': ['missing-key', 'sn000001', '机器名称'],
    'bad-missing-state-key': ['missing-key', 'sn000001', '预热温度'],
    'bad-wrong-type': ['wrong-type', 'sn000001', '刮粉层数'],
    'bad-negative': ['wrong-type', 'sn000001', '刮粉层数'],
    'bad-time': ['wrong-type', 'sn000001', '报文时间'],
    'bad-empty-text': ['wrong-type', 'sn000001', '机器型号'],
    'bad-serial': ['bad-serial', undefined, '序列号'],
    'bad-serial-missing': ['missing-key', undefined, '序列号'],
  };
  for (const name of names.filter((each) => each.startsWith('bad-'))) {
    const result = validateReport(process, fixture(name));
    assert.ok(!result.ok, name);
    assert.deepEqual([result.reason, result.serial, result.key], expected[name], name);
  }
});

test('leaving out or emptying any required key is refused', () => {
  for (const name of golden) {
    const kind = kindOf(name);
    const body = parseBody(fixture(name)) as Record<string, unknown>;
    const isRequired = (key: string) => !/版本|类型$/.test(key) || key === '机器类型';
    for (const key of Object.keys(body).filter(isRequired)) {
      for (const value of [undefined, '', null, {}, [], true]) {
        const payload = Buffer.from(JSON.stringify({ ...body, [key]: value }));
        assert.ok(!validateReport(channelOfKind(kind), payload).ok, `${name} ${key} ${JSON.stringify(value)}`);
      }
    }
  }
});

const base = parseBody(fixture('process-spreading')) as Record<string, unknown>;
const withKeys = (more: object) => Buffer.from(JSON.stringify({ ...base, ...more }));

test('quantities are decimal numbers or strings of one', () => {
  for (const value of [0, 1, 2.5, '0', '20', '2.50', '007', '.5', '5.']) {
    assert.ok(validateReport(process, withKeys({ 刮粉层数: value })).ok, String(value));
  }
  for (const value of ['-1', -1, '1e3', '0x10', ' 5', '5 ', '.', '-', '1.2.3', 'NaN', 'Infinity', '1'.repeat(400)]) {
    assert.ok(!validateReport(process, withKeys({ 刮粉层数: value })).ok, String(value));
  }
  const tooLarge = withKeys({ 刮粉层数: 0 }).toString().replace(':0', ':1e400');
  assert.ok(!validateReport(process, Buffer.from(tooLarge)).ok);
  const preheating = { 设备状态: '预热', 预热时长: '20' };
  assert.ok(validateReport(process, withKeys({ ...preheating, 预热温度: '-12.5' })).ok);
  assert.ok(validateReport(process, withKeys({ ...preheating, 预热温度: -3 })).ok);
});

test('times have the format, one-digit fields and any date', () => {
  for (const time of ['2024-03-18 15:30:45', '2024-3-8 5:3:4', '2024-02-31 15:30:45', '9999-99-99 99:99:99']) {
    assert.ok(validateReport(process, withKeys({ 报文时间: time })).ok, time);
  }
  for (const time of [
    '2024-03-18T15:30:45',
    '2024-03-18 15:30',
    '24-03-18 15:30:45',
    '2024/03/18 15:30:45',
    20240318,
  ]) {
    assert.ok(!validateReport(process, withKeys({ 报文时间: time })).ok, String(time));
  }
});

test('an unknown state and an unknown level are accepted and told', () => {
  const state = validateReport(process, withKeys({ 设备状态: '清洗' }));
  assert.deepEqual(state, { ok: true, serial: 'sn000001', state: '清洗', unknownWord: 'state' });
  const error = { ...(parseBody(fixture('error')) as object), 异常等级: '灾难' };
  const level = validateReport(channelOf('device_error_info'), Buffer.from(JSON.stringify(error)));
  assert.deepEqual(level, { ok: true, serial: 'sn000001', state: undefined, unknownWord: 'level' });
  for (const { word } of Object.values(states)) {
    const result = validateReport(process, withKeys({ 设备状态: word }));
    assert.ok(!result.ok || result.unknownWord === undefined, word);
  }
});

test('keys are recognised after trimming, a BOM is skipped and the last of twins wins', () => {
  assert.equal(cleanKey(' 客户名称'), '客户名称');
  assert.equal(cleanKey('振镜类型 : '), '振镜类型');
  assert.equal(cleanKey('\u3000地址：'), '地址');
  assert.equal(cleanKey(' other:'), ' other:');
  const text = fixture('process-spreading').toString();
  assert.ok(validateReport(process, Buffer.from(`\uFEFF${text}`)).ok);
  const twins = (more: string) => validateReport(process, Buffer.from(text.replace('{', `{${more},`)));
  assert.equal(twins('"序列号":"first"').serial, 'sn000001');
  assert.equal(twins('" 序列号":"first"').serial, 'sn000001');
  const after = (more: string) => validateReport(process, Buffer.from(text.replace(/\}$/, `,${more}}`)));
  assert.equal(after('"序列号":"last"').serial, 'last');
  assert.equal(after('"序列号:":"last"').serial, 'last');
  assert.equal(after('"序列号:":"twin","序列号":"last"').serial, 'last');
  assert.equal(after('"x":{"序列号:":"inner"}').serial, 'sn000001');
  assert.equal(after('"__proto__":{"序列号":"x"}," 更多:":1').serial, 'sn000001');
});

test('nesting of 32 is accepted and of 33 refused', () => {
  const nested = (depth: number) =>
    Buffer.from(
      fixture('process-spreading')
        .toString()
        .replace(/\}$/, `,"x":${'['.repeat(depth)}${']'.repeat(depth)}}`),
    );
  assert.ok(validateReport(process, nested(31)).ok);
  assert.ok(!validateReport(process, nested(32)).ok);
  assert.ok(!validateReport(process, nested(200_000)).ok);
});

test('no bytes make validation throw', () => {
  const source = fixture('process-printing');
  let seed = 12_345;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < 3000; round++) {
    const bytes = Buffer.from(source.subarray(0, random(4) === 0 ? random(source.length) : source.length));
    for (let flips = random(4); flips >= 0 && bytes.length > 0; flips--) bytes[random(bytes.length)] = random(256);
    const result = validateReport(process, bytes);
    assert.ok(result.ok || result.reason.length > 0);
    if (result.serial !== undefined) assert.match(result.serial, /^[A-Za-z0-9_-]{1,64}$/);
  }
});

test('configured channels take any object with a serial, those of the gateway one that names it', () => {
  const climate = channelOf('site_climate');
  assert.ok(validateReport(climate, Buffer.from('{"序列号":"s1","t":[1,{"a":2}]}')).ok);
  assert.ok(!validateReport(climate, Buffer.from('{"t":1}')).ok);
  const event = validateReport(channelOf('gateway_event'), Buffer.from('{"gateway":"gw-1","seq":1,"kind":"gap"}'));
  assert.ok(event.ok && event.serial === 'gw-1');
  assert.throws(() => createChannels([{ ...climate, name: 'device_auth' }]), RangeError);
  assert.throws(() => createChannels([{ ...climate, name: 'a_res' }]), RangeError);
});

const replies = new ReplyWriter();
const time = '2024-03-18 15:30:45';
const serial = 'sn000001';

test('replies are those of the seed, byte for byte', () => {
  const stored = { serial, text: undefined, time };
  const report = (kind: MessageKind, state?: string) =>
    replies.report({ ...stored, channel: channelOfKind(kind), state });
  assert.deepEqual(report('base'), fixture('reply-base'));
  assert.deepEqual(report('process', '预热完成'), fixture('reply-process'));
  assert.deepEqual(report('error'), fixture('reply-error'));
  assert.deepEqual(replies.authorization(stored), fixture('reply-authorization'));
  assert.equal(replyTopic('device_auth', serial), 'device_auth_sn000001_res');
  assert.equal(replyTopic('device_auth', undefined), 'device_auth_unknown_res');
});

test('what is written in a reply is read from it', () => {
  for (const state of ['打印', 'a"b\\c\n', '\ud800', undefined]) {
    const body = replies.report({
      channel: process,
      serial: undefined,
      state,
      text: 'malformed',
      time,
      withCode: true,
    });
    const read = readReply(body)!;
    assert.equal(read.error, '报文格式错误');
    assert.equal(read.code, 'malformed');
    assert.equal(read.serial, undefined);
    assert.equal(read.state, state ?? '');
    assert.equal(read.granted, false);
  }
  const english = new ReplyWriter({ language: 'en' });
  assert.equal(readReply(english.authorization({ serial, text: 'not-available', time }))?.granted, false);
  assert.equal(readReply(replies.authorization({ serial, text: undefined, time }))?.granted, true);
  assert.equal(readReply(Buffer.from('{}')), undefined);
  assert.equal(readReply(Buffer.from('nonsense')), undefined);
});

test('a file replaces texts, and its mistakes are named', () => {
  const texts = replaceTexts('\uFEFF{"malformed":{"zh":"错"}}', 'texts.json');
  assert.equal(texts.malformed.zh, '错');
  assert.equal(texts.malformed.en, defaultTexts.malformed.en);
  assert.equal(defaultTexts.malformed.zh, '报文格式错误');
  for (const content of [
    '{',
    '[]',
    '{"nothing":{}}',
    '{"malformed":1}',
    '{"malformed":{"fr":"x"}}',
    '{"malformed":{"en":1}}',
    // In a reply "" says that a report is stored.
    '{"storage-failed":{"zh":""}}',
    '{"not-authorized":{"en":" \\n"}}',
  ]) {
    assert.throws(() => replaceTexts(content, 'texts.json'), { code: 'configuration-invalid' }, content);
  }
});

test.run();
