/**
 * One log of the spool: a lane, or one of the logs beside the lanes.
 *
 * Invariants: segments are the truth, the cursor only lags; every ordinal below `nextOrdinal` is either open or done
 * with one outcome; a segment is freed whole, once all of it is done; the bytes on disk stay under the quota.
 * A failed write fails the appends concerned and nothing else (log-writer.ts). Damage found while reading costs the
 * records that it hit, which are counted, and whose bytes are kept. What is done is kept by `progress.ts`; which
 * segments stay, and where the next one comes from, is decided by `retention.ts`.
 */
import { CursorFile, type Outcome } from './cursor-file.ts';
import { LogReader } from './log-reader.ts';
import type { LogHost, LogSetup } from './log-setup.ts';
import { LogWriter } from './log-writer.ts';
import { Progress } from './progress.ts';
import { type DecodedRecord, probeRecord, type RecordContent, type RecordPosition } from './record.ts';
import { type RecoveredLog, recoverLog, writeAgain } from './recovery.ts';
import { Retention } from './retention.ts';
import type { Segment } from './segment.ts';
import { SegmentPlaces } from './segment-places.ts';
import type { Damage } from './segment-reader.ts';
import type { LogStatus } from './status.ts';
import type { LogName } from './types.ts';
import { type LogVerification, verifySegments } from './verification.ts';

const reconsiderAfterMs = 2000;

export class Log {
  readonly name: LogName;
  readonly #setup: LogSetup;
  readonly #host: LogHost;
  readonly #cursorFile: CursorFile;
  readonly #places = new SegmentPlaces((ordinal) => this.createReader(ordinal));
  #progress!: Progress;
  #retention!: Retention;
  #writer!: LogWriter;

  constructor(setup: LogSetup) {
    this.name = setup.name;
    this.#setup = { ...setup, logger: setup.logger.child({ log: setup.name }) };
    this.#host = setup.host;
    this.#cursorFile = new CursorFile(setup.fileSystem, setup.folder);
  }

