import type { Framer, FrameSink } from './framing.ts';

export interface RegexOptions {
  /** As of `new RegExp`; matched against latin1 text. */
  readonly pattern: string;
  readonly maxFrameBytes: number;
  readonly sink: FrameSink;
}

/** A match is looked for from so many characters before what is new, so that long frames do not cost the square. */
const longestMatch = 256;

/**
 * Frames with something between them that an expression describes. Empty frames are left out, so that `[\r\n]+` gives
 * the same whether its match arrives at once or byte by byte.
 */
export class RegexFramer implements Framer {
  readonly gapMs = undefined;
  readonly #expression: RegExp;
  readonly #maxFrameBytes: number;
  readonly #sink: FrameSink;
  #text = '';
  #dropping = 0;

  constructor({ pattern, maxFrameBytes, sink }: RegexOptions) {
    this.#expression = new RegExp(pattern, 'g');
    this.#maxFrameBytes = maxFrameBytes;
    this.#sink = sink;
  }

  push(bytes: Buffer): void {
    const step = Math.max(this.#maxFrameBytes, longestMatch);
    for (let at = 0; at < bytes.length; at += step) {
      const from = Math.max(0, this.#text.length - longestMatch);
      this.#text += bytes.subarray(at, at + step).toString('latin1');
      this.#cut(from);
    }
  }

  gap(): void {}

  reset(): void {
    const bytes = this.#dropping + this.#text.length;
    this.#text = '';
    this.#dropping = 0;
    if (bytes > 0) this.#sink.dropped('unfinished', bytes);
  }

  #cut(from: number): void {
    let begin = 0;
    this.#expression.lastIndex = from;
    for (let match = this.#expression.exec(this.#text); match; match = this.#expression.exec(this.#text)) {
      if (match[0] === '') {
        this.#expression.lastIndex++;
        continue;
      }
      this.#emit(this.#text.slice(begin, match.index));
      begin = match.index + match[0].length;
    }
    this.#text = this.#text.slice(begin);
    const excess = this.#text.length - longestMatch;
    if (this.#dropping > 0 ? excess > 0 : excess > this.#maxFrameBytes) {
      this.#dropping += excess;
      this.#text = this.#text.slice(excess);
    }
  }

  #emit(text: string): void {
    const bytes = this.#dropping + text.length;
    this.#dropping = 0;
    if (bytes > this.#maxFrameBytes) this.#sink.dropped('overlong', bytes);
    else if (bytes > 0) this.#sink.frame(Buffer.from(text, 'latin1'));
  }
}
