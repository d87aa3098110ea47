import { type Framing, type LineRequest, SerialError, type SerialSettings } from '@holdfast/hardware/serial';
import type { NodeConfig } from './node-red.ts';

/** What the dialog of `serial-port` saves; numbers may be texts, as HTML inputs and environment variables give them. */
export interface SerialPortConfig extends NodeConfig {
  readonly uri: string;
  readonly baudRate: number | string;
  readonly dataBits: number | string;
  readonly parity: string;
  readonly stopBits: number | string;
  readonly flowControl: string;
  readonly framing: string;
  readonly lineEnd: string;
  /** Text with escapes: `\r\n`, `\x03`, `\t`, `\0`, `\\`. */
  readonly delimiter: string;
  readonly frameLength: number | string;
  readonly lengthOffset: number | string;
  readonly lengthSize: number | string;
  readonly lengthEndian: string;
  readonly lengthAdjust: number | string;
  readonly resyncMs: number | string;
  readonly gapMs: number | string;
  readonly pattern: string;
  readonly maxFrameBytes: number | string;
}

/** A way to say what is wanted of the port; what is wrong in it `SerialLines.acquire` says. */
export function lineRequest(config: SerialPortConfig, owner: string): LineRequest {
  if (typeof config.uri !== 'string' || config.uri.trim() === '') {
    throw new SerialError('invalid-uri', 'no port is chosen: choose one from the list, or write tty:/dev/…');
  }
  return {
    uri: config.uri,
    owner,
    maxFrameBytes: Number(config.maxFrameBytes),
    framing: framingOf(config),
    settings: {
      baudRate: Number(config.baudRate),
      dataBits: Number(config.dataBits) as SerialSettings['dataBits'],
      parity: config.parity as SerialSettings['parity'],
      stopBits: Number(config.stopBits) as SerialSettings['stopBits'],
      flowControl: config.flowControl as SerialSettings['flowControl'],
    },
  };
}

function framingOf(config: SerialPortConfig): Framing {
  const resyncMs = Number(config.resyncMs);
  switch (config.framing) {
    case 'line':
      return { kind: 'line', end: config.lineEnd as 'lf' };
    case 'delimiter':
      return { kind: 'delimiter', bytes: [...parseEscapes(config.delimiter)] };
    case 'fixed':
      return { kind: 'fixed', length: Number(config.frameLength), resyncMs };
    case 'length':
      return {
        kind: 'length',
        offset: Number(config.lengthOffset),
        size: Number(config.lengthSize) as 1,
        endian: config.lengthEndian as 'big',
        adjust: Number(config.lengthAdjust),
        resyncMs,
      };
    case 'silence':
      return { kind: 'silence', gapMs: Number(config.gapMs) };
    case 'regex':
      return { kind: 'regex', pattern: config.pattern };
    default:
      // What is unknown is refused, with its name, where framings are checked.
      return { kind: config.framing as 'none' };
  }
}

/**
 * The bytes that a text with escapes stands for; other characters are those of UTF-8.
 *
 * @throws SerialError `invalid-framing` for an escape that is none
 */
export function parseEscapes(text: string): Buffer {
  const parts: Buffer[] = [];
  for (const [part, escaped] of String(text).matchAll(/\\(x[0-9a-fA-F]{2}|[rnt0\\]|.?)|[^\\]+/gs)) {
    if (escaped === undefined) parts.push(Buffer.from(part, 'utf8'));
    else if (escaped.length === 3) parts.push(Buffer.from(escaped.slice(1), 'hex'));
    else {
      const byte = { r: 13, n: 10, t: 9, 0: 0, '\\': 92 }[escaped];
      if (byte === undefined) {
        throw new SerialError('invalid-framing', `"${part}": \\r, \\n, \\t, \\0, \\\\ and \\x00 to \\xff are possible`);
      }
      parts.push(Buffer.from([byte]));
    }
  }
  return Buffer.concat(parts);
}
