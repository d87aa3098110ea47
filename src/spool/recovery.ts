/**
 * Finds out what a log holds after a stop of any kind.
 *
 * Only the newest segment is read through: of every other one the next segment's header says where it ends. What was
 * acknowledged to a machine is always found; a group whose write was cut off is not (nobody was told that it is stored).
 */
import { join } from 'node:path';
import type { FileSystem, OpenFile } from '../platform/index.ts';
import { Acknowledged } from './acknowledged.ts';
import type { CursorState, Outcomes } from './cursor-file.ts';
import type { DecodedRecord } from './record.ts';
import { pageBytes, readSegmentHeader, type Segment, type SegmentHeader } from './segment.ts';
import { findFirstRecord, SegmentReader } from './segment-reader.ts';

/** A segment that holds nothing that is needed. */
export interface FreeSegment {
  readonly path: string;
  readonly bytes: number;
  readonly epoch: number;
}

/** Records that should be there and are not. */
export interface Loss {
  readonly path: string;
  /** Ordinals, `to` exclusive. */
  readonly from: number;
  readonly to: number;
}

export interface RecoveredLog {
  /** Segments with something to deliver, in the order of the log. */
  readonly segments: Segment[];
  readonly free: FreeSegment[];
  readonly acknowledged: Acknowledged;
  readonly outcomes: Outcomes;
  readonly nextOrdinal: number;
  readonly nextSequence: number;
  /** The newest use of a segment that left a trace. */
  readonly lastEpoch: number;
  /** The last segment that holds records, and its trusted end. */
  readonly previous: { readonly epoch: number; readonly end: number };
  readonly movedIn: number;
  readonly nextSlot: number;
  readonly losses: Loss[];
  /** What may still be in the page cache only. */
  readonly unsynced: Unsynced | undefined;
}

/** The last group of the newest segment: bytes from `from` up to `to`, and its records. */
export interface Unsynced {
  readonly path: string;
  readonly from: number;
  readonly to: number;
  readonly records: readonly DecodedRecord[];
}

interface Candidate {
  readonly path: string;
  readonly bytes: number;
  readonly header: SegmentHeader;
  /** The header was lost and is made up from the first record. */
  readonly rebuilt: boolean;
}

/**
 * Reads the state of the log in `folder`, which must exist. `onRecord` is called, in order, for the records of the
 * newest segment and of every one whose epoch is greater than `knownEpoch`, except for those in `unsynced`.
 *
 * @throws HoldfastError `spool-version`; and whatever the file system throws.
 */
