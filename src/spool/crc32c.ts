/**
 * CRC-32C (Castagnoli), as in RFC 3720 appendix B.4: reflected polynomial 0x82F63B78, initial value and final XOR
 * 0xFFFFFFFF. The check value of "123456789" is 0xE3069283.
 *
 * Sixteen tables, so that sixteen bytes cost sixteen independent look-ups instead of a chain of sixteen.
 */
const tables = makeTables(16);
const [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15] = tables as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

/** The checksum, 0 to 2^32 - 1, of `data` from `start` (inclusive) to `end` (exclusive). */
export function crc32c(data: Uint8Array, start = 0, end = data.length): number {
  let crc = -1;
  let at = start;
  for (const stop = end - 16; at <= stop; at += 16) {
    crc =
      t15[(data[at]! ^ crc) & 0xff]! ^
      t14[(data[at + 1]! ^ (crc >>> 8)) & 0xff]! ^
      t13[(data[at + 2]! ^ (crc >>> 16)) & 0xff]! ^
      t12[data[at + 3]! ^ (crc >>> 24)]! ^
      t11[data[at + 4]!]! ^
      t10[data[at + 5]!]! ^
      t9[data[at + 6]!]! ^
      t8[data[at + 7]!]! ^
      t7[data[at + 8]!]! ^
      t6[data[at + 9]!]! ^
      t5[data[at + 10]!]! ^
      t4[data[at + 11]!]! ^
      t3[data[at + 12]!]! ^
      t2[data[at + 13]!]! ^
      t1[data[at + 14]!]! ^
      t0[data[at + 15]!]!;
  }
  for (; at < end; at++) crc = t0[(crc ^ data[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

function makeTables(count: number): Int32Array[] {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    first[byte] = value;
  }
  const result = [first];
  while (result.length < count) {
    const before = result[result.length - 1]!;
    result.push(before.map((value) => (value >>> 8) ^ first[value & 0xff]!));
  }
  return result;
}
