/**
 * Which segments a log keeps, and where the next one comes from. A segment is freed whole, once all of it is done and
 * known to be so; free ones are used again or removed; the files stay under the quota, and the rest of the box keeps
 * its reserve. When the quota is used up, the oldest records are given up, or appends are refused.
 */
import { join } from 'node:path';
import { describeError, HoldfastError } from '../errors.ts';
import type { FileSystem, Logger } from '../platform/index.ts';
import type { SegmentFile } from './active-segment.ts';
import type { Progress } from './progress.ts';
import type { FreeSegment } from './recovery.ts';
import type { Segment } from './segment.ts';
import type { LogName, LogOptions } from './types.ts';

/** Free segments kept for use; more are removed. */
const freeSegmentsKept = 3;

/** What retention needs of its log. */
export interface RetentionHost {
  /** The segment that is being written. */
  activeSegment(): Segment | undefined;
  /** The newest use of a segment. */
  epoch(): number;
  /** Called before segments up to `epoch` are overwritten or removed: what is known of their records must be safe. */
  beforeReuse(epoch: number): Promise<void>;
  /** Called before segments are freed that hold records whose first log may not have given them up for good. */
  settleMoves(): Promise<void>;
  /** The oldest `count` records were given up for room; all before `endOrdinal` are done now. */
  onEvicted(count: number, endOrdinal: number): void;
}

export class Retention {
  readonly #host: RetentionHost;
  readonly #name: LogName;
  readonly #folder: string;
  readonly #fileSystem: FileSystem;
  readonly #logger: Logger;
  readonly #options: LogOptions;
  readonly #segmentBytes: number;
  readonly #freeReserveBytes: number;
  readonly #progress: Progress;
  readonly #segments: Segment[];
  readonly #free: FreeSegment[];
  #nextSlot: number;
  #trimming: Promise<void> | undefined;
  /** Files that could not be removed; they count against the quota. */
  readonly #doomed = new Set<string>();

  constructor(options: {
    host: RetentionHost;
    name: LogName;
    folder: string;
    fileSystem: FileSystem;
    logger: Logger;
    options: LogOptions;
    segmentBytes: number;
    freeReserveBytes: number;
    progress: Progress;
    /** As recovered. */
    segments: Segment[];
    free: readonly FreeSegment[];
    nextSlot: number;
  }) {
    this.#host = options.host;
    this.#name = options.name;
    this.#folder = options.folder;
    this.#fileSystem = options.fileSystem;
    this.#logger = options.logger;
    this.#options = options.options;
    this.#segmentBytes = options.segmentBytes;
    this.#freeReserveBytes = options.freeReserveBytes;
    this.#progress = options.progress;
    this.#segments = options.segments;
    this.#free = options.free.toSorted((a, b) => a.epoch - b.epoch);
    this.#nextSlot = options.nextSlot;
  }

