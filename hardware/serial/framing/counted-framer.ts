import { ByteStore } from './byte-store.ts';
import type { Framer, FrameSink, Framing } from './framing.ts';

type Counted = Extract<Framing, { kind: 'fixed' | 'length' }>;

export interface CountedOptions {
  readonly framing: Counted;
  readonly maxFrameBytes: number;
  readonly sink: FrameSink;
}

/** Frames whose length is known before they are complete: always the same, or told by a field. */
export class CountedFramer implements Framer {
  readonly gapMs: number | undefined;
  readonly #framing: Counted;
  readonly #maxFrameBytes: number;
  readonly #sink: FrameSink;
  readonly #header: number;
  readonly #store = new ByteStore();
  /** Bytes of an overlong frame that are still to come, and those that are gone. */
  #toDrop = 0;
  #dropped = 0;

  constructor({ framing, maxFrameBytes, sink }: CountedOptions) {
    this.gapMs = framing.resyncMs && framing.resyncMs > 0 ? framing.resyncMs : undefined;
    this.#framing = framing;
    this.#maxFrameBytes = maxFrameBytes;
    this.#sink = sink;
    this.#header = framing.kind === 'length' ? framing.offset + framing.size : 0;
  }

  push(bytes: Buffer): void {
    const step = this.#maxFrameBytes + this.#header;
    for (let at = 0; at < bytes.length; at += step) {
      this.#store.append(bytes.subarray(at, at + step));
      while (this.#step());
    }
  }

  /** The sender fell silent in the middle: what comes next is the begin of a frame. */
  gap(): void {
    this.reset();
  }

  reset(): void {
    const bytes = this.#dropped + this.#store.length;
    this.#store.clear();
    this.#toDrop = 0;
    this.#dropped = 0;
    if (bytes > 0) this.#sink.dropped('unfinished', bytes);
  }

  /** One frame, or one part of an overlong one; false when more bytes are needed. */
  #step(): boolean {
    if (this.#toDrop > 0) {
      const bytes = Math.min(this.#toDrop, this.#store.length);
      if (bytes === 0) return false;
      this.#store.skip(bytes);
      this.#toDrop -= bytes;
      this.#dropped += bytes;
      if (this.#toDrop === 0) this.#reportDropped('overlong');
      return true;
    }
    if (this.#store.length === 0 || this.#store.length < this.#header) return false;
    const length = this.#frameLength();
    if (length < this.#header) {
      this.#store.skip(this.#header);
      this.#dropped = this.#header;
      this.#reportDropped('malformed');
      return true;
    }
    if (length > this.#maxFrameBytes) {
      this.#toDrop = length;
      return true;
    }
    if (this.#store.length < length) return false;
    const frame = this.#store.take(length);
    const stripped = this.#framing.kind === 'length' && this.#framing.offset === 0 ? this.#header : 0;
    this.#sink.frame(frame.subarray(stripped));
    return true;
  }

  #frameLength(): number {
    const framing = this.#framing;
    if (framing.kind === 'fixed') return framing.length;
    const view = this.#store.view();
    const value =
      framing.endian === 'big'
        ? view.readUIntBE(framing.offset, framing.size)
        : view.readUIntLE(framing.offset, framing.size);
    return this.#header + value + framing.adjust;
  }

  #reportDropped(reason: 'overlong' | 'malformed'): void {
    const bytes = this.#dropped;
    this.#dropped = 0;
    this.#sink.dropped(reason, bytes);
  }
}
