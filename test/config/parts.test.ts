import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { configurationReference, nearest, networkMatcher, redactText, redactUrl } from '../../src/config/index.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/config/quantities.ts';

const test = suite('configuration, parts');

test('the reference page is up to date (bin/node scripts/configuration-reference.ts)', () => {
  const page = new URL('../../docs/configuration.md', import.meta.url);
  assert.fixture(readFileSync(page, 'utf8'), configurationReference());
});

test('sizes', () => {
  assert.is(parseSize('4GiB'), 4 * 2 ** 30);
  assert.is(parseSize('0.5 KiB'), 512);
  for (const text of ['4', '4GB', '-1MiB', '1e3B', '0.3B', '99999999TiB', '4 GiB x']) {
    assert.is(parseSize(text), undefined, text);
  }
  assert.equal([0, 512, 1024, 1536, 8 * 2 ** 20].map(formatSize), ['0B', '512B', '1KiB', '1536B', '8MiB']);
});

test('durations', () => {
  assert.equal(
    ['250ms', '3s', '1.5m', '72h', '30d'].map(parseDuration),
    [250, 3000, 90_000, 259_200_000, 2_592_000_000],
  );
  for (const text of ['3', '3sec', '1.5ms', '-1s', '']) assert.is(parseDuration(text), undefined, text);
  assert.equal([0, 100, 3000, 600_000].map(formatDuration), ['0ms', '100ms', '3s', '10m']);
});

test('URLs without their password', () => {
  assert.is(redactUrl('amqps://user:secret@host:5671/v'), 'amqps://user:***@host:5671/v');
  assert.is(redactUrl('amqp://user:a@b/c#d@host/v'), 'amqp://user:***@host/v');
  assert.is(redactUrl('amqp://host/v'), 'amqp://host/v');
  assert.is(redactUrl('mongodb://u:p@a,b/?authToken=x&w=1'), 'mongodb://u:***@a,b/?authToken=***&w=1');
  assert.is(redactText('cannot reach mqtt://u:p@h, gave up'), 'cannot reach mqtt://u:***@h, gave up');
});

test('networks', () => {
  const isNear = networkMatcher(['192.168.0.0/16', 'fd00::/8', '203.0.113.7']);
  for (const address of ['127.0.0.1', '::1', '192.168.4.5', '::ffff:192.168.4.5', 'fd00::1%eth0', '203.0.113.7']) {
    assert.ok(isNear(address), address);
  }
  for (const address of ['203.0.113.8', '10.0.0.1', '2001:db8::1', 'nonsense', undefined]) assert.not(isNear(address));
});

test('the nearest word', () => {
  const words = ['gateway', 'central', 'demo', 'simulate'];
  assert.is(nearest('gatewya', words), 'gateway');
  assert.is(nearest('dmeo', words), 'demo');
  assert.is(nearest('enrol', words), undefined);
});

test.run();
