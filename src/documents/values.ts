import { Double, type StoredValue } from '../store/index.ts';

/** A document, or an object in one, while it is made. */
export type Fields = { [key: string]: StoredValue };

/** What `convert` tells besides the value. */
export interface Conversion {
  /** A number was met whose text is not known: parse again with `withSource`. */
  met: boolean;
  /** The texts of numbers in the value just converted that its stored form would change; undefined when there are none. */
  texts: StoredValue | undefined;
}

const largest = 2n ** 63n - 1n;
const smallest = -(2n ** 63n);

/** A number of a body with its text. */
class SourceNumber {
  readonly stored: StoredValue;
  /** The text, when the stored value would be written differently. */
  readonly text: string | undefined;

  constructor(value: number, source: string) {
    this.stored = storedNumber(value, source);
    const { stored } = this;
    const written = typeof stored === 'bigint' || typeof stored === 'number' ? String(stored) : undefined;
    this.text = written === source ? undefined : source;
  }
}

function storedNumber(value: number, source: string): StoredValue {
  if (/[.eE]/.test(source)) {
    if (!Number.isFinite(value)) return source;
    // A whole number would be stored as an integer; some servers refuse a negative zero, whose text is kept anyway.
    return Number.isInteger(value) ? new Double(value === 0 ? 0 : value) : value;
  }
  if (source.length <= 15) return BigInt(value);
  const whole = BigInt(source);
  return whole >= smallest && whole <= largest ? whole : source;
}

/** A reviver for JSON.parse that keeps the text of each number. */
export function withSource(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' ? new SourceNumber(value, context?.source ?? String(value)) : value;
}

/** A value of a body as it is stored. */
export function convert(value: unknown, conversion: Conversion): StoredValue {
  conversion.texts = undefined;
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  if (typeof value !== 'object') {
    conversion.met = true;
    return null;
  }
  if (value instanceof SourceNumber) {
    conversion.texts = value.text;
    return value.stored;
  }
  let texts: Fields | undefined;
  const note = (key: string | number) => {
    if (conversion.texts === undefined) return;
    texts ??= {};
    texts[key] = conversion.texts;
  };
  let result: StoredValue[] | Fields;
  if (Array.isArray(value)) {
    result = value.map((item, index) => {
      const stored = convert(item, conversion);
      note(index);
      return stored;
    });
  } else {
    result = {};
    for (const key of Object.keys(value)) {
      const name = escapeKey(key, value, result);
      result[name] = convert((value as Record<string, unknown>)[key], conversion);
      note(name);
    }
  }
  conversion.texts = texts;
  return result;
}

/** Keys that need no escaping, most of which come again with every report. */
const plainKeys = new Set<string>();
const plainKeysLimit = 1024;

/**
 * The key under which a client's key is stored: a first `_` or `$` and every `.` become their full-width forms, NUL its
 * symbol, so that it is neither one of ours nor an operator. `source` holds all keys of the object, `target` those
 * stored before: where the new key is another's, one more `＿` is put before it.
 */
export function escapeKey(key: string, source: object, target: object): string {
  if (plainKeys.has(key)) return key;
  const first = key.charCodeAt(0);
  if (first !== 0x5f && first !== 0x24 && !key.includes('.') && !key.includes('\0')) {
    if (plainKeys.size < plainKeysLimit && key.length <= 64) plainKeys.add(key);
    return key;
  }
  let escaped = key.replace(/^_/, '＿').replace(/^\$/, '＄').replaceAll('.', '．').replaceAll('\0', '␀');
  while (Object.hasOwn(source, escaped) || Object.hasOwn(target, escaped)) escaped = `＿${escaped}`;
  return escaped;
}
