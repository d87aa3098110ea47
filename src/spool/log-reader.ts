import type { FileSystem, OpenFile } from '../platform/index.ts';
import type { DecodedRecord } from './record.ts';
import type { Segment } from './segment.ts';
import { type Damage, SegmentReader } from './segment-reader.ts';

/**
 * Walks over the open records of a log in order, behind the writer: a record is seen only once it is on the device.
 * It holds one segment open and one chunk of it in memory, whatever the backlog.
 */
export class LogReader {
  readonly #fileSystem: FileSystem;
  readonly #segments: readonly Segment[];
  readonly #isDone: (ordinal: number) => boolean;
  readonly #isActive: (segment: Segment) => boolean;
  readonly #onDamage: (segment: Segment, damage: Damage) => void;
  readonly #onLost: (segment: Segment, from: number, to: number) => void;
  #ordinal: number;
  #current: { segment: Segment; file: OpenFile; reader: SegmentReader } | undefined;

  constructor(options: {
    fileSystem: FileSystem;
    /** First ordinal to read. */
    start: number;
    /** The log's segments, in order; looked at anew at each step. */
    segments: readonly Segment[];
    isDone: (ordinal: number) => boolean;
    /** True for the segment that is being written. */
    isActive: (segment: Segment) => boolean;
    onDamage: (segment: Segment, damage: Damage) => void;
    /** Ordinals that should have been there and are not; `to` exclusive. */
    onLost: (segment: Segment, from: number, to: number) => void;
  }) {
    this.#fileSystem = options.fileSystem;
    this.#segments = options.segments;
    this.#isDone = options.isDone;
    this.#isActive = options.isActive;
    this.#onDamage = options.onDamage;
    this.#onLost = options.onLost;
    this.#ordinal = options.start;
  }

  /** The next ordinal that will be looked at. */
  get ordinal(): number {
    return this.#ordinal;
  }

  /**
   * Up to `limit` further records; fewer, or none, when the reader has caught up with the writer. Done ones are left
   * out. Rejects with what the file system throws when it has nothing to give before that; the next call tries again.
   */
  async read(limit: number): Promise<DecodedRecord[]> {
    const records: DecodedRecord[] = [];
    try {
      await this.#readInto(records, limit);
    } catch (error) {
      // What stands before the place that cannot be read must not be lost with it: it would not come again.
      if (records.length === 0) throw error;
    }
    return records;
  }

  /** Shows every further record to `visit`, up to where the reader has caught up with the writer, and closes. */
  async walk(visit: (record: DecodedRecord) => void): Promise<void> {
    try {
      for (let records = await this.read(1024); records.length > 0; records = await this.read(1024)) {
        for (const record of records) visit(record);
      }
    } finally {
      this.close();
    }
  }

  async #readInto(records: DecodedRecord[], limit: number): Promise<void> {
    while (records.length < limit) {
      const current = this.#current ?? this.#enter();
      if (current === undefined) break;
      const { segment, reader } = current;
      if (segment.live) {
        reader.extend(segment.end);
        // What was written a moment ago is in the page cache; older segments may have to come from the device.
        if (reader.needsLoad && !this.#isActive(segment)) await reader.load();
      }
      if (!segment.live) {
        this.#leave();
        continue;
      }
      const item = reader.next();
      if (item?.kind === 'record') {
        const { record } = item;
        if (record.ordinal > this.#ordinal) this.#onLost(segment, this.#ordinal, record.ordinal);
        if (record.ordinal < this.#ordinal) continue;
        this.#ordinal = record.ordinal + 1;
        if (!this.#isDone(record.ordinal)) records.push(record);
      } else if (item?.kind === 'damage') this.#onDamage(segment, item.damage);
      else {
        if (segment.endOrdinal > this.#ordinal) this.#onLost(segment, this.#ordinal, segment.endOrdinal);
        this.#ordinal = Math.max(this.#ordinal, segment.endOrdinal);
        if (this.#isActive(segment)) break;
        this.#leave();
      }
    }
  }

  close(): void {
    this.#leave();
  }

  #enter(): { segment: Segment; file: OpenFile; reader: SegmentReader } | undefined {
    const segment = this.#segments.find((candidate) => candidate.endOrdinal > this.#ordinal);
    if (segment === undefined) return undefined;
    const { path, header, end } = segment;
    const file = this.#fileSystem.open(path, 'read');
    const reader = new SegmentReader({ file, path, epoch: header.epoch, limit: end, sealed: true });
    this.#ordinal = Math.max(this.#ordinal, header.firstOrdinal);
    this.#current = { segment, file, reader };
    return this.#current;
  }

  #leave(): void {
    this.#current?.file.close();
    this.#current = undefined;
  }
}
