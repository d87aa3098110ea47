import { ByteStore } from './byte-store.ts';
import type { Framer, FrameSink } from './framing.ts';

export interface SilenceOptions {
  readonly gapMs: number;
  readonly maxFrameBytes: number;
  readonly sink: FrameSink;
}

/** Frames with silence between them, as of Modbus RTU and many scales. */
export class SilenceFramer implements Framer {
  readonly gapMs: number;
  readonly #maxFrameBytes: number;
  readonly #sink: FrameSink;
  readonly #store = new ByteStore();
  #dropping = 0;

  constructor({ gapMs, maxFrameBytes, sink }: SilenceOptions) {
    this.gapMs = gapMs;
    this.#maxFrameBytes = maxFrameBytes;
    this.#sink = sink;
  }

  push(bytes: Buffer): void {
    if (this.#dropping === 0 && this.#store.length + bytes.length <= this.#maxFrameBytes) {
      this.#store.append(bytes);
      return;
    }
    this.#dropping += this.#store.length + bytes.length;
    this.#store.clear();
  }

  gap(): void {
    if (this.#dropping > 0) {
      const bytes = this.#dropping;
      this.#dropping = 0;
      this.#sink.dropped('overlong', bytes);
    } else if (this.#store.length > 0) {
      this.#sink.frame(this.#store.take(this.#store.length));
    }
  }

  reset(): void {
    const bytes = this.#dropping + this.#store.length;
    this.#dropping = 0;
    this.#store.clear();
    if (bytes > 0) this.#sink.dropped('unfinished', bytes);
  }
}
