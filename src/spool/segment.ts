/**
 * A segment: a file of the log that is overwritten in place and used again. Its name is only a slot; which part of the
 * log it holds stands in its first page, so that using it again touches no folder. (On ext4 a renamed file may come
 * back under its old name after a power cut; a name that never changes cannot.)
 *
 * The first page holds the header twice: a torn write leaves one of the two, the old or the new.
 */
import { HoldfastError } from '../errors.ts';
import type { OpenFile } from '../platform/index.ts';
import { readU32, readU48, writeU32, writeU48 } from './bytes.ts';
import { crc32c } from './crc32c.ts';

/** The unit of writing: what the page cache and the device take as a whole. */
export const pageBytes = 4096;
/** Newest format that this program reads and writes. */
export const segmentVersion = 1;

const magic = Buffer.from('HOLDFAST');
const headerBytes = 80;
const copies = [0, 2048] as const;

/** What the first page says about this use of the file. */
export interface SegmentHeader {
  /** Counts the uses of all segments of a log, from 1; the order of the log. */
  readonly epoch: number;
  /** The segment before it in the log, 0 for the first; and what of that one is to be trusted. */
  readonly previousEpoch: number;
  /** Bytes of the previous segment that were on the device when it was left. */
  readonly previousEnd: number;
  /** Ordinal of the first record here; the previous segment ends before it. */
  readonly firstOrdinal: number;
  /** Records moved in from other logs before this segment. */
  readonly movedInBefore: number;
  /** No record accepted here has a smaller sequence. */
  readonly firstSequence: number;
  /** Wall time in ms of the beginning of this use. */
  readonly createdMs: number;
}

/** Makes the first page of a segment. */
export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const page = Buffer.alloc(pageBytes);
  for (const at of copies) {
    magic.copy(page, at);
    writeU32(page, at + 12, segmentVersion);
    writeU32(page, at + 16, header.epoch);
    writeU32(page, at + 20, header.previousEpoch);
    writeU32(page, at + 24, header.previousEnd);
    writeU48(page, at + 32, header.firstOrdinal);
    writeU48(page, at + 40, header.movedInBefore);
    writeU48(page, at + 48, header.firstSequence);
    writeU48(page, at + 56, header.createdMs);
    writeU32(page, at + 8, crc32c(page, at + 12, at + headerBytes));
  }
  return page;
}

/**
 * Reads the first page; undefined when neither copy is valid (a new file, or a damaged one).
 *
 * @throws HoldfastError `spool-version` when a newer program wrote it.
 */
export function decodeSegmentHeader(page: Buffer, path: string): SegmentHeader | undefined {
  let newest: SegmentHeader | undefined;
  for (const at of copies) {
    if (page.length < at + headerBytes || page.compare(magic, 0, magic.length, at, at + magic.length) !== 0) continue;
    if (crc32c(page, at + 12, at + headerBytes) !== readU32(page, at + 8)) continue;
    refuseNewerVersion(readU32(page, at + 12), path);
    const epoch = readU32(page, at + 16);
    if (newest !== undefined && newest.epoch >= epoch) continue;
    newest = {
      epoch,
      previousEpoch: readU32(page, at + 20),
      previousEnd: readU32(page, at + 24),
      firstOrdinal: readU48(page, at + 32),
      movedInBefore: readU48(page, at + 40),
      firstSequence: readU48(page, at + 48),
      createdMs: readU48(page, at + 56),
    };
  }
  return newest;
}

/** @throws HoldfastError `spool-version` when `version` is newer than this program's. */
export function refuseNewerVersion(version: number, path: string): void {
  if (version <= segmentVersion) return;
  throw new HoldfastError(
    'spool-version',
    `${path} has spool format ${version}, this program reads up to ${segmentVersion}: start the newer version again, or move the spool folder away`,
  );
}

/** Reads the header of an open file; see `decodeSegmentHeader`. */
export function readSegmentHeader(file: OpenFile, path: string): SegmentHeader | undefined {
  const page = Buffer.alloc(pageBytes);
  return decodeSegmentHeader(page.subarray(0, file.read(page, 0)), path);
}

/** A segment that holds records of the log, as the log keeps it in memory. */
export interface Segment {
  readonly path: string;
  readonly header: SegmentHeader;
  /** Bytes up to which its records are on the device and to be trusted. */
  end: number;
  /** Ordinal after its last record. */
  endOrdinal: number;
  /** Records of it that were moved in from another log. */
  movedIn: number;
  /** Ordinal after the last of those, or a later one. */
  movedInEnd: number;
  /** Size of the file. */
  bytes: number;
  /** False once it is free or gone; a reader that stands in it goes on elsewhere. */
  live: boolean;
}
