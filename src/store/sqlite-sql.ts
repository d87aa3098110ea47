/** Queries as SQL. Values are always bound, never part of the text. */
import { type Collection, computedKey, directionOf } from './sqlite-catalogue.ts';
import type { Key } from './sqlite-keys.ts';
import type { KeyQuery, KeyTest, Order } from './sqlite-messages.ts';

/** A statement and what is bound to it. */
export interface Sql {
  readonly text: string;
  readonly values: readonly Exclude<Key, null>[];
}

/** A find: the documents themselves, or their places only, in the order of the query. */
export interface FindSql extends Sql {
  readonly gives: 'documents' | 'places';
}

/** Beyond so many branches a list is not merged but sorted. */
const mostBranches = 16;

/** `WHERE …` with a space before it; empty when there are no tests. */
export function whereOf(collection: Collection, tests: readonly KeyTest[]): Sql {
  const parts = tests.map((test) => testSql(collection, test));
  return {
    text: parts.length === 0 ? '' : ` WHERE ${parts.map(({ text }) => text).join(' AND ')}`,
    values: parts.flatMap(({ values }) => values),
  };
}

/** The column, or the expression, with the keys of a field. */
export function columnOf({ columns }: Collection, field: string): string {
  return columns.get(field) ?? computedKey(field);
}

/**
 * A query along an index walks over what it skips without touching a document. A list of values before the sort would
 * break the index's order, so it becomes one branch for each value, and SQLite merges these; what is skipped is then only
 * walked over if the branches give places and not documents.
 */
export function findSql(collection: Collection, { tests, sort, skip, limit }: KeyQuery): FindSql {
  const page = { text: ' LIMIT ? OFFSET ?', values: [limit === 0 ? -1 : limit, skip] };
  const branches = branchesOf(collection, tests, sort);
  if (branches === undefined) {
    const where = whereOf(collection, tests);
    const order = sort.map(([field, direction]) => `${columnOf(collection, field)} ${directionOf(direction)}`);
    const orderBy = order.length === 0 ? '' : ` ORDER BY ${order.join(', ')}`;
    const text = `SELECT document FROM ${collection.table}${where.text}${orderBy}${page.text}`;
    return { text, values: [...where.values, ...page.values], gives: 'documents' };
  }
  const columns = ['place', ...sort.map(([field]) => columnOf(collection, field))].join(', ');
  const wheres = branches.map((branch) => whereOf(collection, branch));
  const selects = wheres.map(({ text }) => `SELECT ${columns} FROM ${collection.table}${text}`);
  const order = sort.map(([, direction], index) => `${index + 2} ${directionOf(direction)}`);
  return {
    text: `${selects.join(' UNION ALL ')} ORDER BY ${order.join(', ')}${page.text}`,
    values: [...wheres.flatMap(({ values }) => values), ...page.values],
    gives: 'places',
  };
}

/** The tests with each list taken apart, when an index serves each branch with its sort. */
function branchesOf(collection: Collection, tests: readonly KeyTest[], sort: Order): KeyTest[][] | undefined {
  const equal = tests.filter((test) => 'values' in test);
  const count = equal.reduce((product, { values }) => product * values.length, 1);
  if (sort.length === 0 || count < 2 || count > mostBranches) return undefined;
  const fields = equal.map(({ field }) => field);
  if (![...collection.indexes.values()].some((keys) => serves(keys, fields, sort))) return undefined;
  let branches: KeyTest[][] = [tests.filter((test) => !('values' in test))];
  for (const { field, values } of equal) {
    branches = branches.flatMap((branch) => values.map((value) => [...branch, { field, values: [value] }]));
  }
  return branches;
}

/** True when an index begins with these fields, in any order, and goes on with the sort, or its reverse. */
function serves(keys: Order, fields: readonly string[], sort: Order): boolean {
  const head = keys.slice(0, fields.length).map(([field]) => field);
  if (!fields.every((field) => head.includes(field))) return false;
  const rest = keys.slice(fields.length, fields.length + sort.length);
  const turned = rest[0]?.[1] !== sort[0]?.[1];
  return sort.every(([field, direction], index) => {
    const [name, along] = rest[index] ?? [];
    return name === field && along === (turned ? -direction : direction);
  });
}

function testSql(collection: Collection, test: KeyTest): Sql {
  const column = columnOf(collection, test.field);
  if (!('values' in test)) {
    const bounds = [test.low, test.high].filter((bound) => bound !== null);
    return { text: `${column} >= ? AND ${column} <= ?`, values: bounds };
  }
  const values = test.values.filter((value) => value !== null);
  if (test.values.length === 0) return { text: '0', values: [] };
  const parts: string[] = [];
  if (values.length === 1) parts.push(`${column} = ?`);
  if (values.length > 1) parts.push(`${column} IN (${values.map(() => '?').join(', ')})`);
  if (values.length < test.values.length) parts.push(`${column} IS NULL`);
  return { text: parts.length === 1 ? parts[0]! : `(${parts.join(' OR ')})`, values };
}
