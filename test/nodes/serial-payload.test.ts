import { readFileSync } from 'node:fs';
import { SerialError, validateFraming } from '@holdfast/hardware/serial';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lineRequest, parseEscapes, type SerialPortConfig } from '../../nodes/shared/serial-config.ts';
import { decodePayload, encodePayload } from '../../nodes/shared/serial-payload.ts';
import { portNode } from './serial-flow.ts';

const test = suite('serial payloads and settings');

const code = (expected: string) => (error: unknown) => error instanceof SerialError && error.code === expected;

test('text in each encoding, there and back', () => {
  const text = '温度：21.5℃ 合格';
  for (const encoding of ['utf8', 'gb18030'] as const) {
    assert.is(decodePayload(encodePayload(text, encoding), 'text', encoding), text);
  }
  assert.equal([...encodePayload('中', 'gb18030')], [0xd6, 0xd0]);
  assert.is(decodePayload(encodePayload('21 °C', 'latin1'), 'text', 'latin1'), '21 °C');
  assert.throws(() => encodePayload('中', 'latin1'), code('not-encodable'));
  assert.throws(() => encodePayload('😀', 'gb18030'), code('not-encodable'));
});

test('what a payload is written as', () => {
  assert.is(encodePayload({ a: [1] }, 'utf8').toString(), '{"a":[1]}');
  assert.is(encodePayload(12, 'utf8').toString(), '12');
  assert.is(encodePayload(false, 'utf8').toString(), 'false');
  assert.equal([...encodePayload(Uint8Array.of(0, 255), 'latin1')], [0, 255]);
  for (const empty of [undefined, null]) assert.throws(() => encodePayload(empty, 'utf8'), code('not-encodable'));
});

test('JSON, and what is none', () => {
  assert.equal(decodePayload(Buffer.from(' {"名":1} '), 'json', 'utf8'), { 名: 1 });
  assert.throws(() => decodePayload(Buffer.from('{"a":'), 'json', 'utf8'), code('not-json'));
});

test('escapes in a delimiter', () => {
  assert.equal([...parseEscapes('a\\r\\n\\t\\0\\\\\\x03\\xfF;')], [97, 13, 10, 9, 0, 92, 3, 255, 59]);
  assert.equal([...parseEscapes('。')], [0xe3, 0x80, 0x82]);
  for (const wrong of ['\\q', '\\', '\\x1']) assert.throws(() => parseEscapes(wrong), code('invalid-framing'), wrong);
});

test('what the dialog saves for each framing is understood, also as texts', () => {
  const kinds = { line: {}, delimiter: { delimiter: '\\x03' }, fixed: { frameLength: '8' }, length: {}, silence: {} };
  for (const [framing, settings] of Object.entries({ ...kinds, regex: { pattern: ';' }, slip: {}, none: {} })) {
    const node = portNode('p', 'sim:a', { framing, ...settings }) as SerialPortConfig;
    const request = lineRequest(node, 'p');
    validateFraming(request.framing, request.maxFrameBytes);
    assert.is(request.framing.kind, framing);
    assert.is(request.settings?.baudRate, 115_200);
  }
  assert.throws(() => lineRequest(portNode('p', ' ') as SerialPortConfig, 'p'), code('invalid-uri'));
  const wrong = lineRequest(portNode('p', 'sim:a', { framing: 'morse' }) as SerialPortConfig, 'p');
  assert.throws(() => validateFraming(wrong.framing), /morse/);
});

test('the catalogues have what the dialogs name, in both languages', () => {
  for (const node of ['serial-port', 'serial-in', 'serial-out', 'serial-request']) {
    const folder = new URL(`../../nodes/${node}/`, import.meta.url);
    const read = (path: string) => readFileSync(new URL(path, folder), 'utf8');
    const catalogues = ['en-US', 'zh-CN'].map((language) => keys(JSON.parse(read(`locales/${language}/${node}.json`))));
    assert.equal(catalogues[0], catalogues[1], node);
    const named = read(`${node}.html`).matchAll(new RegExp(`["'\\]](${node}\\.[\\w.-]+)["']`, 'g'));
    for (const [, key] of named) {
      if (key !== `${node}.html`) assert.ok(catalogues[0]?.includes(key!), `${node}: ${key}`);
    }
    for (const language of ['en-US', 'zh-CN']) {
      assert.match(read(`locales/${language}/${node}.html`), `data-help-name="holdfast-${node}"`);
    }
  }
});

function keys(catalogue: object, path = ''): string[] {
  return Object.entries(catalogue).flatMap(([key, value]) =>
    typeof value === 'object' ? keys(value as object, `${path}${key}.`) : [`${path}${key}`],
  );
}

test.run();
