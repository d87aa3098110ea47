import { ByteStore } from './byte-store.ts';
import type { Framer, FrameSink } from './framing.ts';

export interface DelimiterOptions {
  readonly delimiter: Uint8Array;
  readonly maxFrameBytes: number;
  readonly sink: FrameSink;
  /** Line framing: empty frames are left out. */
  readonly skipEmpty?: boolean;
  /** Line framing with `lf`: one carriage return at the end is taken off. */
  readonly trimCarriageReturn?: boolean;
}

/** Frames that end with a fixed sequence of bytes; also lines. */
export class DelimiterFramer implements Framer {
  readonly gapMs = undefined;
  readonly #options: DelimiterOptions;
  readonly #store = new ByteStore();
  /** Up to here no delimiter begins. */
  #searched = 0;
  /** Bytes of an overlong frame that are gone already. */
  #dropping = 0;

  constructor(options: DelimiterOptions) {
    this.#options = options;
  }

  push(bytes: Buffer): void {
    const { delimiter, maxFrameBytes } = this.#options;
    // In pieces, so that a chunk of any size needs no more room than the longest frame.
    for (let at = 0; at < bytes.length; at += maxFrameBytes) {
      this.#store.append(bytes.subarray(at, at + maxFrameBytes));
      for (let end = this.#find(); end >= 0; end = this.#find()) {
        this.#emit(end);
        this.#store.skip(delimiter.length);
        this.#searched = 0;
      }
      this.#searched = Math.max(0, this.#store.length - delimiter.length + 1);
      if (this.#dropping > 0 || this.#searched > maxFrameBytes) {
        this.#dropping += this.#searched;
        this.#store.skip(this.#searched);
        this.#searched = 0;
      }
    }
  }

  gap(): void {}

  reset(): void {
    const bytes = this.#dropping + this.#store.length;
    this.#store.clear();
    this.#searched = 0;
    this.#dropping = 0;
    if (bytes > 0) this.#options.sink.dropped('unfinished', bytes);
  }

  #find(): number {
    return this.#store.indexOf(this.#options.delimiter, this.#searched);
  }

  #emit(length: number): void {
    const { maxFrameBytes, sink, skipEmpty, trimCarriageReturn } = this.#options;
    if (this.#dropping + length > maxFrameBytes) {
      const bytes = this.#dropping + length;
      this.#dropping = 0;
      this.#store.skip(length);
      sink.dropped('overlong', bytes);
      return;
    }
    let frame = this.#store.take(length);
    if (trimCarriageReturn && frame.at(-1) === 0x0d) frame = frame.subarray(0, -1);
    if (!skipEmpty || frame.length > 0) sink.frame(frame);
  }
}
