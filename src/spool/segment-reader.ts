import { HoldfastError } from '../errors.ts';
import type { OpenFile } from '../platform/index.ts';
import { readU32 } from './bytes.ts';
import { align, type DecodedRecord, probeRecord, recordHeaderBytes, recordMark } from './record.ts';
import { pageBytes } from './segment.ts';

/** A range of a segment that should hold records and does not: bytes from `from` up to `to`. */
export interface Damage {
  readonly from: number;
  readonly to: number;
}

export type SegmentItem =
  | { readonly kind: 'record'; readonly record: DecodedRecord }
  | { readonly kind: 'damage'; readonly damage: Damage };

const chunkBytes = 256 * 1024;

/**
 * Reads the records of one segment in order, over damage.
 *
 * A segment whose end is known is `sealed`: whatever is not a record before the end is damage. Of one whose end is not
 * known the last write may be torn, and nobody was told that it is stored; so what is not a record is damage only when
 * a later record says that those bytes were on the device when it was written, and else it is the end.
 */
export class SegmentReader {
  readonly #file: OpenFile;
  readonly #path: string;
  readonly #epoch: number;
  readonly #sealed: boolean;
  #limit: number;
  #at = pageBytes;
  #chunk: Buffer = Buffer.alloc(0);
  #chunkStart = 0;
  /** The rest of a group that was compressed as one. */
  #unpacked: DecodedRecord[] = [];

  constructor(options: { file: OpenFile; path: string; epoch: number; limit: number; sealed: boolean }) {
    this.#file = options.file;
    this.#path = options.path;
    this.#epoch = options.epoch;
    this.#limit = options.limit;
    this.#sealed = options.sealed;
  }

  /** Where the next item begins, in bytes of the segment. */
  get position(): number {
    return this.#at;
  }

  /** Goes on at `at`, where a record begins. */
  seek(at: number): void {
    this.#at = at;
  }

  /** More of the segment may be read: the writer has gone on. */
  extend(limit: number): void {
    this.#limit = limit;
  }

  /** True when the next item needs bytes from the file. */
  get needsLoad(): boolean {
    return (
      this.#unpacked.length === 0 &&
      this.#at < this.#limit &&
      !this.#holds(this.#at, Math.min(this.#limit, this.#at + recordHeaderBytes))
    );
  }

  /** Brings the next chunk into memory without blocking the process. */
  async load(): Promise<void> {
    const chunk = Buffer.allocUnsafeSlow(Math.min(chunkBytes, this.#limit - this.#at));
    const start = this.#at;
    const count = await this.#file.readAsync(chunk, start);
    this.#chunk = chunk.subarray(0, count);
    this.#chunkStart = start;
  }

  /**
   * The next record or damaged range; undefined at the end. Payloads refer to a chunk that is never written again.
   *
   * @throws HoldfastError `spool-version` at a record that a newer program wrote.
   */
  next(): SegmentItem | undefined {
    const unpacked = this.#unpacked.shift();
    if (unpacked !== undefined) return { kind: 'record', record: unpacked };
    while (this.#at < this.#limit) {
      const at = this.#at;
      const probe = this.#probe(at);
      if (probe.kind === 'record') {
        this.#at = at + align(probe.record.length);
        return { kind: 'record', record: probe.record };
      }
      if (probe.kind === 'group') {
        this.#at = at + align(probe.length);
        this.#unpacked = probe.records.slice(1);
        return { kind: 'record', record: probe.records[0]! };
      }
      if (this.#isPadding(at)) {
        this.#at = nextPage(at);
        continue;
      }
      return this.#overDamage(at);
    }
    return undefined;
  }

  #overDamage(from: number): SegmentItem | undefined {
    for (let at = from + 8; at < this.#limit; ) {
      const probe = this.#probe(at);
      const record = probe.kind === 'record' ? probe.record : probe.kind === 'group' ? probe.records[0] : undefined;
      if (record !== undefined) {
        if (!this.#sealed && record.durable <= from) return undefined;
        this.#at = at;
        return { kind: 'damage', damage: { from, to: at } };
      }
      // Behind the end of a file that was cut short there is nothing to search.
      if (this.#chunk.length === 0 && this.#chunkStart === at) break;
      at += probe.kind === 'old' ? align(probe.length) : 8;
    }
    if (!this.#sealed) return undefined;
    this.#at = this.#limit;
    return { kind: 'damage', damage: { from, to: this.#limit } };
  }

  #probe(at: number): ReturnType<typeof probeRecord> {
    if (!this.#holds(at, at + recordHeaderBytes)) this.#read(at, chunkBytes);
    const offset = at - this.#chunkStart;
    if (offset + recordHeaderBytes > this.#chunk.length) return { kind: 'invalid' };
    const length = readU32(this.#chunk, offset + 4);
    if (at + length > this.#limit) return { kind: 'invalid' };
    if (this.#chunk[offset + 8] === recordMark && !this.#holds(at, at + length))
      this.#read(at, Math.max(length, chunkBytes));
    const probe = probeRecord(this.#chunk, at - this.#chunkStart, this.#chunk.length, this.#epoch, this.#chunkStart);
    if (probe.kind === 'unknown') {
      throw new HoldfastError(
        'spool-version',
        `${this.#path} holds a record of version ${probe.version} at ${at}: start the newer version again, or move the spool folder away`,
      );
    }
    return probe;
  }

  /** A writer fills the rest of a page with zeros when its next group fits into fewer pages behind it. */
  #isPadding(at: number): boolean {
    if (at % pageBytes === 0) return false;
    const end = Math.min(nextPage(at), this.#limit);
    if (!this.#holds(at, end)) this.#read(at, chunkBytes);
    for (let index = at; index < end; index++) if (this.#chunk[index - this.#chunkStart] !== 0) return false;
    return true;
  }

  #holds(from: number, to: number): boolean {
    return from >= this.#chunkStart && to <= this.#chunkStart + this.#chunk.length;
  }

  #read(at: number, bytes: number): void {
    const chunk = Buffer.allocUnsafeSlow(Math.max(0, Math.min(bytes, this.#limit - at)));
    this.#chunk = chunk.subarray(0, this.#file.read(chunk, at));
    this.#chunkStart = at;
  }
}

function nextPage(at: number): number {
  return (Math.floor(at / pageBytes) + 1) * pageBytes;
}

/** The first valid record of a file whose header is gone, whatever its epoch; undefined when there is none. */
export function findFirstRecord(file: OpenFile, size: number): DecodedRecord | undefined {
  const data = Buffer.alloc(size);
  const end = file.read(data, 0);
  for (let at = pageBytes; at + recordHeaderBytes <= end; at += 8) {
    if (data[at + 8] !== recordMark) continue;
    const epoch = readU32(data, at + 12);
    const probe = probeRecord(data, at, end, epoch);
    if (probe.kind === 'record') return probe.record;
    if (probe.kind === 'group') return probe.records[0];
  }
  return undefined;
}
