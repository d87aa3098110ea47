/**
 * Stored documents as they are answered: flat, with the keys and values that the machine sent.
 *
 * Invariants: no key that begins with `_` is answered, and none of a machine's stands in for one of the answer's own. A
 * number is written as the machine wrote it, where its text was kept.
 */
import type { StoredDocument, StoredValue } from '../../../store/index.ts';

/** An object of an answer; its keys may be a client's, so it is made of entries and never by assigning. */
export type Fields = Record<string, unknown>;

// Part of Node 24, and not yet of TypeScript's library.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object };
const jsonNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** The fields of a document without ours, and without those named. */
export function flat(document: StoredDocument, without: readonly string[] = []): Fields {
  const texts = document._numbers;
  const entries = Object.entries(document)
    .filter(([key]) => !key.startsWith('_') && !without.includes(key))
    .map(([key, value]) => [key, written(value, inside(texts, key))]);
  return Object.fromEntries(entries);
}

/** A value as JSON.stringify takes it; `texts` has the texts of the numbers in it, under the same path. */
function written(value: StoredValue, texts: StoredValue | undefined): unknown {
  if (typeof texts === 'string' && jsonNumber.test(texts)) return rawJSON(texts);
  if (typeof value === 'bigint') return rawJSON(String(value));
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map((item, index) => written(item, inside(texts, String(index))));
  const entries = Object.entries(value).map(([key, item]) => [key, written(item, inside(texts, key))]);
  return Object.fromEntries(entries);
}

function inside(texts: StoredValue | undefined, key: string): StoredValue | undefined {
  if (typeof texts !== 'object' || texts === null || !Object.hasOwn(texts, key)) return undefined;
  return (texts as Record<string, StoredValue>)[key];
}
