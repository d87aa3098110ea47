/**
 * An entry of the file of a repeat window, 48 bytes, little-endian: the digest (32), the sequence (6; its highest bit is
 * set when it is decided what became of the report), tenths of a second of window time (4), how often the ring had been
 * gone round (2), CRC-32C of all before it (4).
 */
import { readU32, readU48, writeU32, writeU48 } from './bytes.ts';
import { crc32c } from './crc32c.ts';

export const entryBytes = 48;
const digestBytes = 32;
const settledBit = 2 ** 47;

/** Writes an entry at `at`; a digest is a text of a character per byte. */
export function writeEntry(
  target: Buffer,
  at: number,
  entry: { readonly digest: string; readonly sequence: number; readonly time: number; readonly lap: number },
): void {
  target.write(entry.digest, at, digestBytes, 'latin1');
  writeU48(target, at + 32, entry.sequence);
  writeU32(target, at + 38, entry.time);
  target.writeUInt16LE(entry.lap, at + 42);
  writeU32(target, at + 44, crc32c(target, at, at + 44));
}

/** Sets in an entry that it is decided what became of its report. */
export function settleEntry(entry: Buffer): void {
  writeU48(entry, 32, sequenceOf(entry, 0) + settledBit);
  writeU32(entry, 44, crc32c(entry, 0, 44));
}

/** The same as the first four bytes of the entry. */
export const lowOf = (digest: string): number =>
  (digest.charCodeAt(0) | (digest.charCodeAt(1) << 8) | (digest.charCodeAt(2) << 16) | (digest.charCodeAt(3) << 24)) >>>
  0;
export const digestOf = (entry: Buffer): string => entry.toString('latin1', 0, digestBytes);
export const isWhole = (data: Buffer, at: number): boolean => crc32c(data, at, at + 44) === readU32(data, at + 44);
export const sequenceOf = (data: Buffer, at: number): number => readU48(data, at + 32) % settledBit;
export const isSettled = (data: Buffer, at: number): boolean => readU48(data, at + 32) >= settledBit;
export const timeOf = (data: Buffer, at: number): number => readU32(data, at + 38);
export const lapOf = (data: Buffer, at: number): number => data.readUInt16LE(at + 42);
