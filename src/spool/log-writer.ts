/**
 * The writing end of a log: group commit into the active segment.
 *
 * - A record's promise resolves after fdatasync of the segment (and of the folder, when the file is new) has returned.
 * - One group is on its way to the device at a time; what arrives meanwhile is the next group.
 * - After any failure the active segment is left for good: nothing is written behind a write that may be half there.
 *   Everything not yet acknowledged fails, and the next record begins a new segment.
 */
import { describeError, HoldfastError, isHoldfastError } from '../errors.ts';
import type { Clock, FileSystem } from '../platform/index.ts';
import { ActiveSegment, type SegmentFile } from './active-segment.ts';
import { Group } from './group.ts';
import { GroupCompression } from './group-compression.ts';
import { type RecordContent, recordBytesAtMost } from './record.ts';
import { pageBytes, type Segment } from './segment.ts';
import type { Compression } from './types.ts';

/** A group of this size goes to the device at once, and what still comes in the same turn is the next one. */
const earlyBytes = 96 * 1024;
const reasonBytesAtMost = 264;
const maxGroupBytes = 4 * 1024 * 1024;

/** What the writer needs of its log. */
export interface LogWriterHost {
  /**
   * A file for the next segment.
   *
   * @throws HoldfastError `spool-full` when the quota is used up; what the file system throws.
   */
  provideSegment(): Promise<SegmentFile>;
  /** `segment` has its first records on the device and belongs to the log. */
  onSegmentStarted(segment: Segment): void;
  /** `segment` never got a record to the device; its file is not to be used again. */
  onSegmentFailed(path: string): void;
  /** The smallest sequence that no record has yet. */
  nextSequence(): number;
  /** A group is on the device; `bytes` is what was written for it. */
  onWritten(bytes: number): void;
  /** Records that will never be stored, in no particular order. */
  onRefused(contents: readonly RecordContent[]): void;
}

interface Waiting {
  readonly content: RecordContent;
  readonly resolve: (ordinal: number) => void;
  readonly reject: (error: unknown) => void;
}

/** Writes one log. */
export class LogWriter {
  readonly #host: LogWriterHost;
  readonly #fileSystem: FileSystem;
  readonly #clock: Clock;
  readonly #folder: string;
  readonly #segmentBytes: number;
  readonly #syncEveryMs: number;
  readonly #compression: GroupCompression;
  #active: ActiveSegment | undefined;
  #filling = new Group();
  #writing = new Group();
  /** Contents of the filling group, for `onRefused`. */
  #fillingContents: RecordContent[] = [];
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  /** True while senders that were just answered may still join the filling group. */
  #isGathering = false;
  /** How large the filling group will be when they all have. */
  #comingBack = 0;
  /** A group that did not wait for the end of the gathering. */
  #early: Promise<void> | undefined;
  #lastSyncMs = Number.NEGATIVE_INFINITY;
  #lastError: HoldfastError | undefined;
  #failedAtMs = 0;
  #closed = false;
  #epoch: number;
  /** A segment that was left after a failure, until a later one says where it ends: what was refused may be found in it. */
  #unsettled = Number.POSITIVE_INFINITY;
  #end: number;
  #nextOrdinal: number;
  #movedIn: number;
  /** Where the filling group will stand when the group under way succeeds. */
  #expected: { start: number; epoch: number; ordinal: number; durable: number };

