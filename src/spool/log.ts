/**
 * One log of the spool: a lane, or one of the logs beside the lanes.
 *
 * Invariants: segments are the truth, the cursor only lags; every ordinal below `nextOrdinal` is either open or done
 * with one outcome; a segment is freed whole, once all of it is done; the bytes on disk stay under the quota.
 * A failed write fails the appends concerned and nothing else (log-writer.ts). Damage found while reading costs the
 * records that it hit, which are counted, and whose bytes are kept.
 */
import { join } from 'node:path';
import { describeError, HoldfastError } from '../errors.ts';
import type { Clock, FileSystem, Logger } from '../platform/index.ts';
import type { Acknowledged } from './acknowledged.ts';
import { CursorFile, maxStoredRanges, type Outcomes } from './cursor-file.ts';
import { LogReader } from './log-reader.ts';
import { LogWriter, type SegmentFile } from './log-writer.ts';
import { type DecodedRecord, probeRecord, type RecordContent, type RecordPosition } from './record.ts';
import { type FreeSegment, recoverLog, type Unsynced } from './recovery.ts';
import type { Segment } from './segment.ts';
import { type Damage, SegmentReader } from './segment-reader.ts';
import type { Compression, LogName, LogOptions } from './types.ts';

/** Free segments kept for use; more are removed. */
const freeSegmentsKept = 3;
const reconsiderAfterMs = 2000;

export type Outcome = keyof Outcomes;

/** What a log tells the spool. */
export interface LogHost {
  nextSequence(): number;
  /** Called before segments up to `epoch` are overwritten or removed: what is known of their records must be safe. */
  beforeReuse(log: LogName, epoch: number): Promise<void>;
  /** Called before segments are freed that hold records whose first log may not have given them up for good. */
  settleMoves(): Promise<void>;
  /** The oldest `count` records were given up for room; all before `endOrdinal` are done now. */
  onEvicted(log: LogName, count: number, endOrdinal: number): void;
  /** A range of a segment could not be read; `count` records are lost with it. */
  onDamage(log: LogName, path: string, damage: (Damage & { epoch: number }) | undefined, count: number): void;
  onRefused(contents: readonly RecordContent[]): void;
  onWritten(log: LogName, bytes: number): void;
  /** A segment was begun: a good time to save what is kept beside the log. */
  onSegmentStarted(log: LogName, epoch: number): void;
}

/** Counts of one log; all but the gauges only grow and survive restarts. */
export interface LogStatus extends Outcomes {
  readonly name: LogName;
  /** Records ever appended, those moved in from other logs included. */
  readonly appended: number;
  readonly movedIn: number;
  /** Records that wait. */
  readonly pending: number;
  /** Bytes of its files. */
  readonly bytes: number;
  readonly quotaBytes: number;
  readonly syncEveryMs: number;
  /** Why the last append failed; undefined when it did not. */
  readonly error: HoldfastError | undefined;
}

/** What reading a log through found. */
export interface LogVerification {
  readonly segments: number;
  /** Valid records in them, done or not. */
  readonly records: number;
  /** Those that are open; equal to what the log believes (`expected`) unless something is damaged. */
  readonly open: number;
  readonly expected: number;
  readonly damaged: readonly { readonly path: string; readonly from: number; readonly to: number }[];
}

export class Log {
  readonly name: LogName;
  readonly #folder: string;
  readonly #fileSystem: FileSystem;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #host: LogHost;
  readonly #options: LogOptions;
  readonly #segmentBytes: number;
  readonly #freeReserveBytes: number;
  readonly #compression: Compression;
  readonly #cursorFile: CursorFile;
  readonly #segments: Segment[] = [];
  readonly #free: FreeSegment[] = [];
  #acknowledged!: Acknowledged;
  #outcomes!: Outcomes;
  #reconciled = 0;
  #writer!: LogWriter;
  #nextSlot = 1;
  #changed = false;
  /** Ordinals that are being moved to another log, and the end of that. */
  #moving: ReadonlySet<number> = new Set();
  #moved: Promise<void> | undefined;
  #trimming: Promise<void> | undefined;
  /** The newest epoch that may stand in a file. */
  #reservedEpoch = 0;
  /** Files that could not be removed; they count against the quota. */
  readonly #doomed = new Set<string>();

