import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TopicReader } from '../../src/broker/topic-reader.ts';

test('reads each topic as it stands, whatever was read before it', () => {
  const reader = new TopicReader();
  const long = 'x'.repeat(200);
  const topics = [
    '',
    'a',
    'b',
    'ab',
    'ac',
    'ab',
    'device_base_info',
    'device_base_infp',
    'eevice_base_info',
    long,
    'a',
    long,
  ];
  for (const topic of [...topics, ...topics.toReversed()]) {
    const buffer = Buffer.from(`<${topic}>`, 'latin1');
    assert.is(reader.read(buffer, 1, buffer.length - 1), topic);
    // The buffer is the connection's, and used again.
    buffer.fill(0);
  }
});

test('bytes beyond ASCII are a character each', () => {
  const reader = new TopicReader();
  for (let turn = 0; turn < 2; turn++) assert.is(reader.read(Buffer.of(0xe9, 0x41, 0xff), 0, 3), '\u00e9A\u00ff');
});

test.run();
