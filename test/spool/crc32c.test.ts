import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32c } from '../../src/spool/crc32c.ts';
import { Random } from '../support/random.ts';

test('gives the values that RFC 3720 B.4 and the catalogue of CRCs state', () => {
  const ascending = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
  assert.is(crc32c(Buffer.from('123456789')), 0xe3069283);
  assert.is(crc32c(Buffer.alloc(0)), 0);
  assert.is(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.is(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  assert.is(crc32c(ascending), 0x46dd794e);
  assert.is(crc32c(ascending.toReversed()), 0x113fdb5c);
  const readCommand =
    '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' + '0200000000000000';
  assert.is(crc32c(Buffer.from(readCommand, 'hex')), 0xd9963a56);
});

test('equals the definition bit by bit, at any offset and length', () => {
  const random = new Random(1);
  const data = random.bytes(300);
  for (let turn = 0; turn < 500; turn++) {
    const start = random.below(100);
    const end = start + random.below(200);
    assert.is(crc32c(data, start, end), bitByBit(data.subarray(start, end)));
  }
});

function bitByBit(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

test.run();
