/**
 * Framing: from bytes to frames and back. Pure: no timers, no ports; the owner tells of silences by `gap()`.
 *
 * Invariants: chunks do not matter; an overlong frame is dropped up to its end, and reported once; memory is bounded by the
 * longest frame allowed.
 */
import { SerialError } from '../errors.ts';
import { CountedFramer } from './counted-framer.ts';
import { DelimiterFramer } from './delimiter-framer.ts';
import { lineEnds } from './encode-frame.ts';
import { defaultMaxFrameBytes, type Framer, type FrameSink, type Framing } from './framing.ts';
import { RegexFramer } from './regex-framer.ts';
import { SilenceFramer } from './silence-framer.ts';
import { SlipFramer } from './slip-framer.ts';

export { encodeFrame } from './encode-frame.ts';

export interface FramerOptions {
  readonly framing: Framing;
  readonly sink: FrameSink;
  /** Longest frame without its delimiter, in bytes; default 64 KiB. */
  readonly maxFrameBytes?: number;
}

/** @throws SerialError `invalid-framing` */
export function createFramer({ framing, sink, maxFrameBytes = defaultMaxFrameBytes }: FramerOptions): Framer {
  validateFraming(framing, maxFrameBytes);
  switch (framing.kind) {
    case 'none':
      return { gapMs: undefined, push: (bytes) => sink.frame(bytes), gap() {}, reset() {} };
    case 'line':
      return new DelimiterFramer({
        delimiter: Buffer.from(lineEnds[framing.end]),
        maxFrameBytes,
        sink,
        skipEmpty: true,
        trimCarriageReturn: framing.end === 'lf',
      });
    case 'delimiter':
      return new DelimiterFramer({ delimiter: Buffer.from(framing.bytes), maxFrameBytes, sink });
    case 'fixed':
    case 'length':
      return new CountedFramer({ framing, maxFrameBytes, sink });
    case 'silence':
      return new SilenceFramer({ gapMs: framing.gapMs, maxFrameBytes, sink });
    case 'regex':
      return new RegexFramer({ pattern: framing.pattern, maxFrameBytes, sink });
    case 'slip':
      return new SlipFramer({ maxFrameBytes, sink });
  }
}

/** @throws SerialError `invalid-framing`, naming what is wrong and what is allowed */
export function validateFraming(framing: Framing, maxFrameBytes = defaultMaxFrameBytes): void {
  inRange('longest frame', maxFrameBytes, 1, 16 * 1024 * 1024);
  switch (framing.kind) {
    case 'none':
    case 'slip':
      return;
    case 'line':
      if (!Object.hasOwn(lineEnds, framing.end)) throw invalid(`line end "${framing.end}": lf, crlf or cr`);
      return;
    case 'delimiter':
      inRange('bytes of the delimiter', framing.bytes.length, 1, 64);
      for (const byte of framing.bytes) inRange('byte of the delimiter', byte, 0, 255);
      return;
    case 'fixed':
      inRange('frame length', framing.length, 1, maxFrameBytes);
      inRange('resync', framing.resyncMs ?? 0, 0, 60_000);
      return;
    case 'length':
      inRange('offset of the length field', framing.offset, 0, Math.min(1_024, maxFrameBytes));
      if (![1, 2, 4].includes(framing.size)) throw invalid(`size of the length field ${framing.size}: 1, 2 or 4 bytes`);
      if (!['big', 'little'].includes(framing.endian)) throw invalid(`byte order "${framing.endian}": big or little`);
      inRange('adjustment of the length', framing.adjust, -65_536, 65_536);
      inRange('resync', framing.resyncMs ?? 0, 0, 60_000);
      return;
    case 'silence':
      inRange('silence', framing.gapMs, 1, 60_000);
      return;
    case 'regex':
      checkPattern(framing.pattern);
      return;
    default:
      throw invalid(`"${String((framing as { kind: unknown }).kind)}" is no kind of framing`);
  }
}

/** Two framings are the same when this text is. */
export function describeFraming(framing: Framing): string {
  const { kind, ...rest } = framing;
  const details = Object.entries(rest).map(([key, value]) => `${key} ${Array.isArray(value) ? hex(value) : value}`);
  return [kind, ...details.sort()].join(' ');
}

function hex(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString('hex');
}

function checkPattern(pattern: string): void {
  if (pattern === '' || pattern.length > 1_024) throw invalid('the expression is empty or over 1,024 characters long');
  let expression: RegExp;
  try {
    expression = new RegExp(pattern);
  } catch (error) {
    throw invalid(`the expression cannot be read: ${String(error)}`);
  }
  if (expression.test(''))
    throw invalid(`the expression /${pattern}/ matches nothing at all, so every byte would be a frame`);
}

function inRange(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw invalid(`${what} ${value}: ${least} to ${most} is allowed`);
}

function invalid(text: string): SerialError {
  return new SerialError('invalid-framing', text);
}
