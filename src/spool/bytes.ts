/** Little-endian numbers in a byte array, without the bounds checks that the caller has made already. */

/** Reads 0 to 2^32 - 1. */
export function readU32(data: Uint8Array, at: number): number {
  return (data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24)) >>> 0;
}

export function writeU32(data: Uint8Array, at: number, value: number): void {
  data[at] = value;
  data[at + 1] = value >>> 8;
  data[at + 2] = value >>> 16;
  data[at + 3] = value >>> 24;
}

/** Reads 0 to 2^48 - 1: enough for ms since 1970, microseconds of a process and every sequence, and exact in a double. */
export function readU48(data: Uint8Array, at: number): number {
  return readU32(data, at) + (data[at + 4]! | (data[at + 5]! << 8)) * 0x1_0000_0000;
}

/** `value` is a whole number; a fraction is cut off. */
export function writeU48(data: Uint8Array, at: number, value: number): void {
  writeU32(data, at, value % 0x1_0000_0000);
  const high = Math.floor(value / 0x1_0000_0000);
  data[at + 4] = high;
  data[at + 5] = high >>> 8;
}
