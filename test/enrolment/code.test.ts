import { createPublicKey } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  drawCode,
  formatCode,
  lookupHash,
  newBoxKey,
  openSettings,
  parseCode,
  readAnswer,
  readRequest,
  sealSettings,
  signAnswer,
  signRequest,
} from '../../src/enrolment/index.ts';

const test = suite('enrolment codes');

test('a code has eight groups of five characters that nobody confuses, and 180 random bits', () => {
  const seen = new Set<string>();
  for (let round = 0; round < 200; round++) {
    const code = drawCode();
    const text = formatCode(code);
    assert.match(text, /^([0-9A-HJKMNP-TV-Z]{5}-){7}[0-9A-HJKMNP-TV-Z]{5}$/);
    assert.equal(parseCode(text), code);
    assert.is(code.lookup.length * 5, 60);
    assert.is(code.secret.length * 5, 120);
    seen.add(code.lookup).add(code.secret);
  }
  assert.is(seen.size, 400);
});

test('it is read as people type it', () => {
  const code = drawCode();
  const text = formatCode(code);
  assert.equal(parseCode(text.toLowerCase()), code);
  assert.equal(parseCode(` ${text.replaceAll('-', ' ')}\n`), code);
  assert.equal(parseCode(text.replaceAll('0', 'O').replaceAll('1', 'l')), code);
});

test('a mistyped character, a missing group and anything else is noticed', () => {
  const text = formatCode({ lookup: '0123456789AB', secret: 'CDEFGHJKMNPQRSTVWXYZ0123' });
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '-') continue;
    const other = text[at] === '7' ? '8' : '7';
    assert.is(parseCode(text.slice(0, at) + other + text.slice(at + 1)), undefined, `at ${at}`);
  }
  for (const wrong of ['', text.slice(0, -6), `${text}-00000`, `${text.slice(0, -1)}U`, 'x'.repeat(10_000)]) {
    assert.is(parseCode(wrong), undefined);
  }
});

test('settings are opened by the whole code only, and not once they were changed', () => {
  const code = drawCode();
  const settings = { url: 'amqps://a:b@c', gateway: 'gw-1' };
  const sealed = sealSettings(settings, code);
  assert.equal(openSettings(sealed, code), settings);
  assert.is(openSettings(sealed, { ...code, secret: drawCode().secret }), undefined);
  assert.is(openSettings(sealed, { ...code, lookup: drawCode().lookup }), undefined);
  const bytes = Buffer.from(sealed, 'base64');
  for (const at of [0, 12, 28, bytes.length - 1]) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1;
    assert.is(openSettings(changed.toString('base64'), code), undefined, `byte ${at}`);
  }
  assert.is(openSettings(bytes.subarray(0, 20).toString('base64'), code), undefined);
  assert.is.not(sealSettings(settings, code), sealed);
  assert.not.match(sealed + bytes.toString('latin1') + lookupHash(code.lookup), new RegExp(`amqps|${code.secret}`));
});

test('a request counts only as its box signed it', () => {
  const key = newBoxKey();
  const request = signRequest({ lookup: drawCode().lookup, gateway: 'gw-1', fixed: false }, key);
  assert.equal(readRequest(JSON.parse(JSON.stringify(request))), request);
  const changes = {
    lookup: drawCode().lookup,
    gateway: 'gw-2',
    fixed: true,
    nonce: Buffer.alloc(16).toString('base64'),
    box: signRequest({ lookup: request.lookup, gateway: 'gw-1', fixed: false }, newBoxKey()).box,
    signature: Buffer.alloc(64).toString('base64'),
  };
  for (const [name, value] of Object.entries(changes)) {
    assert.is(readRequest({ ...request, [name]: value }), undefined, name);
    assert.is(readRequest({ ...request, [name]: { $ne: '' } }), undefined, `${name} as an object`);
    assert.is(readRequest({ ...request, [name]: undefined }), undefined, `${name} missing`);
  }
  for (const value of [undefined, null, 1, 'x', [], { lookup: 1 }]) assert.is(readRequest(value), undefined);
});

test('an answer counts only for the request that it was given to', () => {
  const [box, centre] = [newBoxKey(), newBoxKey()];
  const ask = () => signRequest({ lookup: 'AAAAAAAAAAAA', gateway: 'gw-1', fixed: false }, box);
  const [request, later] = [ask(), ask()];
  const key = publicPem(centre);
  const answer = signAnswer({ gateway: 'gw-1', sealed: 'c2VhbGVk', key }, request, centre);
  assert.equal(readAnswer(JSON.parse(JSON.stringify(answer)), request), answer);
  assert.is(readAnswer(answer, later), undefined, 'a replay');
  assert.is(readAnswer({ ...answer, gateway: 'gw-2' }, request), undefined);
  assert.is(readAnswer({ ...answer, sealed: 'eHh4' }, request), undefined);
  assert.is(readAnswer({ ...answer, key: publicPem(newBoxKey()) }, request), undefined);
  for (const value of [undefined, null, 'x', {}, { ...answer, key: 'no key' }]) {
    assert.is(readAnswer(value, request), undefined);
  }
});

function publicPem(privateKey: ReturnType<typeof newBoxKey>): string {
  return createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }) as string;
}

test.run();
