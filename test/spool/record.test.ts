import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  align,
  encodeRecord,
  placeRecord,
  probeRecord,
  type RecordContent,
  recordBytesAtMost,
} from '../../src/spool/record.ts';
import { Random } from '../support/random.ts';

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-';

function word(random: Random): string {
  return Array.from({ length: random.between(1, 64) }, () => letters[random.below(letters.length)]).join('');
}

function contentOf(random: Random): RecordContent {
  return {
    channel: word(random),
    serial: word(random),
    payload: random.bytes(random.pick([0, 1, 7, 8, 500, 3000])),
    sequence: random.pick([0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1, random.below(1e9)]),
    previous: random.pick([undefined, 0, 1, 2 ** 48 - 1]),
    boot: random.bytes(8).toString('hex'),
    monotonicUs: random.pick([0, 2 ** 48 - 1, random.below(1e9)]),
    wallMs: random.pick([0, 1_790_000_000_000]),
    clockTrusted: random.chance(0.5),
    movedIn: random.chance(0.5),
    origin: random.pick([undefined, 'flows/1', `${'c'.repeat(64)}/${'i'.repeat(64)}`]),
    reason: random.pick([undefined, '', 'malformed', 'ü'.repeat(60), 'x'.repeat(255)]),
  };
}

test('what was written is read back', () => {
  const random = new Random(2);
  for (let turn = 0; turn < 2000; turn++) {
    const content = contentOf(random);
    const place = { epoch: random.below(2 ** 32), ordinal: random.below(1e12), durable: random.below(2 ** 32) };
    const at = random.below(5) * 8;
    const atMost = recordBytesAtMost(content);
    const data = Buffer.alloc(at + atMost, 0xee);
    const length = encodeRecord(data, at, content, place);
    assert.ok(align(length) <= atMost, `${length} bytes, at most ${atMost}`);
    placeRecord(data, at, place);
    const probe = probeRecord(data, at, data.length, place.epoch, 4096);
    assert.is(probe.kind, 'record');
    if (probe.kind !== 'record') continue;
    assert.ok(probe.record.payload.equals(content.payload));
    const { payload, ...rest } = content;
    const { payload: _, ...read } = probe.record;
    assert.equal(read, { ...rest, ...place, at: 4096 + at, length });
    assert.ok(
      data.subarray(at + length, at + align(length)).every((byte) => byte === 0),
      'padding is zero',
    );
    assert.is(probeRecord(data, at, data.length, place.epoch ^ 1).kind, 'old');
    assert.is(probeRecord(data, at, at + length - 1, place.epoch).kind, 'invalid');
  }
});

test('a reason that is too long is cut to 255 bytes', () => {
  const data = Buffer.alloc(2000);
  const content = { ...contentOf(new Random(3)), reason: 'y'.repeat(400), payload: Buffer.from('rest') };
  encodeRecord(data, 0, content, { epoch: 1, ordinal: 0, durable: 4096 });
  const probe = probeRecord(data, 0, data.length, 1);
  assert.ok(probe.kind === 'record' && probe.record.reason === 'y'.repeat(255));
  assert.ok(probe.kind === 'record' && probe.record.payload.toString() === 'rest');
});

test('every flipped bit is noticed', () => {
  const random = new Random(4);
  for (let turn = 0; turn < 5; turn++) {
    const content = { ...contentOf(random), payload: random.bytes(50) };
    const data = Buffer.alloc(recordBytesAtMost(content));
    const length = encodeRecord(data, 0, content, { epoch: 7, ordinal: 9, durable: 4096 });
    for (let bit = 0; bit < length * 8; bit++) {
      data[bit >> 3]! ^= 1 << (bit & 7);
      assert.is(probeRecord(data, 0, data.length, 7).kind, 'invalid', `bit ${bit}`);
      data[bit >> 3]! ^= 1 << (bit & 7);
    }
  }
});

test.run();
