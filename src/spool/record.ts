/**
 * The record, the unit of the log; `docs/spool-format.md` describes it for other readers.
 *
 * A record is self-sufficient: it names its place in the log, who it is, and the use of the segment that it belongs to
 * (`epoch`), so that what an earlier use left behind is never taken for it. All numbers are little-endian. Records
 * begin at multiples of 8 bytes; the bytes between the end of one and the next multiple are zero.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { readU32, readU48, writeU32, writeU48 } from './bytes.ts';
import { crc32c } from './crc32c.ts';
import type { ReportIdentity } from './types.ts';

/** Bytes before channel, headers and payload. */
export const recordHeaderBytes = 56;
export const recordVersion = 1;

/** The byte at offset 8 of every record: 'H'. */
export const recordMark = 0x48;
const reportKind = 1;
/** Records that were written together, compressed as one. */
const groupKind = 2;
/** In a group, before the compressed records: their whole length, and how many they are. */
const groupHeaderBytes = 8;
const maxGroupBytes = 64 * 1024 * 1024;
const flags = { clockTrusted: 1, movedIn: 2 } as const;
const headerCodes = { serial: 1, previous: 2, reason: 3, origin: 4 } as const;

/** What is written: a report with its identity, and why it stands in this log when it does not come from a machine. */
export interface RecordContent extends ReportIdentity {
  readonly channel: string;
  readonly serial: string;
  readonly payload: Uint8Array;
  /** True when it was moved here from another log instead of being accepted here. */
  readonly movedIn: boolean;
  /** Why it stands aside, in deferred, quarantine and refused; at most 255 bytes of UTF-8. */
  readonly reason: string | undefined;
  /** As in `NewReport`. */
  readonly origin: string | undefined;
}

/** Where a record stands. */
export interface RecordPlace {
  readonly epoch: number;
  /** Place in the log, from 0, counted since the log was made. */
  readonly ordinal: number;
  /** Bytes of the segment that were on the device when this record was written. */
  readonly durable: number;
}

/** What is needed to read a record again. */
export type RecordPosition = Pick<DecodedRecord, 'epoch' | 'at' | 'length' | 'ordinal'>;

/** A record as read back; `payload` refers to the buffer that it was read from. */
export interface DecodedRecord extends RecordContent, RecordPlace {
  readonly payload: Buffer;
  /** Where it begins in its segment. */
  readonly at: number;
  /** Whole length in bytes, without the padding to the next multiple of 8. */
  readonly length: number;
}