  constructor(options: {
    name: LogName;
    folder: string;
    fileSystem: FileSystem;
    clock: Clock;
    logger: Logger;
    host: LogHost;
    options: LogOptions;
    segmentBytes: number;
    freeReserveBytes: number;
    compression: Compression;
  }) {
    this.name = options.name;
    this.#folder = options.folder;
    this.#fileSystem = options.fileSystem;
    this.#clock = options.clock;
    this.#logger = options.logger.child({ log: options.name });
    this.#host = options.host;
    this.#options = options.options;
    this.#segmentBytes = options.segmentBytes;
    this.#freeReserveBytes = options.freeReserveBytes;
    this.#compression = options.compression;
    this.#cursorFile = new CursorFile(options.fileSystem, options.folder);
  }

  /**
   * Recovers the log. `onRecord` gets the records of segments newer than `knownEpoch`, in order. Returns the smallest
   * sequence that none of its records has. The caller syncs the folder that holds the log's.
   *
   * @throws HoldfastError `spool-version`; what the file system throws.
   */
  async open(knownEpoch: number, onRecord: (record: DecodedRecord) => void): Promise<number> {
    const fileSystem = this.#fileSystem;
    fileSystem.makeFolder(this.#folder);
    const cursor = this.#cursorFile.open('write');
    // Nothing in `refused` ever stood in another log.
    const reconciled = this.name === 'refused' ? Number.POSITIVE_INFINITY : (cursor?.reconciled ?? 0);
    const found = recoverLog({ fileSystem, folder: this.#folder, cursor, reconciled, knownEpoch, onRecord });
    await this.#cursorFile.settle();
    if (found.unsynced !== undefined) {
      await writeAgain(fileSystem, found.unsynced);
      found.unsynced.records.forEach(onRecord);
    }
    await fileSystem.syncFolder(this.#folder);
    this.#segments.push(...found.segments);
    this.#free.push(...found.free.toSorted((a, b) => a.epoch - b.epoch));
    this.#acknowledged = found.acknowledged;
    this.#outcomes = found.outcomes;
    this.#reconciled = reconciled;
    this.#nextSlot = found.nextSlot;
    this.#changed = cursor === undefined && found.nextOrdinal > 0;
    for (const loss of found.losses) this.#host.onDamage(this.name, loss.path, undefined, loss.to - loss.from);
    this.#writer = new LogWriter({
      host: {
        provideSegment: () => this.#provideSegment(),
        nextSequence: () => this.#host.nextSequence(),
        onSegmentStarted: (segment) => {
          this.#segments.push(segment);
          this.#host.onSegmentStarted(this.name, segment.header.epoch);
        },
        onSegmentFailed: (path) => this.#remove(path),
        onWritten: (bytes) => this.#host.onWritten(this.name, bytes),
        onRefused: (contents) => this.#host.onRefused(contents),
      },
      fileSystem,
      clock: this.#clock,
      folder: this.#folder,
      segmentBytes: this.#segmentBytes,
      syncEveryMs: this.#options.syncEveryMs,
      compression: this.#compression,
      lastEpoch: found.lastEpoch,
      previous: found.previous,
      nextOrdinal: found.nextOrdinal,
      movedIn: found.movedIn,
    });
    return found.nextSequence;
  }

  /** Resolves with the ordinal once the record is on the device; see LogWriter.append. */
  append(content: RecordContent): Promise<number> {
    return this.#writer.append(content);
  }

  /** The same, for whoever needs no promise of its own. */
  enqueue(content: RecordContent, resolve: (ordinal: number) => void, reject: (error: unknown) => void): void {
    this.#writer.enqueue(content, resolve, reject);
  }

  /** Reads the open records in order from `ordinal`, or from the oldest one. */
  createReader(ordinal = this.#acknowledged.cursor): LogReader {
    return this.#createReader(ordinal, (done) => this.#acknowledged.has(done));
  }

  #createReader(start: number, isDone: (ordinal: number) => boolean): LogReader {
    return new LogReader({
      fileSystem: this.#fileSystem,
      start,
      segments: this.#segments,
      isDone,
      isActive: (segment) => this.#writer.activeSegment === segment,
      onDamage: (segment, damage) => this.#keepDamage(segment, damage),
      onLost: (segment, from, to) => this.#lose(segment, from, to),
    });
  }

  /** Reads one record again; undefined when it is gone or cannot be read. */
  async readAt({ epoch, at, length, ordinal }: RecordPosition): Promise<DecodedRecord | undefined> {
    const segment = this.#segments.find((candidate) => candidate.header.epoch === epoch);
    if (segment === undefined || this.#acknowledged.has(ordinal)) return undefined;
    const file = this.#fileSystem.open(segment.path, 'read');
    try {
      const data = Buffer.allocUnsafeSlow(length);
      const count = await file.readAsync(data, at);
      const probe = probeRecord(data, 0, count, epoch, at);
      const records = probe.kind === 'record' ? [probe.record] : probe.kind === 'group' ? probe.records : [];
      return records.find((record) => record.ordinal === ordinal);
    } finally {
      file.close();
    }
  }

  /** The oldest open record with this sequence; undefined when there is none. */
  async find(sequence: number): Promise<DecodedRecord | undefined> {
    const first = this.#segments.findLast((segment) => segment.header.firstSequence <= sequence);
    // Records that were moved here carry the sequences of their first log; then only a whole walk is sure.
    const start = this.#writer.movedIn > 0 ? undefined : first?.header.firstOrdinal;
    if (start === undefined && this.#writer.movedIn === 0) return undefined;
    const reader = this.createReader(Math.max(start ?? 0, this.#acknowledged.cursor));
    try {
      for (;;) {
        const records = await reader.read(256);
        if (records.length === 0) return undefined;
        const found = records.find((record) => record.sequence === sequence);
        if (found) return found;
        if (start !== undefined && records[0]!.sequence > sequence) return undefined;
      }
    } finally {
      reader.close();
    }
  }

  /** Reads all segments through without changing anything; a few ms of the process at a time. */
  async verify(): Promise<LogVerification> {
    const damaged: { path: string; from: number; to: number }[] = [];
    let records = 0;
    let open = 0;
    let segments = 0;
    const last = this.#writer.nextOrdinal;
    const expected = this.pending;
    for (const segment of [...this.#segments]) {
      if (!segment.live) continue;
      segments++;
      const file = this.#fileSystem.open(segment.path, 'read');
      try {
        const { path, header, end } = segment;
        const reader = new SegmentReader({ file, path, epoch: header.epoch, limit: end, sealed: true });
        for (;;) {
          if (reader.needsLoad) await reader.load();
          const item = reader.next();
          if (item === undefined || !segment.live) break;
          if (item.kind === 'damage') damaged.push({ path, ...item.damage });
          else if (item.record.ordinal < last) {
            records++;
            if (!this.#acknowledged.has(item.record.ordinal)) open++;
          }
        }
      } finally {
        file.close();
      }
    }
    return { segments, records, open, expected, damaged };
  }

  /** Marks a record as done; false when it was already. */
  acknowledge(ordinal: number, outcome: Outcome): boolean {
    if (ordinal >= this.#writer.nextOrdinal) return false;
    if (outcome !== 'moved' && this.#moving.has(ordinal)) return false;
    if (!this.#acknowledged.add(ordinal, outcome === 'moved')) return false;
    this.#outcomes[outcome]++;
    this.#changed = true;
    return true;
  }

  isDone(ordinal: number): boolean {
    return this.#acknowledged.has(ordinal);
  }

  /** While `action` runs, these records are neither given up nor acknowledged, except as moved. */
  async whileMoving(ordinals: Iterable<number>, action: () => Promise<void>): Promise<void> {
    this.#moving = new Set(ordinals);
    const work = action().finally(() => {
      this.#moving = new Set();
      this.#moved = undefined;
    });
    this.#moved = work.catch(() => undefined);
    await work;
  }

  get pending(): number {
    return this.#writer.nextOrdinal - this.#acknowledged.cursor - this.#acknowledged.beyond;
  }

  get nextOrdinal(): number {
    return this.#writer.nextOrdinal;
  }

  /** Everything before this ordinal is done. */
  get cursor(): number {
    return this.#acknowledged.cursor;
  }

  /** True when all that is done has room in the cursor file. */
  get isStoredWhole(): boolean {
    return this.#acknowledged.ranges <= maxStoredRanges;
  }

  /** True when records were moved in that may still be open in the log that they came from. */
  get hasUnreconciled(): boolean {
    return this.#segments.some((segment) => this.#isUnreconciled(segment));
  }

  /** The records that were moved in and may still be open in the log that they came from, whether done here or not. */
  async unreconciled(): Promise<{ sequence: number; isDone: boolean }[]> {
    const found: { sequence: number; isDone: boolean }[] = [];
    const reader = this.#createReader(this.#reconciled, () => false);
    try {
      for (;;) {
        const records = await reader.read(1024);
        if (records.length === 0) return found;
        for (const { movedIn, sequence, ordinal } of records) {
          if (movedIn) found.push({ sequence, isDone: this.#acknowledged.has(ordinal) });
        }
      }
    } finally {
      reader.close();
    }
  }

  /** The logs that they came from know, durably, that everything moved in before `ordinal` is gone from them. */
  markReconciled(ordinal: number): void {
    this.#reconciled = Math.max(this.#reconciled, ordinal);
    this.#changed = true;
  }

  /** All records of segments up to this one are on the device, and their senders were told. */
  get settledEpoch(): number {
    return this.#writer.activeSegment === undefined ? this.#writer.epoch : this.#writer.epoch - 1;
  }

  get status(): LogStatus {
    return {
      ...this.#outcomes,
      name: this.name,
      appended: this.#writer.nextOrdinal,
      movedIn: this.#writer.movedIn,
      pending: this.pending,
      bytes: this.#bytes(),
      quotaBytes: this.#options.quotaBytes,
      syncEveryMs: this.#options.syncEveryMs,
      error: this.#writer.lastError,
    };
  }

  /** After a failure, when nobody appends: looks whether there is room again, so that the log does not count as refusing. */
  reconsider(): void {
    if (this.#writer.lastError === undefined || this.#writer.failedForMs < reconsiderAfterMs) return;
    try {
      this.#release();
      const isRoom = this.#options.whenFull === 'dropOldest' || this.#findRoom() !== undefined;
      if (!isRoom) return;
      const needed = this.#free.length > 0 ? 0 : this.#freeReserveBytes + this.#segmentBytes;
      if (this.#fileSystem.freeBytes(this.#folder) >= needed) this.#writer.forgetError();
    } catch {
      // Still no room.
    }
  }

  /** Hands what is done to the page cache, and frees segments. A failure is logged; it costs repeats at worst. */
  saveCursor(): void {
    if (!this.#changed || this.#cursorFile.isBusy) return;
    try {
      this.#release();
      this.#writeCursor();
    } catch (error) {
      this.#logger.warn(
        { error: describeError(error) },
        'cannot save what was delivered; after a restart it is sent again',
      );
    }
  }

  /** Resolves when what is done is on the device. */
  async syncCursor(): Promise<void> {
    // Whoever has a sync under way is told of its failure; here the state is then written again.
    while (this.#cursorFile.isBusy) await this.#cursorFile.sync().catch(() => undefined);
    if (this.#changed || this.#cursorFile.isLost) this.#writeCursor();
    await this.#cursorFile.sync();
  }

  /** Writes what waits, saves the cursor and closes the files. */
  async close(): Promise<void> {
    await this.#writer.close();
    await this.#trimming?.catch(() => undefined);
    try {
      this.#release();
      await this.syncCursor();
    } catch (error) {
      this.#logger.warn(
        { error: describeError(error) },
        'cannot save what was delivered; after a restart it is sent again',
      );
    }
    this.#cursorFile.close();
  }

  #writeCursor(): void {
    const bounds = this.#acknowledged.bounds(maxStoredRanges);
    let stored = 0;
    for (let index = 0; index < bounds.length; index += 2) stored += bounds[index + 1]! - bounds[index]!;
    const outcomes = { ...this.#outcomes };
    // What does not fit will be delivered, or found to be moved, again after a restart, and counted then.
    const moved = this.#acknowledged.movedAfter(maxStoredRanges);
    outcomes.moved -= moved;
    outcomes.delivered -= this.#acknowledged.beyond - stored - moved;
    this.#cursorFile.write({
      cursor: this.#acknowledged.cursor,
      bounds,
      outcomes,
      reconciled: Math.min(this.#reconciled, this.#writer.nextOrdinal),
      nextSequence: this.#host.nextSequence(),
      movedIn: this.#writer.movedIn,
      lastEpoch: Math.max(this.#reservedEpoch, this.#writer.epoch),
    });
    this.#changed = false;
  }

  #bytes(): number {
    let bytes = 0;
    for (const segment of this.#segments) bytes += segment.bytes;
    for (const free of this.#free) bytes += free.bytes;
    return bytes + this.#doomed.size * this.#segmentBytes;
  }

  async #provideSegment(): Promise<SegmentFile> {
    if (this.hasUnreconciled) await this.#host.settleMoves();
    this.#release();
    const index = this.#findRoom() ?? (await this.#makeRoom());
    const free = this.#free.splice(index, 1)[0];
    if (free === undefined) {
      this.#checkFreeBytes();
      // Made while there is room: what is delivered could not be freed without it on a disk that is full later.
      if (!this.#cursorFile.exists) this.#writeCursor();
      const path = join(this.#folder, `${String(this.#nextSlot++).padStart(8, '0')}.segment`);
      return { path, file: this.#fileSystem.create(path), bytes: 0, isNew: true };
    }
    try {
      await this.#host.beforeReuse(this.name, free.epoch);
      // A first write that is torn may leave records of the new epoch behind the old header: it must not be used twice.
      this.#reservedEpoch = this.#writer.epoch + 1;
      this.#changed = true;
      await this.syncCursor();
      return { path: free.path, file: this.#fileSystem.open(free.path, 'write'), bytes: free.bytes, isNew: false };
    } catch (error) {
      this.#free.unshift(free);
      throw error;
    }
  }

  /** The rest of the box needs some room, too. */
  #checkFreeBytes(): void {
    if (this.#freeReserveBytes === 0) return;
    const free = this.#fileSystem.freeBytes(this.#folder);
    if (free >= this.#freeReserveBytes + this.#segmentBytes) return;
    throw new HoldfastError(
      'spool-full',
      `only ${free} bytes are free on the disk, ${this.#freeReserveBytes} are kept for the box itself: free some space, or lower spool.freeReserve`,
    );
  }

  /**
   * The free segment that keeps the log under its quota when it grows to its full size; one beyond the last when there
   * is room for a new one; undefined when there is neither.
   */
  #findRoom(): number | undefined {
    const room = this.#options.quotaBytes - this.#bytes() - this.#segmentBytes;
    const index = this.#free.findIndex((free) => room + free.bytes >= 0);
    if (index >= 0) return index;
    return room >= 0 ? this.#free.length : undefined;
  }

  /** Removes small free segments, which restarts leave behind, and gives up the oldest records if it may. */
  async #makeRoom(): Promise<number> {
    for (;;) {
      const index = this.#findRoom();
      if (index !== undefined) return index;
      if (this.#free.length > 0) await this.#removeFree(this.#free.length);
      // Nothing may be given up while it is on its way to another log.
      else if (this.#moved !== undefined) await this.#moved;
      else this.#evict();
    }
  }

  /** @throws HoldfastError `spool-full` when there is nothing that may be given up. */
  #evict(): void {
    const oldest = this.#segments[0];
    if (this.#options.whenFull === 'reject' || oldest === undefined) {
      throw new HoldfastError(
        'spool-full',
        `lane ${this.name} is full (${this.#options.quotaBytes} bytes): restore the uplink, or raise spool.lanes.${this.name}.quota`,
      );
    }
    const count = this.#acknowledged.addRange(oldest.header.firstOrdinal, oldest.endOrdinal);
    this.#outcomes.evicted += count;
    this.#changed = true;
    this.#freeSegment(0);
    if (count > 0) this.#host.onEvicted(this.name, count, oldest.endOrdinal);
  }

  /** Segments of which everything is done become free. */
  #release(): void {
    // Ranges that are not kept on disk must not lose their segment, or a restart would miss what it held.
    const stored = this.isStoredWhole ? Number.POSITIVE_INFINITY : this.#acknowledged.bounds(maxStoredRanges).at(-1)!;
    for (let index = 0; index < this.#segments.length; ) {
      const segment = this.#segments[index]!;
      if (segment.endOrdinal > stored) break;
      if (segment.header.firstOrdinal > this.#acknowledged.cursor && this.#acknowledged.beyond === 0) break;
      const isDone = this.#acknowledged.covers(segment.header.firstOrdinal, segment.endOrdinal);
      if (!isDone || segment === this.#writer.activeSegment || this.#isUnreconciled(segment)) index++;
      else this.#freeSegment(index);
    }
  }

  #isUnreconciled(segment: Segment): boolean {
    return segment.movedIn > 0 && segment.movedInEnd > this.#reconciled;
  }

  #freeSegment(index: number): void {
    const segment = this.#segments.splice(index, 1)[0]!;
    segment.live = false;
    this.#free.push({ path: segment.path, bytes: segment.bytes, epoch: segment.header.epoch });
  }

  /** Removes free segments beyond the few that are kept, or beyond the quota, once it is on the device that they are not needed. */
  async trim(): Promise<void> {
    for (const path of this.#doomed) this.#remove(path);
    let count = Math.max(0, this.#free.length - freeSegmentsKept);
    let bytes = this.#bytes() - this.#options.quotaBytes;
    for (const [index, free] of this.#free.entries()) {
      if (bytes > 0 && index >= count) count = index + 1;
      bytes -= free.bytes;
    }
    this.#trimming ??= this.#removeFree(count).finally(() => {
      this.#trimming = undefined;
    });
    await this.#trimming;
  }

  async #removeFree(count: number): Promise<void> {
    const surplus = this.#free.splice(0, Math.max(0, count));
    if (surplus.length === 0) return;
    try {
      await this.#host.beforeReuse(this.name, Math.max(...surplus.map(({ epoch }) => epoch)));
      await this.syncCursor();
      for (const { path } of surplus) this.#remove(path);
    } catch (error) {
      this.#free.unshift(...surplus);
      throw error;
    }
  }

  #remove(path: string): void {
    try {
      if (this.#fileSystem.exists(path)) this.#fileSystem.remove(path);
      this.#doomed.delete(path);
    } catch (error) {
      if (this.#doomed.has(path)) return;
      this.#doomed.add(path);
      this.#logger.warn({ path, error: describeError(error) }, 'cannot remove a segment that is not needed');
    }
  }

  #keepDamage(segment: Segment, damage: Damage): void {
    this.#host.onDamage(this.name, segment.path, { ...damage, epoch: segment.header.epoch }, 0);
  }

  #lose(segment: Segment, from: number, to: number): void {
    const count = this.#acknowledged.addRange(from, to);
    if (count === 0) return;
    this.#outcomes.corrupt += count;
    this.#changed = true;
    this.#host.onDamage(this.name, segment.path, undefined, count);
  }
}

/**
 * Brings the newest records to the device. After a kill they may stand in the page cache only, and after a failed sync
 * even a further sync would not bring them to the device: so they are written again, over themselves. Once they are
 * delivered they must not be forgotten by a power cut, or their sequences would be given out again.
 */
async function writeAgain(fileSystem: FileSystem, { path, from, to }: Unsynced): Promise<void> {
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
