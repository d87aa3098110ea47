import { ByteStore } from './byte-store.ts';
import type { Framer, FrameSink } from './framing.ts';

const endByte = 0xc0;
const escapeByte = 0xdb;
const escapedEnd = 0xdc;
const escapedEscape = 0xdd;

export interface SlipOptions {
  readonly maxFrameBytes: number;
  readonly sink: FrameSink;
}

/** SLIP, RFC 1055. A frame with a sequence that the RFC does not know is dropped. */
export class SlipFramer implements Framer {
  readonly gapMs = undefined;
  readonly #maxFrameBytes: number;
  readonly #sink: FrameSink;
  readonly #store = new ByteStore();
  #escaped = false;
  #bad: 'overlong' | 'malformed' | undefined;
  /** Bytes as they came, for the report of what was dropped. */
  #raw = 0;

  constructor({ maxFrameBytes, sink }: SlipOptions) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#sink = sink;
  }

  push(bytes: Buffer): void {
    const decoded = Buffer.allocUnsafe(bytes.length);
    let length = 0;
    const keep = () => {
      if (!this.#bad) this.#store.append(decoded.subarray(0, length));
      length = 0;
    };
    for (const byte of bytes) {
      if (byte === endByte) {
        keep();
        this.#finish();
        continue;
      }
      this.#raw++;
      if (this.#escaped) {
        this.#escaped = false;
        if (byte === escapedEnd) decoded[length++] = endByte;
        else if (byte === escapedEscape) decoded[length++] = escapeByte;
        else this.#spoil('malformed');
      } else if (byte === escapeByte) {
        this.#escaped = true;
      } else {
        decoded[length++] = byte;
      }
      if (!this.#bad && this.#store.length + length > this.#maxFrameBytes) this.#spoil('overlong');
    }
    keep();
  }

  gap(): void {}

  reset(): void {
    const bytes = this.#raw;
    this.#restart();
    if (bytes > 0) this.#sink.dropped('unfinished', bytes);
  }

  #spoil(reason: 'overlong' | 'malformed'): void {
    this.#bad ??= reason;
    this.#store.clear();
  }

  #finish(): void {
    const bad = this.#escaped ? (this.#bad ?? 'malformed') : this.#bad;
    const bytes = this.#raw;
    const frame = this.#store.take(this.#store.length);
    this.#restart();
    if (bad) this.#sink.dropped(bad, bytes);
    else if (frame.length > 0) this.#sink.frame(frame);
  }

  #restart(): void {
    this.#store.clear();
    this.#escaped = false;
    this.#bad = undefined;
    this.#raw = 0;
  }
}

/** The frame between two END bytes: the first ends what noise may have begun. */
export function encodeSlip(payload: Buffer): Buffer {
  const bytes: number[] = [endByte];
  for (const byte of payload) {
    if (byte === endByte) bytes.push(escapeByte, escapedEnd);
    else if (byte === escapeByte) bytes.push(escapeByte, escapedEscape);
    else bytes.push(byte);
  }
  bytes.push(endByte);
  return Buffer.from(bytes);
}