/** Rounds up to where the next record may begin. */
export function align(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** An upper bound of the bytes that `content` takes, with padding. */
export function recordBytesAtMost(
  content: Pick<RecordContent, 'channel' | 'serial' | 'payload' | 'reason' | 'origin'>,
): number {
  const reason = content.reason === undefined ? 0 : 2 + Math.min(255, content.reason.length * 3);
  const origin = content.origin === undefined ? 0 : 2 + content.origin.length;
  return align(
    recordHeaderBytes + content.channel.length + content.serial.length + 12 + reason + origin + content.payload.length,
  );
}

/** Writes a record at `at` and returns its length without padding; the padding is zeroed. */
export function encodeRecord(into: Buffer, at: number, content: RecordContent, place: RecordPlace): number {
  let end = at + recordHeaderBytes;
  const channelLength = writeAscii(into, end, content.channel);
  end += channelLength;
  const headersStart = end;
  const serialLength = writeAscii(into, end + 2, content.serial);
  into[end] = headerCodes.serial;
  into[end + 1] = serialLength;
  end += 2 + serialLength;
  if (content.previous !== undefined) {
    into[end] = headerCodes.previous;
    into[end + 1] = 8;
    writeU48(into, end + 2, content.previous);
    into[end + 8] = 0;
    into[end + 9] = 0;
    end += 10;
  }
  if (content.reason !== undefined) {
    const reason = Buffer.from(content.reason).subarray(0, 255);
    into[end] = headerCodes.reason;
    into[end + 1] = reason.length;
    into.set(reason, end + 2);
    end += 2 + reason.length;
  }
  if (content.origin !== undefined) {
    into[end] = headerCodes.origin;
    into[end + 1] = writeAscii(into, end + 2, content.origin);
    end += 2 + content.origin.length;
  }
  const headersLength = end - headersStart;
  into.set(content.payload, end);
  end += content.payload.length;

  into[at + 8] = recordMark;
  into[at + 9] = recordVersion;
  into[at + 10] = reportKind;
  into[at + 11] = (content.clockTrusted ? flags.clockTrusted : 0) | (content.movedIn ? flags.movedIn : 0);
  writeU32(into, at + 4, end - at);
  into[at + 20] = channelLength;
  into[at + 21] = 0;
  into[at + 22] = headersLength & 0xff;
  into[at + 23] = headersLength >>> 8;
  writeU48(into, at + 24, content.sequence);
  writeU48(into, at + 36, content.monotonicUs);
  writeU48(into, at + 42, content.wallMs);
  writeBoot(into, at + 48, content.boot);
  const padded = at + align(end - at);
  for (let pad = end; pad < padded; pad++) into[pad] = 0;
  placeRecord(into, at, place);
  return end - at;
}

/** Gives an encoded record its place and its checksum; so often as the place changes before it is written. */
export function placeRecord(into: Buffer, at: number, place: RecordPlace): void {
  writeU32(into, at + 12, place.epoch);
  writeU32(into, at + 16, place.durable);
  writeU48(into, at + 30, place.ordinal);
  writeU32(into, at, crc32c(into, at + 4, at + readU32(into, at + 4)));
}

/** What stands at a place of a segment. */
export type Probe =
  | { readonly kind: 'record'; readonly record: DecodedRecord }
  /** Several, in order; `length` is that of all together. Each stands `at` the group and has its length. */
  | { readonly kind: 'group'; readonly records: readonly DecodedRecord[]; readonly length: number }
  /** A valid record that an earlier use of the segment left behind. */
  | { readonly kind: 'old'; readonly length: number }
  /** A record of a version or kind that this program does not know, with a valid checksum. */
  | { readonly kind: 'unknown'; readonly version: number }
  | { readonly kind: 'invalid' };

const invalid: Probe = { kind: 'invalid' };

/** Reads what stands at `at`; a record must end before `end`. `data` begins at `base` of its segment. */
export function probeRecord(data: Buffer, at: number, end: number, epoch: number, base = 0): Probe {
  if (at + recordHeaderBytes > end || data[at + 8] !== recordMark) return invalid;
  const length = readU32(data, at + 4);
  if (length < recordHeaderBytes || at + length > end) return invalid;
  if (crc32c(data, at + 4, at + length) !== readU32(data, at)) return invalid;
  const recordEpoch = readU32(data, at + 12);
  if (recordEpoch !== epoch) return { kind: 'old', length };
  const kind = data[at + 10];
  if (data[at + 9] !== recordVersion || (kind !== reportKind && kind !== groupKind)) {
    return { kind: 'unknown', version: data[at + 9]! };
  }
  if (kind === groupKind) return unpackGroup(data, at, length, base);
  return { kind: 'record', record: decodeRecord(data, at, length, base) };
}

/**
 * Compresses encoded records, which have their places already, into one record of kind 2; undefined when that does not
 * spare a fifth at least. `place` is that of the first.
 */
export function packGroup(records: Buffer, count: number, place: RecordPlace): Buffer | undefined {
  const compressed = zstdCompressSync(records, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  const length = recordHeaderBytes + groupHeaderBytes + compressed.length;
  if (length > records.length * 0.8) return undefined;
  const packed = Buffer.alloc(align(length));
  packed[8] = recordMark;
  packed[9] = recordVersion;
  packed[10] = groupKind;
  writeU32(packed, 4, length);
  writeU32(packed, recordHeaderBytes, records.length);
  writeU32(packed, recordHeaderBytes + 4, count);
  compressed.copy(packed, recordHeaderBytes + groupHeaderBytes);
  placeRecord(packed, 0, place);
  return packed;
}

function unpackGroup(data: Buffer, at: number, length: number, base: number): Probe {
  const start = at + recordHeaderBytes;
  const bytes = readU32(data, start);
  const count = readU32(data, start + 4);
  if (bytes > maxGroupBytes) return invalid;
  let unpacked: Buffer;
  try {
    const compressed = data.subarray(start + groupHeaderBytes, at + length);
    unpacked = zstdDecompressSync(compressed, { maxOutputLength: bytes });
  } catch {
    return invalid;
  }
  const epoch = readU32(data, at + 12);
  const records: DecodedRecord[] = [];
  for (let inner = 0; inner < unpacked.length; ) {
    const probe = probeRecord(unpacked, inner, unpacked.length, epoch);
    if (probe.kind !== 'record') return invalid;
    records.push({ ...probe.record, at: base + at, length });
    inner += align(probe.record.length);
  }
  return records.length === count && count > 0 ? { kind: 'group', records, length } : invalid;
}

function decodeRecord(data: Buffer, at: number, length: number, base: number): DecodedRecord {
  const flagBits = data[at + 11]!;
  const channelEnd = at + recordHeaderBytes + data[at + 20]!;
  const payloadStart = channelEnd + data[at + 22]! + data[at + 23]! * 256;
  let serial = '';
  let previous: number | undefined;
  let reason: string | undefined;
  let origin: string | undefined;
  for (let header = channelEnd; header + 2 <= payloadStart; header += 2 + data[header + 1]!) {
    const start = header + 2;
    if (data[header] === headerCodes.serial) serial = readAscii(data, start, start + data[header + 1]!);
    else if (data[header] === headerCodes.previous) previous = readU48(data, start);
    else if (data[header] === headerCodes.reason) reason = data.toString('utf8', start, start + data[header + 1]!);
    else if (data[header] === headerCodes.origin) origin = readAscii(data, start, start + data[header + 1]!);
  }
  return {
    channel: readAscii(data, at + recordHeaderBytes, channelEnd),
    serial,
    previous,
    reason,
    origin,
    payload: data.subarray(payloadStart, at + length),
    sequence: readU48(data, at + 24),
    ordinal: readU48(data, at + 30),
    monotonicUs: readU48(data, at + 36),
    wallMs: readU48(data, at + 42),
    boot: readBoot(data, at + 48),
    clockTrusted: (flagBits & flags.clockTrusted) !== 0,
    movedIn: (flagBits & flags.movedIn) !== 0,
    epoch: readU32(data, at + 12),
    durable: readU32(data, at + 16),
    at: base + at,
    length,
  };
}

/** Channel and serial are ASCII by contract; one byte a character needs no encoder. */
function writeAscii(into: Buffer, at: number, text: string): number {
  for (let index = 0; index < text.length; index++) into[at + index] = text.charCodeAt(index);
  return text.length;
}

function readAscii(data: Buffer, start: number, end: number): string {
  return data.toString('latin1', start, end);
}

// Neighbouring records nearly always share their boot id: the last one is kept in both forms.
let lastBoot = '';
let lastBootHigh = 0;
let lastBootLow = 0;

function writeBoot(into: Buffer, at: number, boot: string): void {
  if (boot !== lastBoot) {
    lastBootHigh = Number.parseInt(boot.slice(0, 8), 16);
    lastBootLow = Number.parseInt(boot.slice(8), 16);
    lastBoot = boot;
  }
  writeU32(into, at, lastBootLow);
  writeU32(into, at + 4, lastBootHigh);
}

function readBoot(data: Buffer, at: number): string {
  const low = readU32(data, at);
  const high = readU32(data, at + 4);
  if (low !== lastBootLow || high !== lastBootHigh || lastBoot === '') {
    lastBoot = high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
    lastBootLow = low;
    lastBootHigh = high;
  }
  return lastBoot;
}