  /**
   * Recovers the log. `onRecord` gets the records of segments newer than `knownEpoch`, in order. Returns the smallest
   * sequence that none of its records has. The caller syncs the folder that holds the log's.
   *
   * @throws HoldfastError `spool-version`; what the file system throws.
   */
  async open(knownEpoch: number, onRecord: (record: DecodedRecord) => void): Promise<number> {
    const { fileSystem, folder, logger } = this.#setup;
    fileSystem.makeFolder(folder);
    const cursor = this.#cursorFile.open('write');
    // Nothing in `refused` ever stood in another log.
    const reconciled = this.name === 'refused' ? Number.POSITIVE_INFINITY : (cursor?.reconciled ?? 0);
    const found = recoverLog({ fileSystem, folder, cursor, reconciled, knownEpoch, onRecord });
    await this.#cursorFile.settle();
    if (found.unsynced !== undefined) {
      await writeAgain(fileSystem, found.unsynced);
      found.unsynced.records.forEach(onRecord);
    }
    await fileSystem.syncFolder(folder);
    this.#progress = new Progress({
      file: this.#cursorFile,
      logger,
      acknowledged: found.acknowledged,
      outcomes: found.outcomes,
      reconciled,
      isChanged: cursor === undefined && found.nextOrdinal > 0,
      beforeWrite: () => this.#host.beforeCursor(),
      end: () => ({
        nextOrdinal: this.#writer.nextOrdinal,
        nextSequence: this.#host.nextSequence(),
        movedIn: this.#writer.movedIn,
        epoch: this.#writer.epoch,
      }),
    });
    this.#retention = this.#createRetention(found);
    for (const loss of found.losses) this.#host.onDamage(this.name, loss.path, undefined, loss.to - loss.from);
    this.#writer = this.#createWriter(found);
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

  /** Gives back the memory that a burst has left. */
  giveBack(): void {
    this.#writer.giveBack();
  }

  /** Reads the open records in order from `ordinal`, or from the oldest one. */
  createReader(ordinal = this.#progress.acknowledged.cursor): LogReader {
    const { acknowledged } = this.#progress;
    return this.#createReader(ordinal, (done) => acknowledged.has(done));
  }

  #createReader(start: number, isDone: (ordinal: number) => boolean): LogReader {
    return new LogReader({
      fileSystem: this.#setup.fileSystem,
      start,
      segments: this.#retention.segments,
      isDone,
      isActive: (segment) => this.#writer.activeSegment === segment,
      onDamage: (segment, damage) => this.#keepDamage(segment, damage),
      onLost: (segment, from, to) => this.#lose(segment, from, to),
    });
  }

  /** Reads one record again; undefined when it is gone or cannot be read. */
  async readAt({ epoch, at, length, ordinal }: RecordPosition): Promise<DecodedRecord | undefined> {
    const segment = this.#retention.segments.find((candidate) => candidate.header.epoch === epoch);
    if (segment === undefined || this.#progress.acknowledged.has(ordinal)) return undefined;
    const file = this.#setup.fileSystem.open(segment.path, 'read');
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
    // Records that were moved here carry the sequences of their first log; then only a whole walk is sure.
    if (this.#writer.movedIn > 0) return this.#findAnywhere(sequence);
    const segment = this.#retention.segments.findLast(({ header }) => header.firstSequence <= sequence);
    if (segment === undefined || segment.endOrdinal <= this.cursor) return undefined;
    const place = await this.#places.find(segment, sequence, segment !== this.#writer.activeSegment);
    return place && this.readAt(place);
  }

  async #findAnywhere(sequence: number): Promise<DecodedRecord | undefined> {
    const reader = this.createReader();
    try {
      for (;;) {
        const records = await reader.read(256);
        if (records.length === 0) return undefined;
        const found = records.find((record) => record.sequence === sequence);
        if (found) return found;
      }
    } finally {
      reader.close();
    }
  }

  /** Reads all segments through without changing anything; a few ms of the process at a time. */
  verify(): Promise<LogVerification> {
    return verifySegments({
      fileSystem: this.#setup.fileSystem,
      segments: this.#retention.segments,
      isDone: (ordinal) => this.isDone(ordinal),
      now: () => ({ pending: this.pending, nextOrdinal: this.#writer.nextOrdinal }),
    });
  }

  /** Marks a record as done; false when it was already. */
  acknowledge(ordinal: number, outcome: Outcome): boolean {
    if (ordinal >= this.#writer.nextOrdinal) return false;
    return this.#progress.acknowledge(ordinal, outcome);
  }

  isDone(ordinal: number): boolean {
    return this.#progress.acknowledged.has(ordinal);
  }

  /** While `action` runs, these records are neither given up nor acknowledged, except as moved. */
  whileMoving(ordinals: Iterable<number>, action: () => Promise<void>): Promise<void> {
    return this.#progress.whileMoving(ordinals, action);
  }

  get pending(): number {
    return this.#writer.nextOrdinal - this.#progress.acknowledged.cursor - this.#progress.acknowledged.beyond;
  }

  get nextOrdinal(): number {
    return this.#writer.nextOrdinal;
  }

  /** Everything before this ordinal is done. */
  get cursor(): number {
    return this.#progress.acknowledged.cursor;
  }

  /** True when all that is done has room in the cursor file. */
  get isStoredWhole(): boolean {
    return this.#progress.isStoredWhole;
  }

  /** True when records were moved in that may still be open in the log that they came from. */
  get hasUnreconciled(): boolean {
    return this.#retention.hasUnreconciled;
  }

  /** The records that were moved in and may still be open in the log that they came from, whether done here or not. */
  async unreconciled(): Promise<{ sequence: number; isDone: boolean }[]> {
    const found: { sequence: number; isDone: boolean }[] = [];
    await this.#createReader(this.#progress.reconciled, () => false).walk(({ movedIn, sequence, ordinal }) => {
      if (movedIn) found.push({ sequence, isDone: this.#progress.acknowledged.has(ordinal) });
    });
    return found;
  }

  /** The logs that they came from know, durably, that everything moved in before `ordinal` is gone from them. */
  markReconciled(ordinal: number): void {
    this.#progress.markReconciled(ordinal);
  }

  /** As of LogWriter. */
  get settledEpoch(): number {
    return this.#writer.settledEpoch;
  }

  get status(): LogStatus {
    return {
      ...this.#progress.outcomes,
      name: this.name,
      appended: this.#writer.nextOrdinal,
      movedIn: this.#writer.movedIn,
      pending: this.pending,
      bytes: this.#retention.bytes,
      quotaBytes: this.#setup.options.quotaBytes,
      syncEveryMs: this.#setup.options.syncEveryMs,
      error: this.#writer.lastError,
    };
  }

  /** After a failure, when nobody appends: looks whether there is room again, so that the log does not count as refusing. */
  reconsider(): void {
    if (this.#writer.lastError === undefined || this.#writer.failedForMs < reconsiderAfterMs) return;
    try {
      if (this.#retention.hasRoom()) this.#writer.forgetError();
    } catch {
      // Still no room.
    }
  }

  /** Hands what is done to the page cache, and frees segments. A failure is logged; it costs repeats at worst. */
  saveCursor(): void {
    this.#progress.save(() => this.#retention.release());
  }

  /** Resolves when what is done is on the device. */
  syncCursor(): Promise<void> {
    return this.#progress.sync();
  }

  /** Removes free segments beyond the few that are kept, or beyond the quota, once it is on the device that they are not needed. */
  trim(): Promise<void> {
    return this.#retention.trim();
  }

  /** Writes what waits, saves the cursor and closes the files. */
  async close(): Promise<void> {
    await this.#writer.close();
    await this.#retention.settle();
    await this.#progress.close(() => this.#retention.release());
  }

  #createRetention({ segments, free, nextSlot }: RecoveredLog): Retention {
    return new Retention({
      ...this.#setup,
      host: {
        activeSegment: () => this.#writer.activeSegment,
        epoch: () => this.#writer.epoch,
        beforeReuse: (epoch) => this.#host.beforeReuse(this.name, epoch),
        settleMoves: () => this.#host.settleMoves(),
        onEvicted: (count, endOrdinal) => this.#host.onEvicted(this.name, count, endOrdinal),
      },
      progress: this.#progress,
      segments,
      free,
      nextSlot,
    });
  }

  #createWriter({ lastEpoch, previous, nextOrdinal, movedIn }: RecoveredLog): LogWriter {
    return new LogWriter({
      ...this.#setup,
      host: {
        provideSegment: () => this.#retention.provideSegment(),
        nextSequence: () => this.#host.nextSequence(),
        onSegmentStarted: (segment) => {
          this.#retention.add(segment);
          this.#host.onSegmentStarted(this.name, segment.header.epoch);
        },
        onSegmentFailed: (path) => this.#retention.remove(path),
        onWritten: (bytes) => this.#host.onWritten(this.name, bytes),
        onRefused: (contents) => this.#host.onRefused(contents),
      },
      syncEveryMs: this.#setup.options.syncEveryMs,
      lastEpoch,
      previous,
      nextOrdinal,
      movedIn,
    });
  }

  #keepDamage(segment: Segment, damage: Damage): void {
    this.#host.onDamage(this.name, segment.path, { ...damage, epoch: segment.header.epoch }, 0);
  }

  #lose(segment: Segment, from: number, to: number): void {
    const count = this.#progress.giveUp(from, to, 'corrupt');
    if (count === 0) return;
    this.#host.onDamage(this.name, segment.path, undefined, count);
  }
}
