/**
 * The JSON in which SQLite keeps a document. What JSON has no type for is an object whose one key begins with `$`:
 * `{"$date": milliseconds}`, `{"$numberLong": "digits"}` for integers beyond 2^53, `{"$numberDouble": "text"}` for doubles
 * that are whole or no number, `{"$binary": "base64"}`. A plain number that is whole is an Int64, any other a double. A
 * key of a document that begins with `$` has one more `$` in front of it, so no document can be mistaken for a type.
 *
 * This file is loaded by the database's thread, so it imports nothing.
 */

/** A value in that JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** An object in that JSON: a document, or one of the types above. */
export type JsonObject = { [key: string]: Json };

const largest = 2n ** 63n - 1n;
const smallest = -(2n ** 63n);

/** True for an integer that fits into 64 bits. */
export function isInt64(value: bigint): boolean {
  return value >= smallest && value <= largest;
}

/** An integer as JSON. Throws a RangeError when it does not fit into 64 bits. */
export function integerJson(value: bigint): Json {
  if (!isInt64(value)) throw new RangeError('an integer does not fit into 64 bits');
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : { $numberLong: String(value) };
}

/** A double as JSON. */
export function doubleJson(value: number): Json {
  if (Number.isFinite(value) && !Number.isInteger(value)) return value;
  return { $numberDouble: Object.is(value, -0) ? '-0' : String(value) };
}

/** A value of JSON as a number: an integer as a bigint, a double as a number; undefined for what is neither. */
export function numberOf(value: Json | undefined): bigint | number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { $numberLong: long, $numberDouble: double } = value as { $numberLong?: string; $numberDouble?: string };
  if (long !== undefined) return BigInt(long);
  return double === undefined ? undefined : Number(double);
}
