/**
 * A report's body as the document that is stored (contracts/README.md, 'Stored documents').
 *
 * Invariants: the body's keys stand at the top level and its values are as received; what is ours begins with `_`, and
 * no key of a client can be mistaken for one of ours or for an operator. Nothing of a number is lost: where a 64-bit
 * integer or a double would be written differently, `_numbers` holds its text under the same path.
 * Failure behaviour: takes only what `validateReport` has accepted, so it does not fail.
 *
 * Cost: one JSON.parse and one look at each key; a second parse, with the texts of numbers, only for a body that holds
 * a number (the seed's machines write quantities as strings).
 */
import { cleanKey, parseBody } from '../protocols/machines/index.ts';
import type { StoredDocument } from '../store/index.ts';
import { type Conversion, convert, escapeKey, type Fields, withSource } from './values.ts';

/** What is known about a report besides its body; what is undefined is not stored. */
export interface Origin {
  /** `_id`. */
  readonly id: string;
  /** When it arrived at the centre, UTC in ms; `_received`. */
  readonly receivedMs: number;
  /** `_gateway`. */
  readonly gateway?: string | undefined;
  /** `_seq`. */
  readonly sequence?: number | undefined;
  /** Sequence of the report before it of that machine and channel; `_prev`. */
  readonly previous?: number | undefined;
  /** When the gateway took it, UTC in ms; `_accepted`. */
  readonly acceptedMs?: number | undefined;
  /** Whether the gateway's clock was synchronized then; `_clock`. */
  readonly clock?: 'trusted' | 'untrusted' | undefined;
}

/** Where a body's time stands, and how it is read: UTC in ms, or undefined. */
export interface TimeReader {
  readonly key: string;
  parse(text: string): number | undefined;
}

type Body = Record<string, unknown>;

/** The document of a body that is valid for its channel. */
export function toDocument(payload: Buffer, origin: Origin, time: TimeReader): StoredDocument {
  const text = withoutMark(payload);
  const body = JSON.parse(text) as Body;
  const names = cleanNames(body, payload);
  const conversion: Conversion = { met: false, texts: undefined };
  let document = fieldsOf(body, names, origin.id, conversion);
  if (conversion.met) document = fieldsOf(JSON.parse(text, withSource) as Body, names, origin.id, conversion);
  const at = document[time.key];
  const timeMs = typeof at === 'string' ? time.parse(at) : undefined;
  document._time = timeMs === undefined ? null : new Date(timeMs);
  document._received = new Date(origin.receivedMs);
  if (origin.acceptedMs !== undefined) document._accepted = new Date(origin.acceptedMs);
  if (origin.clock !== undefined) document._clock = origin.clock;
  if (origin.gateway !== undefined) document._gateway = origin.gateway;
  if (origin.sequence !== undefined) document._seq = BigInt(origin.sequence);
  if (origin.previous !== undefined) document._prev = BigInt(origin.previous);
  return document;
}

function fieldsOf(
  body: Body,
  names: ReadonlyMap<string, string | undefined> | undefined,
  id: string,
  conversion: Conversion,
): Fields & StoredDocument {
  const document: Fields & { _id: string } = { _id: id };
  let numbers: Fields | undefined;
  let originals: Fields | undefined;
  for (const key of Object.keys(body)) {
    let name = key;
    if (names?.has(key)) {
      const clean = names.get(key);
      if (clean === undefined) continue;
      if (clean !== key) {
        originals ??= {};
        originals[clean] = key;
      }
      name = clean;
    } else {
      name = escapeKey(key, body, document);
    }
    document[name] = convert(body[key], conversion);
    if (conversion.texts !== undefined) {
      numbers ??= {};
      numbers[name] = conversion.texts;
    }
  }
  if (originals !== undefined) document._keys = originals;
  if (numbers !== undefined) document._numbers = numbers;
  return document;
}

/**
 * The names of the contract that keys stand for: key to name, or to undefined for a key that gives way to its twin.
 * undefined when every key is as it should be, which is the rule.
 */
function cleanNames(body: Body, payload: Buffer): Map<string, string | undefined> | undefined {
  const keys = Object.keys(body);
  const irregular = keys.filter((key) => cleanKey(key) !== key);
  if (irregular.length === 0) return undefined;
  const cleaned = parseBody(payload) as Body;
  const names = new Map<string, string | undefined>();
  for (const name of new Set(irregular.map(cleanKey))) {
    const twins = keys.filter((key) => cleanKey(key) === name);
    // Which of them counts is decided where bodies are read; of twins with one value it does not matter.
    const value = JSON.stringify(cleaned[name]);
    const chosen = twins.find((key) => JSON.stringify(body[key]) === value);
    for (const key of twins) names.set(key, key === chosen ? name : undefined);
  }
  return names;
}

/** The text of a body without its byte order mark. */
function withoutMark(payload: Buffer): string {
  const marked = payload[0] === 0xef && payload[1] === 0xbb && payload[2] === 0xbf;
  return payload.toString('utf8', marked ? 3 : 0);
}