export function recoverLog(options: {
  fileSystem: FileSystem;
  folder: string;
  cursor: CursorState | undefined;
  /** Records moved in from this ordinal on may still be open in the log that they came from. */
  reconciled: number;
  knownEpoch: number;
  onRecord: (record: DecodedRecord) => void;
}): RecoveredLog {
  const { fileSystem, folder, cursor, onRecord } = options;
  const free: FreeSegment[] = [];
  const names = fileSystem.list(folder).filter((name) => /^\d{8,}\.segment$/.test(name));
  const found: Candidate[] = [];
  for (const name of names) {
    const candidate = readCandidate(fileSystem, join(folder, name));
    if ('header' in candidate) found.push(candidate);
    else free.push(candidate);
  }
  found.sort((a, b) => a.header.epoch - b.header.epoch);
  const chain = withoutVoid(found, free);

  const newest = chain.at(-1);
  const oldest = chain[0];
  // Without a cursor all before the oldest segment counts as delivered; there is nothing before the first one ever.
  const start = oldest === undefined || oldest.header.epoch === 1 ? 0 : oldest.header.firstOrdinal;
  const acknowledged = new Acknowledged(cursor?.cursor ?? start, cursor?.bounds);
  const outcomes: Outcomes = cursor ? { ...cursor.outcomes } : { delivered: start, evicted: 0, moved: 0, corrupt: 0 };
  const segments: Segment[] = [];
  const losses: Loss[] = [];
  let nextSequence = cursor?.nextSequence ?? 1;
  let expected = acknowledged.cursor;
  let movedIn = 0;
  let previous = { epoch: 0, end: 0 };
  let unsynced: Unsynced | undefined;

  chain.forEach((candidate, index) => {
    const { path, bytes } = candidate;
    const header = candidate.rebuilt ? { ...candidate.header, movedInBefore: movedIn } : candidate.header;
    const next = chain[index + 1];
    const isSealed = next !== undefined && !next.rebuilt && next.header.previousEpoch === header.epoch;
    const segment: Segment = {
      path,
      bytes,
      header,
      end: isSealed ? next.header.previousEnd : pageBytes,
      endOrdinal: isSealed ? next.header.firstOrdinal : header.firstOrdinal,
      movedIn: isSealed ? next.header.movedInBefore - header.movedInBefore : 0,
      movedInEnd: isSealed ? next.header.firstOrdinal : header.firstOrdinal,
      live: true,
    };
    nextSequence = Math.max(nextSequence, header.firstSequence);
    if (!isSealed || header.epoch > options.knownEpoch) {
      let group: DecodedRecord[] = [];
      scan(fileSystem, segment, isSealed, next?.header.firstOrdinal, (record) => {
        if (!record.movedIn) nextSequence = Math.max(nextSequence, record.sequence + 1);
        if (next === undefined) {
          // Only the last group may not be on the device: a later one says that those before it are.
          if (group.length > 0 && group[0]!.durable !== record.durable) {
            group.forEach(onRecord);
            group = [];
          }
          group.push(record);
        } else if (isSealed || next.rebuilt || !acknowledged.has(record.ordinal)) {
          // What follows the trusted end of a segment whose successor is gone was refused: all of it counts as done.
          if (header.epoch > options.knownEpoch) onRecord(record);
        }
      });
      if (next === undefined) {
        const durable = group[0]?.durable ?? pageBytes;
        const from = durable > pageBytes ? durable - (durable % pageBytes) : 0;
        unsynced = { path, from, to: segment.end, records: group };
      }
    }
    if (candidate.rebuilt && !isSealed && segment.endOrdinal === header.firstOrdinal) {
      // A torn first write of a new file: nothing of it was acknowledged.
      free.push({ path, bytes, epoch: header.epoch });
      return;
    }
    if (header.firstOrdinal > expected && !acknowledged.covers(expected, header.firstOrdinal)) {
      losses.push({ path, from: expected, to: header.firstOrdinal });
      outcomes.corrupt += acknowledged.addRange(expected, header.firstOrdinal);
    }
    expected = Math.max(expected, segment.endOrdinal);
    movedIn = header.movedInBefore + segment.movedIn;
    if (segment.endOrdinal > header.firstOrdinal) previous = { epoch: header.epoch, end: segment.end };
    const isUnreconciled = segment.movedIn > 0 && segment.movedInEnd > options.reconciled;
    if (isUnreconciled || !acknowledged.covers(header.firstOrdinal, segment.endOrdinal)) segments.push(segment);
    else free.push({ path, bytes, epoch: header.epoch });
  });
  // Something at the end is gone that was there when the cursor was saved: no ordinal may be given out twice.
  const nextOrdinal = Math.max(expected, acknowledged.end);
  if (nextOrdinal > expected && !acknowledged.covers(expected, nextOrdinal)) {
    losses.push({ path: newest?.path ?? folder, from: expected, to: nextOrdinal });
    outcomes.corrupt += acknowledged.addRange(expected, nextOrdinal);
  }

  return {
    segments,
    free,
    acknowledged,
    outcomes,
    nextOrdinal,
    nextSequence,
    lastEpoch: Math.max(cursor?.lastEpoch ?? 0, options.knownEpoch, ...found.map(({ header }) => header.epoch)),
    previous,
    // All segments may be gone once all is done.
    movedIn: Math.max(movedIn, cursor?.movedIn ?? 0),
    nextSlot: names.length === 0 ? 1 : Number.parseInt(names.at(-1)!, 10) + 1,
    losses,
    unsynced,
  };
}