  constructor(options: {
    host: LogWriterHost;
    fileSystem: FileSystem;
    clock: Clock;
    folder: string;
    segmentBytes: number;
    syncEveryMs: number;
    compression: Compression;
    /** How the log ends: newest epoch, last segment with records, next ordinal, records moved in so far. */
    lastEpoch: number;
    previous: { readonly epoch: number; readonly end: number };
    nextOrdinal: number;
    movedIn: number;
  }) {
    this.#host = options.host;
    this.#fileSystem = options.fileSystem;
    this.#clock = options.clock;
    this.#folder = options.folder;
    this.#segmentBytes = options.segmentBytes;
    this.#syncEveryMs = options.syncEveryMs;
    this.#compression = new GroupCompression(options.compression, options.clock);
    this.#epoch = options.lastEpoch;
    this.#previous = options.previous;
    this.#end = pageBytes;
    this.#nextOrdinal = options.nextOrdinal;
    this.#movedIn = options.movedIn;
    this.#expected = {
      start: pageBytes,
      epoch: options.lastEpoch + 1,
      ordinal: options.nextOrdinal,
      durable: pageBytes,
    };
  }

  /** The last segment of the log that holds records: what the next segment's header names as the one before it. */
  #previous: { readonly epoch: number; readonly end: number };

  /** The newest use of a segment. */
  get epoch(): number {
    return this.#epoch;
  }

  /** All records of segments up to this one, as a start would find them, are on the device, and their senders were told. */
  get settledEpoch(): number {
    return Math.min(this.#active === undefined ? this.#epoch : this.#epoch - 1, this.#unsettled - 1);
  }

  /** Ordinal after the last record on the device. */
  get nextOrdinal(): number {
    return this.#nextOrdinal;
  }

  /** Records moved in from other logs, ever. */
  get movedIn(): number {
    return this.#movedIn;
  }

  /** Why the last write failed; undefined once one has succeeded again. */
  get lastError(): HoldfastError | undefined {
    return this.#lastError;
  }

  /** Since the last failure, in ms; infinite when the last write succeeded. */
  get failedForMs(): number {
    return this.#lastError === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - this.#failedAtMs;
  }

  /** What stood in the way is gone: until the next write shows otherwise the log counts as well. */
  forgetError(): void {
    this.#lastError = undefined;
  }

  /** The segment being written. */
  get activeSegment(): Segment | undefined {
    return this.#active?.segment;
  }

  /**
   * Resolves with the record's ordinal when it is on the device. Records reach the log in the order of the calls.
   * Rejects with `spool-full`, `spool-write-failed`, `spool-record-too-large` or `spool-closed`: then it is not stored.
   */
  append(content: RecordContent): Promise<number> {
    return new Promise((resolve, reject) => this.enqueue(content, resolve, reject));
  }

  /** The same, for whoever needs no promise of its own. */
  enqueue(content: RecordContent, resolve: (ordinal: number) => void, reject: (error: unknown) => void): void {
    // A report that fits must also fit with the reason why it is moved aside, or one that is refused would stay for ever.
    const bytes = recordBytesAtMost(content) + (content.movedIn ? 0 : reasonBytesAtMost);
    const most = this.#segmentBytes - pageBytes;
    if (bytes > most || this.#closed) {
      this.#host.onRefused([content]);
      reject(this.#closed ? new HoldfastError('spool-closed', 'the spool is stopped') : tooLarge(bytes, most));
      return;
    }
    const limit = Math.min(maxGroupBytes, most);
    if (this.#waiting.length > 0 || (this.#filling.count > 0 && this.#filling.bytes + bytes > limit)) {
      this.#waiting.push({ content, resolve, reject });
    } else this.#fill(content, resolve, reject);
    this.#running ??= this.#run();
  }

  /** Gives back the room for groups that a burst has left, unless something is being written. */
  giveBack(): void {
    if (this.#running !== undefined) return;
    this.#filling.shrink();
    this.#writing.clear();
    this.#writing.shrink();
  }

  /** Writes what is waiting and closes the file; appends are refused from now on. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    this.#leaveSegment();
  }

  #fill(content: RecordContent, resolve: (ordinal: number) => void, reject: (error: unknown) => void): void {
    if (this.#filling.count === 0) this.#filling.reset(this.#expected.start, this.#expected);
    this.#filling.add(content, resolve, reject);
    this.#fillingContents.push(content);
    if (!this.#isGathering) return;
    // All who were just answered are back; or there is enough to keep the device busy while the rest is being encoded.
    if (this.#filling.count >= this.#comingBack || this.#filling.bytes >= earlyBytes) {
      this.#isGathering = false;
      this.#early = this.#writeGroup();
    }
  }

  async #run(): Promise<void> {
    // Whatever this turn of the event loop still appends joins the first group.
    await Promise.resolve();
    while (this.#early !== undefined || this.#filling.count > 0) {
      if (this.#early === undefined) await this.#pause();
      const group = this.#early ?? this.#writeGroup();
      this.#early = undefined;
      await group;
      // The senders that were just answered send again within this turn: let them join the next group.
      this.#comingBack = this.#filling.count + this.#writing.count;
      this.#isGathering = this.#syncEveryMs === 0;
      await new Promise((resolve) => setImmediate(resolve));
      this.#isGathering = false;
    }
    this.#running = undefined;
  }

  /** Waits until the lane may sync again. */
  async #pause(): Promise<void> {
    if (this.#syncEveryMs === 0) return;
    const pause = this.#lastSyncMs + this.#syncEveryMs - this.#clock.monotonicMs();
    if (pause > 0 && !this.#closed) await this.#clock.sleep(pause);
  }

  /** Brings the filling group to the device and tells its senders; the next one is filled meanwhile. Never rejects. */
  async #writeGroup(): Promise<void> {
    const group = this.#filling;
    const contents = this.#fillingContents;
    this.#filling = this.#writing;
    this.#filling.clear();
    this.#writing = group;
    this.#fillingContents = [];
    try {
      await this.#commit(group, contents);
      this.#lastError = undefined;
      group.resolveAll();
    } catch (error) {
      this.#fail(group, contents, error);
    }
    this.#refill();
  }

  #refill(): void {
    const limit = Math.min(maxGroupBytes, this.#segmentBytes - pageBytes);
    let taken = 0;
    for (const { content, resolve, reject } of this.#waiting) {
      if (this.#filling.count > 0 && this.#filling.bytes + recordBytesAtMost(content) > limit) break;
      this.#fill(content, resolve, reject);
      taken++;
    }
    if (taken > 0) this.#waiting = this.#waiting.slice(taken);
  }

  async #commit(group: Group, contents: readonly RecordContent[]): Promise<void> {
    if (this.#active === undefined || this.#startOf(group) + group.bytes > this.#segmentBytes)
      await this.#roll(contents);
    const active = this.#active!;
    const { segment } = active;
    const epoch = segment.header.epoch;
    group.settle({ epoch, ordinal: this.#nextOrdinal, durable: this.#end });
    this.#compression.consider(group);
    const start = this.#startOf(group);
    const end = start + group.bytes;
    const pages = group.pages(start, active.tail);
    this.#expected = { start: end, epoch, ordinal: this.#nextOrdinal + group.count, durable: end };

    const written = active.write(pages, start - (start % pageBytes), group.bytes);
    const begunMs = this.#clock.monotonicMs();
    await active.sync();
    this.#compression.onSynced(this.#clock.monotonicMs() - begunMs);

    const isFirst = !active.isBegun;
    active.onSynced(pages);
    this.#unsettled = Number.POSITIVE_INFINITY;
    this.#end = end;
    this.#nextOrdinal += group.count;
    this.#movedIn += group.movedIn;
    this.#previous = { epoch, end };
    this.#lastSyncMs = this.#clock.monotonicMs();
    segment.end = end;
    segment.endOrdinal = this.#nextOrdinal;
    segment.movedIn += group.movedIn;
    if (group.movedIn > 0) segment.movedInEnd = this.#nextOrdinal - group.count + group.movedInEnd;
    if (isFirst) this.#host.onSegmentStarted(segment);
    this.#host.onWritten(written);
  }

  /** Begins at a fresh page when that saves writing one page more. */
  #startOf(group: Group): number {
    const used = this.#end % pageBytes;
    if (used === 0) return this.#end;
    const here = Math.ceil((used + group.bytes) / pageBytes);
    return Math.ceil(group.bytes / pageBytes) < here ? this.#end - used + pageBytes : this.#end;
  }

  async #roll(contents: readonly RecordContent[]): Promise<void> {
    this.#leaveSegment();
    const file = await this.#host.provideSegment();
    this.#epoch++;
    this.#end = pageBytes;
    this.#active = new ActiveSegment({
      fileSystem: this.#fileSystem,
      folder: this.#folder,
      segmentBytes: this.#segmentBytes,
      file,
      header: {
        epoch: this.#epoch,
        previousEpoch: this.#previous.epoch,
        previousEnd: this.#previous.end,
        firstOrdinal: this.#nextOrdinal,
        movedInBefore: this.#movedIn,
        firstSequence: contents.find((content) => !content.movedIn)?.sequence ?? this.#host.nextSequence(),
        createdMs: Math.max(0, Math.floor(this.#clock.wallMs())),
      },
    });
  }

  #fail(group: Group, contents: RecordContent[], cause: unknown): void {
    const error = isHoldfastError(cause)
      ? cause
      : new HoldfastError(
          'spool-write-failed',
          `the disk did not take a report (${describeError(cause)}): free some space or replace the disk; the box tries again with the next report`,
          cause,
        );
    this.#lastError = error;
    this.#failedAtMs = this.#clock.monotonicMs();
    const failed = this.#active?.isBegun === false ? this.#active.segment.path : undefined;
    if (this.#active !== undefined) this.#unsettled = Math.min(this.#unsettled, this.#epoch);
    if (group.count > 0) this.#active?.void(this.#startOf(group));
    this.#leaveSegment();
    if (failed !== undefined) this.#host.onSegmentFailed(failed);
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#host.onRefused([...contents, ...this.#fillingContents, ...waiting.map(({ content }) => content)]);
    group.rejectAll(error);
    this.#filling.rejectAll(error);
    for (const { reject } of waiting) reject(error);
    this.#filling.clear();
    this.#fillingContents = [];
    this.#expected = { start: pageBytes, epoch: this.#epoch + 1, ordinal: this.#nextOrdinal, durable: pageBytes };
  }

  #leaveSegment(): void {
    const active = this.#active;
    this.#active = undefined;
    active?.close();
  }
}

const tooLarge = (bytes: number, most: number) =>
  new HoldfastError(
    'spool-record-too-large',
    `a report of ${bytes} bytes does not fit into a segment (${most} bytes): raise spool.segmentSize`,
  );
