import type { Writing } from './sqlite-messages.ts';
import { doubleJson, integerJson, isInt64, type Json, type JsonObject, numberOf } from './stored-json.ts';

/** A call that no repeat will make succeed, and that says nothing about the database. */
export class Refusal extends Error {}

type Update = Extract<Writing, { kind: 'update' }>;

/** A document after a change. Throws Refusal when something is to be added to what is no number, or leaves 64 bits. */
export function changed(document: JsonObject, { set, add, unset }: Update): JsonObject {
  const result = { ...document, ...(JSON.parse(set) as JsonObject) };
  for (const field of unset) delete result[field];
  for (const [field, amount] of add) result[field] = sum(field, document[field], amount);
  return result;
}

/** A document that a change has made. */
export function made(update: Update): JsonObject {
  return changed({ _id: update.id, ...(JSON.parse(update.setOnInsert) as JsonObject) }, update);
}

function sum(field: string, value: Json | undefined, amount: bigint): Json {
  if (value === undefined) return integerJson(amount);
  const number = numberOf(value);
  if (number === undefined) throw new Refusal(`'${field}' is no number, so nothing can be added to it`);
  if (typeof number === 'number') return doubleJson(number + Number(amount));
  if (!isInt64(number + amount)) throw new Refusal(`'${field}' would not fit into 64 bits`);
  return integerJson(number + amount);
}
