/**
 * Filters and changes, checked and brought into one form for every database.
 *
 * Invariants: a value is only ever compared as a value. What came from a client as an object (`{"$gt": ""}`), whatever
 * its type says, matches nothing; a name of a field that a database could read as an operator or a path is a mistake of
 * the program (TypeError).
 */
import type { Change, Comparable, Filter } from './document-store.ts';
import { isInt64 } from './stored-json.ts';

/** What one field must be: one of some values, or within bounds of one type, which both are given or one is. */
export type FieldTest =
  | { readonly field: string; readonly values: readonly Comparable[] }
  | { readonly field: string; readonly low: Comparable | undefined; readonly high: Comparable | undefined };

/** Every test must hold; undefined: nothing can match. */
export function testsOf(filter: Filter = {}): readonly FieldTest[] | undefined {
  const tests: FieldTest[] = [];
  for (const [field, condition] of Object.entries(filter)) {
    checkField(field);
    const test = testOf(field, condition);
    if (test === undefined) return undefined;
    tests.push(test);
  }
  return tests;
}

/** Throws a TypeError for a name that is none of a field at the top level. */
export function checkField(name: string): void {
  if (name === '' || name.startsWith('$') || /[.\0]/.test(name) || name === '__proto__') {
    throw new TypeError(`'${name}' cannot be the name of a field`);
  }
}

/** Throws a TypeError for a change that no database could make. */
export function checkChange({ set = {}, add = {}, unset = [], setOnInsert = {} }: Change): void {
  const fields = [...[set, add, setOnInsert].flatMap(Object.keys), ...unset];
  for (const field of fields) checkField(field);
  if (fields.includes('_id')) throw new TypeError('_id cannot be changed');
  if (new Set(fields).size < fields.length) throw new TypeError('a field stands twice in a change');
}

function testOf(field: string, condition: unknown): FieldTest | undefined {
  if (isComparable(condition)) return { field, values: [condition] };
  if (typeof condition !== 'object' || condition === null) return undefined;
  const keys = Object.keys(condition);
  const { oneOf, atLeast, atMost } = condition as { oneOf?: unknown; atLeast?: unknown; atMost?: unknown };
  if (Array.isArray(oneOf) && keys.length === 1) {
    const values = oneOf.filter(isComparable);
    return values.length === 0 ? undefined : { field, values };
  }
  if (keys.length === 0 || !keys.every((key) => key === 'atLeast' || key === 'atMost')) return undefined;
  const bounds = [atLeast, atMost].filter((bound) => bound !== undefined);
  if (bounds.length === 0 || !bounds.every(isComparable)) return undefined;
  if (new Set(bounds.map(kindOf)).size > 1) return undefined;
  if (bounds[0] === null) return { field, values: [null] };
  return { field, low: atLeast as Comparable | undefined, high: atMost as Comparable | undefined };
}

function isComparable(value: unknown): value is Comparable {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return !Number.isNaN(value);
  if (typeof value === 'bigint') return isInt64(value);
  return value instanceof Date && !Number.isNaN(value.getTime());
}

/** Values of different kinds are never within each other's bounds. */
function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (value instanceof Date) return 'date';
  return typeof value === 'bigint' ? 'number' : typeof value;
}
