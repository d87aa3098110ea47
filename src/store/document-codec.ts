import type { StoredDocument, StoredValue } from './document-store.ts';
import { Double } from './double.ts';
import { doubleJson, integerJson, type Json } from './stored-json.ts';

/** A document as the JSON that `stored-json.ts` describes. Throws a RangeError for what cannot be stored. */
export function encodeDocument(document: StoredDocument): string {
  return JSON.stringify(toJson(document));
}

/** Reads what `encodeDocument` has written. */
export function decodeDocument(text: string): StoredDocument {
  return fromJson(JSON.parse(text)) as StoredDocument;
}

/** A value as JSON. Throws a RangeError for an integer beyond 64 bits, a date that is none, and what is no value. */
export function toJson(value: StoredValue): Json {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'bigint') return integerJson(value);
  if (typeof value === 'number') return doubleJson(value);
  if (typeof value !== 'object') throw new RangeError(`a ${typeof value} cannot be stored`);
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw new RangeError('a date that is none cannot be stored');
    return { $date: value.getTime() };
  }
  if (value instanceof Double) return doubleJson(value.value);
  if (value instanceof Uint8Array) return { $binary: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(toJson);
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [key.startsWith('$') ? `$${key}` : key, toJson(child)]),
  );
}

function fromJson(value: Json): StoredValue {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(fromJson);
  const entries = Object.entries(value);
  if (entries.length === 1 && entries[0]![0].startsWith('$')) {
    const [key, content] = entries[0]!;
    if (key === '$date') return new Date(content as number);
    if (key === '$numberLong') return BigInt(content as string);
    if (key === '$numberDouble') return Number(content);
    if (key === '$binary') return Buffer.from(content as string, 'base64');
  }
  return Object.fromEntries(entries.map(([key, child]) => [key.startsWith('$') ? key.slice(1) : key, fromJson(child)]));
}