function readCandidate(fileSystem: FileSystem, path: string): Candidate | FreeSegment {
  return using(fileSystem, path, (file) => {
    const bytes = file.size();
    const header = readSegmentHeader(file, path);
    if (header !== undefined) return { path, bytes, header, rebuilt: false };
    const first = findFirstRecord(file, bytes);
    if (first === undefined) return { path, bytes, epoch: 0 };
    return {
      path,
      bytes,
      rebuilt: true,
      header: {
        epoch: first.epoch,
        previousEpoch: first.epoch - 1,
        previousEnd: 0,
        firstOrdinal: first.ordinal,
        movedInBefore: 0,
        firstSequence: first.movedIn ? 0 : first.sequence,
        createdMs: 0,
      },
    };
  });
}

/**
 * Leaves out what the log has passed over: a segment was given up after a failed write when a later one names an
 * earlier one as the segment before it. What such a segment holds was never acknowledged.
 */
function withoutVoid(ascending: Candidate[], free: FreeSegment[]): Candidate[] {
  const chain: Candidate[] = [];
  let before = Number.POSITIVE_INFINITY;
  for (const candidate of ascending.toReversed()) {
    if (candidate.header.epoch > before) {
      free.push({ path: candidate.path, bytes: candidate.bytes, epoch: candidate.header.epoch });
      continue;
    }
    chain.unshift(candidate);
    before = Math.min(before, candidate.header.previousEpoch);
  }
  return chain;
}

function scan(
  fileSystem: FileSystem,
  segment: Segment,
  isSealed: boolean,
  /** The first ordinal of the segment after it: what claims to be a later one was refused. */
  limitOrdinal: number | undefined,
  onRecord: (record: DecodedRecord) => void,
): void {
  using(fileSystem, segment.path, (file) => {
    const limit = isSealed ? segment.end : segment.bytes;
    const reader = new SegmentReader({
      file,
      path: segment.path,
      epoch: segment.header.epoch,
      limit,
      sealed: isSealed,
    });
    for (let item = reader.next(); item !== undefined; item = reader.next()) {
      // Whoever reads on to deliver comes upon the damage again, and reports it then.
      if (item.kind === 'damage') continue;
      const { ordinal, durable } = item.record;
      if (!isSealed && limitOrdinal !== undefined && ordinal >= limitOrdinal) break;
      // Part of a torn write: what should stand before it was never on the device.
      if (!isSealed && ordinal > segment.endOrdinal && durable <= segment.end) break;
      onRecord(item.record);
      if (isSealed) continue;
      segment.end = reader.position;
      segment.endOrdinal = item.record.ordinal + 1;
      if (!item.record.movedIn) continue;
      segment.movedIn++;
      segment.movedInEnd = segment.endOrdinal;
    }
  });
}

/** Opens a file for reading, and closes it whatever happens. */
export function using<T>(fileSystem: FileSystem, path: string, action: (file: OpenFile) => T): T {
  const file = fileSystem.open(path, 'read');
  try {
    return action(file);
  } finally {
    file.close();
  }
}

/**
 * Brings the newest records to the device. After a kill they may stand in the page cache only, and after a failed sync
 * even a further sync would not bring them to the device: so they are written again, over themselves. Once they are
 * delivered they must not be forgotten by a power cut, or their sequences would be given out again.
 */
export async function writeAgain(fileSystem: FileSystem, { path, from, to }: Unsynced): Promise<void> {
  const file = fileSystem.open(path, 'write');
  try {
    const bytes = Buffer.alloc(to - from);
    const count = file.read(bytes, from);
    if (count > 0) file.write(bytes.subarray(0, count), from);
    await file.sync();
  } finally {
    file.close();
  }
}