  /** Those that hold records of the log, in its order; always the same array. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** Bytes of all files. */
  get bytes(): number {
    let bytes = 0;
    for (const segment of this.#segments) bytes += segment.bytes;
    for (const free of this.#free) bytes += free.bytes;
    return bytes + this.#doomed.size * this.#segmentBytes;
  }

  /** True when records were moved in that may still be open in the log that they came from. */
  get hasUnreconciled(): boolean {
    return this.#segments.some((segment) => this.#isUnreconciled(segment));
  }

  /** The segment's first records are on the device. */
  add(segment: Segment): void {
    this.#segments.push(segment);
  }

  /**
   * A file for the next segment: see LogWriterHost.
   *
   * @throws HoldfastError `spool-full` when the quota is used up; what the file system throws.
   */
  async provideSegment(): Promise<SegmentFile> {
    if (this.hasUnreconciled) await this.#host.settleMoves();
    this.release();
    const index = this.#findRoom() ?? (await this.#makeRoom());
    const free = this.#free.splice(index, 1)[0];
    if (free === undefined) {
      this.#checkFreeBytes();
      // Made while there is room: what is delivered could not be freed without it on a disk that is full later.
      if (!this.#progress.hasFile) this.#progress.write();
      const path = join(this.#folder, `${String(this.#nextSlot++).padStart(8, '0')}.segment`);
      return { path, file: this.#fileSystem.create(path), bytes: 0, isNew: true };
    }
    try {
      await this.#host.beforeReuse(free.epoch);
      // A first write that is torn may leave records of the new epoch behind the old header: it must not be used twice.
      this.#progress.reserveEpoch(this.#host.epoch() + 1);
      await this.#progress.sync();
      return { path: free.path, file: this.#fileSystem.open(free.path, 'write'), bytes: free.bytes, isNew: false };
    } catch (error) {
      this.#free.unshift(free);
      throw error;
    }
  }

  /** Whether the next segment would find room as things are. Throws what the file system throws. */
  hasRoom(): boolean {
    this.release();
    const isRoom = this.#options.whenFull === 'dropOldest' || this.#findRoom() !== undefined;
    if (!isRoom) return false;
    const needed = this.#free.length > 0 ? 0 : this.#freeReserveBytes + this.#segmentBytes;
    return this.#fileSystem.freeBytes(this.#folder) >= needed;
  }

  /** Segments of which everything is done become free. */
  release(): void {
    const { acknowledged, storedEnd } = this.#progress;
    const active = this.#host.activeSegment();
    for (let index = 0; index < this.#segments.length; ) {
      const segment = this.#segments[index]!;
      // Ranges that are not kept on disk must not lose their segment, or a restart would miss what it held.
      if (segment.endOrdinal > storedEnd) break;
      if (segment.header.firstOrdinal > acknowledged.cursor && acknowledged.beyond === 0) break;
      const isDone = acknowledged.covers(segment.header.firstOrdinal, segment.endOrdinal);
      if (!isDone || segment === active || this.#isUnreconciled(segment)) index++;
      else this.#freeSegment(index);
    }
  }

  /** Removes free segments beyond the few that are kept, or beyond the quota, once it is on the device that they are not needed. */
  async trim(): Promise<void> {
    for (const path of this.#doomed) this.remove(path);
    let count = Math.max(0, this.#free.length - freeSegmentsKept);
    let bytes = this.bytes - this.#options.quotaBytes;
    for (const [index, free] of this.#free.entries()) {
      if (bytes > 0 && index >= count) count = index + 1;
      bytes -= free.bytes;
    }
    this.#trimming ??= this.#removeFree(count).finally(() => {
      this.#trimming = undefined;
    });
    await this.#trimming;
  }

  /** Resolves when nothing is being removed. */
  async settle(): Promise<void> {
    await this.#trimming?.catch(() => undefined);
  }

  /** Removes a file that is not to be used; tried again later when that fails. */
  remove(path: string): void {
    try {
      if (this.#fileSystem.exists(path)) this.#fileSystem.remove(path);
      this.#doomed.delete(path);
    } catch (error) {
      if (this.#doomed.has(path)) return;
      this.#doomed.add(path);
      this.#logger.warn({ path, error: describeError(error) }, 'cannot remove a segment that is not needed');
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
    const room = this.#options.quotaBytes - this.bytes - this.#segmentBytes;
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
      else if (this.#progress.moved !== undefined) await this.#progress.moved;
      else this.#evict();
    }
  }

  /** @throws HoldfastError `spool-full` when there is nothing that may be given up. */
  #evict(): void {
    const oldest = this.#segments[0];
    if (this.#options.whenFull === 'reject' || oldest === undefined) {
      throw new HoldfastError(
        'spool-full',
        `lane ${this.#name} is full (${this.#options.quotaBytes} bytes): restore the uplink, or raise spool.lanes.${this.#name}.quota`,
      );
    }
    const count = this.#progress.giveUp(oldest.header.firstOrdinal, oldest.endOrdinal, 'evicted');
    this.#freeSegment(0);
    if (count > 0) this.#host.onEvicted(count, oldest.endOrdinal);
  }

  #isUnreconciled(segment: Segment): boolean {
    return segment.movedIn > 0 && segment.movedInEnd > this.#progress.reconciled;
  }

  #freeSegment(index: number): void {
    const segment = this.#segments.splice(index, 1)[0]!;
    segment.live = false;
    this.#free.push({ path: segment.path, bytes: segment.bytes, epoch: segment.header.epoch });
  }

  async #removeFree(count: number): Promise<void> {
    const surplus = this.#free.splice(0, Math.max(0, count));
    if (surplus.length === 0) return;
    try {
      await this.#host.beforeReuse(Math.max(...surplus.map(({ epoch }) => epoch)));
      await this.#progress.sync();
      for (const { path } of surplus) this.remove(path);
    } catch (error) {
      this.#free.unshift(...surplus);
      throw error;
    }
  }
}
