import { NodeError } from '../shared/node-error.ts';
import { idPattern, namePattern } from '../shared/topics.ts';

/** A gateway takes packets of 1 MiB (`mqtt.maxPacket`); the topic needs a little of it. */
const maxBytes = 1024 * 1024 - 1024;

/** @throws NodeError `bad-input` */
export function checkedChannel(value: unknown): string {
  if (typeof value === 'string' && namePattern.test(value)) return value;
  const what = value === undefined || value === '' ? 'there is no channel' : `${String(value)} is not a channel`;
  throw new NodeError('bad-input', `${what}: choose one in the report node, or set msg.channel`);
}

/** @throws NodeError `bad-input` */
export function checkedId(value: unknown): string {
  if (typeof value === 'string' && idPattern.test(value)) return value;
  throw new NodeError('bad-input', 'msg.reportId must be 1 to 64 of the characters A-Z a-z 0-9 _ -');
}

/**
 * What is published for a report. JSON text stays as it is, number for number.
 *
 * @throws NodeError `bad-input` or `too-large`
 */
export function reportWire(channel: string, payload: unknown, id: string): Buffer {
  const wire = Buffer.from(`{"channel":${JSON.stringify(channel)},"body":${bodyText(payload, id)}}`);
  if (wire.length <= maxBytes) return wire;
  throw new NodeError('too-large', `a report of ${wire.length} bytes is too large: at most ${maxBytes}`, { id });
}

function bodyText(payload: unknown, id: string): string {
  try {
    if (Buffer.isBuffer(payload) || typeof payload === 'string') {
      const text = payload.toString();
      if (isObject(JSON.parse(text))) return text.trim();
    } else if (isObject(payload)) {
      return JSON.stringify(payload);
    }
  } catch (cause) {
    const text = `msg.payload is not JSON: ${cause instanceof Error ? cause.message : cause}`;
    throw new NodeError('bad-input', text, { id, cause });
  }
  throw new NodeError('bad-input', 'msg.payload must be an object, or the JSON text of one', { id });
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
