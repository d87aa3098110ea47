import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RecentReplies } from '../../src/intake/recent-replies.ts';
import { createChannels } from '../../src/protocols/machines/index.ts';

const channels = createChannels([]);
const process = channels.get('device_process_info')!;
const base = channels.get('device_base_info')!;

test('another machine, channel, state or second gets words of its own; the same again what was written', () => {
  const replies = new RecentReplies();
  let written = 0;
  const obtain = (serial: string, channel = process, state: string | undefined = '打印完成', time = '12:00:00') =>
    replies.obtain({ channel, serial, state, time }, () => ({ topic: `${written++}`, body: Buffer.alloc(0) })).topic;
  assert.is(obtain('a'), '0');
  assert.is(obtain('a'), '0');
  assert.is(obtain('b'), '1');
  assert.is(obtain('a'), '0');
  assert.is(obtain('a', process, '预热'), '2');
  assert.is(obtain('a'), '3');
  assert.is(obtain('a', base, undefined), '4');
  assert.is(obtain('a', base, undefined), '4');
  assert.is(obtain('b'), '1');
  assert.is(obtain('b', process, '打印完成', '12:00:01'), '5');
  assert.is(obtain('a', base, undefined, '12:00:01'), '6');
  assert.is(obtain('b', process, '打印完成', '12:00:01'), '5');
});

test('more machines within a second than are remembered are answered all the same', () => {
  const replies = new RecentReplies();
  const obtain = (serial: string) =>
    replies.obtain({ channel: base, serial, state: undefined, time: 't' }, () => ({
      topic: serial,
      body: Buffer.alloc(0),
    })).topic;
  for (let turn = 0; turn < 2; turn++) for (let n = 0; n < 5000; n++) assert.is(obtain(`m${n}`), `m${n}`);
});

test.run();
