/**
 * Values as SQLite compares them. SQLite sorts NULL, numbers, texts (by code point), then blobs (by bytes); MongoDB null
 * and missing, numbers, texts, objects, lists, bytes, booleans, dates. So what comes after texts is a blob whose first
 * byte says what it is.
 *
 * This file is loaded by the database's thread, so it imports nothing but what is as small.
 */
import { type Json, numberOf } from './stored-json.ts';

/** A value that SQLite compares. */
export type Key = null | bigint | number | string | Uint8Array;

const ranks = { notANumber: 1, object: 3, list: 4, bytes: 5, boolean: 8, date: 9 } as const;

/** The key of a field's value; undefined is a missing field. */
export function keyOfJson(value: Json | undefined): Key {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return booleanKey(value);
  const number = numberOf(value);
  if (number !== undefined) return Number.isNaN(number) ? Uint8Array.of(ranks.notANumber) : number;
  if (Array.isArray(value)) return textKey(ranks.list, JSON.stringify(value));
  const { $date: date, $binary: bytes } = value as { $date?: number; $binary?: string };
  if (date !== undefined) return dateKey(date);
  if (bytes !== undefined) return Buffer.concat([Buffer.of(ranks.bytes), Buffer.from(bytes, 'base64')]);
  return textKey(ranks.object, JSON.stringify(value));
}

/** The key of a value that a field is compared with. */
export function keyOfComparable(value: string | number | bigint | boolean | null | Date): Key {
  if (value instanceof Date) return dateKey(value.getTime());
  return typeof value === 'boolean' ? booleanKey(value) : value;
}

/** The least and the greatest key of the values of the same type. */
export function rangeOfType(key: Exclude<Key, null>): readonly [least: Key, greatest: Key] {
  if (typeof key === 'string') return ['', Buffer.alloc(0)];
  if (typeof key !== 'object') return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  return [Uint8Array.of(key[0]!), Uint8Array.of(key[0]! + 1)];
}

function booleanKey(value: boolean): Uint8Array {
  return Uint8Array.of(ranks.boolean, value ? 1 : 0);
}

function dateKey(milliseconds: number): Uint8Array {
  const key = Buffer.alloc(9);
  key[0] = ranks.date;
  key.writeBigUInt64BE(BigInt(milliseconds) + 2n ** 63n, 1);
  return key;
}

function textKey(rank: number, text: string): Uint8Array {
  return Buffer.concat([Buffer.of(rank), Buffer.from(text)]);
}
