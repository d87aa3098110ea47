import { SerialError } from '@holdfast/hardware/serial';

/** What a frame becomes in a flow. */
export type PayloadForm = 'text' | 'json' | 'bytes';
export type TextEncoding = 'utf8' | 'latin1' | 'gb18030';

/**
 * `text`, `json` or `bytes`, as saved.
 *
 * @throws SerialError `invalid-settings`
 */
export function payloadForm(value: unknown): PayloadForm {
  if (value === 'text' || value === 'json' || value === 'bytes') return value;
  throw new SerialError('invalid-settings', `payload "${String(value)}": text, json or bytes`);
}

/** @throws SerialError `invalid-settings` */
export function textEncoding(value: unknown): TextEncoding {
  if (value === 'utf8' || value === 'latin1' || value === 'gb18030') return value;
  throw new SerialError('invalid-settings', `encoding "${String(value)}": utf8, latin1 or gb18030`);
}

/** Bytes that are no text of the encoding become U+FFFD. */
export function decodeText(frame: Buffer, encoding: TextEncoding): string {
  if (encoding === 'gb18030') return new TextDecoder('gb18030').decode(frame);
  return frame.toString(encoding);
}

/**
 * The payload that stands for a frame.
 *
 * @throws SerialError `not-json`; its text names the place, the frame's text is for the caller to hand on
 */
export function decodePayload(frame: Buffer, form: PayloadForm, encoding: TextEncoding): unknown {
  // Readers share the frame: each gets bytes of its own.
  if (form === 'bytes') return Buffer.from(frame);
  const text = decodeText(frame, encoding);
  if (form === 'text') return text;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new SerialError(
      'not-json',
      `a frame of ${frame.length} bytes is not JSON: ${(error as Error).message}`,
      error,
    );
  }
}

/**
 * The bytes of a payload: a buffer as it is, a text or number in the encoding, an object as JSON.
 *
 * @throws SerialError `not-encodable`
 */
export function encodePayload(payload: unknown, encoding: TextEncoding): Buffer {
  if (payload instanceof Uint8Array) return Buffer.from(payload);
  if (payload === undefined || payload === null) {
    throw new SerialError('not-encodable', 'msg.payload is empty: give a text, a buffer or an object');
  }
  const text = typeof payload === 'object' ? JSON.stringify(payload) : String(payload);
  if (encoding === 'utf8') return Buffer.from(text, 'utf8');
  if (encoding === 'gb18030') return encodeGbk(text);
  for (const character of text) {
    if (character.charCodeAt(0) > 0xff) throw notEncodable(character, 'latin1');
  }
  return Buffer.from(text, 'latin1');
}

let gbk: Map<string, number> | undefined;

/** The two-byte part of GB18030, which is GBK: all that devices understand. Node.js can only decode it. */
function encodeGbk(text: string): Buffer {
  gbk ??= gbkTable();
  const bytes: number[] = [];
  for (const character of text) {
    if (character.charCodeAt(0) < 0x80) {
      bytes.push(character.charCodeAt(0));
      continue;
    }
    const code = gbk.get(character);
    if (code === undefined) throw notEncodable(character, 'gb18030');
    bytes.push(code >> 8, code & 0xff);
  }
  return Buffer.from(bytes);
}

function gbkTable(): Map<string, number> {
  const decoder = new TextDecoder('gb18030');
  const table = new Map<string, number>();
  for (let lead = 0x81; lead <= 0xfe; lead++) {
    for (let trail = 0x40; trail <= 0xfe; trail++) {
      if (trail === 0x7f) continue;
      const character = decoder.decode(Uint8Array.of(lead, trail));
      if (!table.has(character) && !character.includes('\ufffd')) table.set(character, (lead << 8) | trail);
    }
  }
  return table;
}

function notEncodable(character: string, encoding: string): SerialError {
  return new SerialError('not-encodable', `"${character}" does not exist in ${encoding}: choose another encoding`);
}
