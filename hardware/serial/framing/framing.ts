/** Where a frame ends. Bytes are numbers 0 to 255. */
export type Framing =
  /** What the system gives at once; where that is cut is chance. */
  | { readonly kind: 'none' }
  /** Empty lines are left out; with `lf` a carriage return before it is taken off too. */
  | { readonly kind: 'line'; readonly end: 'lf' | 'crlf' | 'cr' }
  | { readonly kind: 'delimiter'; readonly bytes: readonly number[] }
  /** `resyncMs`: after so long a silence an unfinished frame is thrown away; 0 or absent = never. */
  | { readonly kind: 'fixed'; readonly length: number; readonly resyncMs?: number }
  /**
   * A field `offset` bytes into the frame says how many bytes follow it, less `adjust`: a frame is
   * offset + size + value + adjust long. With offset 0 the field is taken off, and put before what is written; else the
   * frame is given whole, and the field of what is written is filled in.
   */
  | {
      readonly kind: 'length';
      readonly offset: number;
      readonly size: 1 | 2 | 4;
      readonly endian: 'big' | 'little';
      readonly adjust: number;
      readonly resyncMs?: number;
    }
  /** A frame ends when nothing came for `gapMs`. */
  | { readonly kind: 'silence'; readonly gapMs: number }
  /** What the expression matches stands between frames; one byte is one character (latin1), a match 256 at most. */
  | { readonly kind: 'regex'; readonly pattern: string }
  /** RFC 1055. */
  | { readonly kind: 'slip' };

/** `unfinished`: the port went away, or a silence came, in the middle of a frame. */
export type DropReason = 'overlong' | 'malformed' | 'unfinished';

export interface FrameSink {
  /** Without its delimiters; the buffer belongs to the sink. */
  frame(frame: Buffer): void;
  /** Bytes that belong to no frame, reported once at the boundary up to which they were dropped. */
  dropped(reason: DropReason, bytes: number): void;
}

/**
 * Cuts a stream of bytes into frames. What comes out does not depend on how the stream was cut into chunks (except with
 * framing `none`). Holds at most the longest frame and its delimiter.
 */
export interface Framer {
  /** A silence so long, in milliseconds after the last `push`, is to be told by `gap()`; undefined: none matters. */
  readonly gapMs: number | undefined;
  push(bytes: Buffer): void;
  gap(): void;
  /** The stream ended in the middle of something: what is unfinished is dropped and reported. */
  reset(): void;
}

/** 64 KiB. */
export const defaultMaxFrameBytes = 64 * 1024;
