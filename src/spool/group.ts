import {
  align,
  encodeRecord,
  packGroup,
  placeRecord,
  type RecordContent,
  type RecordPlace,
  recordBytesAtMost,
} from './record.ts';
import { pageBytes } from './segment.ts';

/** One record of a group, and whom to tell. */
interface Entry {
  readonly at: number;
  readonly resolve: (ordinal: number) => void;
  readonly reject: (error: unknown) => void;
}

const startBytes = 64 * 1024;

/**
 * Records that reach the device together, already encoded: while the device is busy with one group the next one is made
 * ready. Records stand in the buffer where they will stand in their page, so that nothing is moved before the write.
 */
export class Group {
  #buffer: Buffer = Buffer.allocUnsafeSlow(startBytes);
  #lead = 0;
  #end = 0;
  #place: RecordPlace | undefined;
  readonly #entries: Entry[] = [];
  #movedIn = 0;
  #movedInEnd = 0;
  #packed: Buffer | undefined;

  get count(): number {
    return this.#entries.length;
  }

  get movedIn(): number {
    return this.#movedIn;
  }

  /** How many records there are up to the last one that was moved in. */
  get movedInEnd(): number {
    return this.#movedInEnd;
  }

  /** Bytes from the first record to the end of the last, or of the packed group. */
  get bytes(): number {
    return this.#packed?.length ?? this.#end - this.#lead;
  }

  /** Empties the group for records that will be written at `start` of a segment, the first one at `place`. */
  reset(start: number, place: RecordPlace): void {
    this.#lead = start % pageBytes;
    this.#end = this.#lead;
    this.#place = place;
    this.#packed = undefined;
    this.#entries.length = 0;
    this.#movedIn = 0;
    this.#movedInEnd = 0;
    // One burst of large reports must not keep its buffer for ever.
    if (this.#buffer.length > 16 * startBytes) this.#buffer = Buffer.allocUnsafeSlow(startBytes);
  }

  /** Forgets the records. */
  clear(): void {
    this.#packed = undefined;
    this.#entries.length = 0;
  }

  /** Gives back the room that a burst has left an empty group with. */
  shrink(): void {
    if (this.count === 0 && this.#buffer.length > startBytes) this.#buffer = Buffer.allocUnsafeSlow(startBytes);
  }

  add(content: RecordContent, resolve: (ordinal: number) => void, reject: (error: unknown) => void): void {
    this.#ensure(this.#end + recordBytesAtMost(content) + pageBytes);
    const first = this.#place!;
    const place = { epoch: first.epoch, durable: first.durable, ordinal: first.ordinal + this.#entries.length };
    const length = encodeRecord(this.#buffer, this.#end, content, place);
    this.#entries.push({ at: this.#end - this.#lead, resolve, reject });
    if (content.movedIn) {
      this.#movedIn++;
      this.#movedInEnd = this.#entries.length;
    }
    this.#end += align(length);
  }

  /** Gives the records their places, when they are not those that were expected: the first one has `place`. */
  settle(place: RecordPlace): void {
    const first = this.#place!;
    if (first.epoch === place.epoch && first.ordinal === place.ordinal && first.durable === place.durable) return;
    this.#entries.forEach((entry, index) => {
      placeRecord(this.#buffer, this.#lead + entry.at, { ...place, ordinal: place.ordinal + index });
    });
    this.#place = place;
  }

  /** Compresses the settled records as one, if that spares anything; true when it did. */
  pack(): boolean {
    this.#packed = packGroup(this.#buffer.subarray(this.#lead, this.#end), this.count, this.#place!);
    return this.#packed !== undefined;
  }

  /**
   * The pages to write for this settled group when its first record stands at `start` of a segment; `tail` is what the
   * first page holds before it. The array is valid until the group is reset.
   */
  pages(start: number, tail: Buffer): Buffer {
    const lead = start % pageBytes;
    if (this.#packed !== undefined) {
      const pages = Buffer.alloc(Math.ceil((lead + this.#packed.length) / pageBytes) * pageBytes);
      tail.copy(pages, 0, 0, lead);
      this.#packed.copy(pages, lead);
      return pages;
    }
    if (lead !== this.#lead) {
      this.#ensure(this.#end + pageBytes * 2);
      this.#buffer.copyWithin(lead, this.#lead, this.#end);
      this.#end += lead - this.#lead;
      this.#lead = lead;
    }
    tail.copy(this.#buffer, 0, 0, lead);
    const end = Math.ceil(this.#end / pageBytes) * pageBytes;
    this.#buffer.fill(0, this.#end, end);
    return this.#buffer.subarray(0, end);
  }

  resolveAll(): void {
    const first = this.#place!.ordinal;
    for (let index = 0; index < this.#entries.length; index++) this.#entries[index]!.resolve(first + index);
  }

  rejectAll(error: unknown): void {
    for (const entry of this.#entries) entry.reject(error);
  }

  #ensure(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#end);
    this.#buffer = larger;
  }
}
