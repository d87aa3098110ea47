import { SerialError } from '../errors.ts';
import type { Framing } from './framing.ts';
import { encodeSlip } from './slip-framer.ts';

export const lineEnds = { lf: [0x0a], crlf: [0x0d, 0x0a], cr: [0x0d] } as const;

/**
 * The bytes that stand for `payload` on the wire. A line end or delimiter that is there already is not doubled; with
 * `none`, `silence` and `regex` the payload is sent as it is.
 *
 * @throws SerialError `not-encodable` when it has not the fixed length or does not fit the length field
 */
export function encodeFrame(framing: Framing, payload: Buffer): Buffer {
  switch (framing.kind) {
    case 'line':
      return ended(payload, lineEnds[framing.end]);
    case 'delimiter':
      return ended(payload, framing.bytes);
    case 'fixed':
      if (payload.length === framing.length) return payload;
      throw new SerialError('not-encodable', `a frame is ${framing.length} bytes long, this payload ${payload.length}`);
    case 'length':
      return withLength(framing, payload);
    case 'slip':
      return encodeSlip(payload);
    default:
      return payload;
  }
}

function ended(payload: Buffer, end: readonly number[]): Buffer {
  const bytes = Buffer.from(end);
  return payload.subarray(-bytes.length).equals(bytes) ? payload : Buffer.concat([payload, bytes]);
}

function withLength(framing: Extract<Framing, { kind: 'length' }>, payload: Buffer): Buffer {
  const { offset, size, adjust, endian } = framing;
  const frame = offset === 0 ? Buffer.concat([Buffer.alloc(size), payload]) : Buffer.from(payload);
  const value = frame.length - offset - size - adjust;
  if (frame.length < offset + size || value < 0 || value >= 256 ** size) {
    throw new SerialError('not-encodable', `${payload.length} bytes do not fit a length field of ${size} at ${offset}`);
  }
  if (endian === 'big') frame.writeUIntBE(value, offset, size);
  else frame.writeUIntLE(value, offset, size);
  return frame;
}
