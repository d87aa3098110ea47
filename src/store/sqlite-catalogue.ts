/**
 * Which tables, columns and indexes hold which collections, fields and declared indexes.
 *
 * One table a collection: `place` (rises with arrival), `id`, `document` (JSON, `stored-json.ts`), and a column with the
 * key (`sqlite-keys.ts`) of each field that an index names. Names of collections and fields never become names of SQL:
 * those ignore case.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { IndexMessage, Order, Target } from './sqlite-messages.ts';

/** A collection and where it is. */
export interface Collection {
  readonly number: number;
  readonly table: string;
  /** Fields that have a column, `_id` too. */
  readonly columns: Map<string, string>;
  readonly indexes: Map<string, Order>;
}

/** Tables of the catalogue, made with a new file. */
export const catalogueTables = `
  CREATE TABLE collection (number INTEGER PRIMARY KEY, database TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (database, name));
  CREATE TABLE field (collection INTEGER, name TEXT, place INTEGER NOT NULL, PRIMARY KEY (collection, name)) WITHOUT ROWID;
  CREATE TABLE declared (collection INTEGER, name TEXT, keys TEXT NOT NULL, PRIMARY KEY (collection, name)) WITHOUT ROWID;
  CREATE TABLE bound (collection INTEGER PRIMARY KEY, keys TEXT NOT NULL, per_group INTEGER NOT NULL,
    total INTEGER NOT NULL, documents INTEGER NOT NULL);
`;

export class Catalogue {
  readonly #database: DatabaseSync;
  readonly #collections = new Map<string, Collection>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Forgets what is known, after a transaction that was taken back. */
  reload(): void {
    this.#collections.clear();
  }

  /** The collection; undefined when nothing was ever put into it. */
  find(target: Target): Collection | undefined {
    const key = target.join('.');
    const known = this.#collections.get(key);
    if (known !== undefined) return known;
    const row = this.#database
      .prepare('SELECT number FROM collection WHERE database = ? AND name = ?')
      .get(...target) as { number: number } | undefined;
    if (row === undefined) return undefined;
    const { number } = row;
    const columns = new Map([['_id', 'id']]);
    const fields = this.#database.prepare('SELECT name, place FROM field WHERE collection = ? ORDER BY place');
    for (const field of fields.iterate(number)) columns.set(String(field.name), `k${field.place}`);
    const indexes = new Map<string, Order>();
    const declared = this.#database.prepare('SELECT name, keys FROM declared WHERE collection = ?');
    for (const { name, keys } of declared.iterate(number)) indexes.set(String(name), JSON.parse(String(keys)));
    const collection = { number, table: `documents_${number}`, columns, indexes };
    this.#collections.set(key, collection);
    return collection;
  }

  /** The collection, made when it is missing. */
  ensure(target: Target): Collection {
    const found = this.find(target);
    if (found !== undefined) return found;
    const { lastInsertRowid } = this.#database
      .prepare('INSERT INTO collection (database, name) VALUES (?, ?)')
      .run(...target);
    this.#database.exec(
      `CREATE TABLE documents_${lastInsertRowid} (place INTEGER PRIMARY KEY, id NOT NULL UNIQUE, document NOT NULL)`,
    );
    return this.find(target)!;
  }

  /** Makes an index, and the columns that it needs; one of the same name with other keys gives way. */
  ensureIndex({ target, name, keys }: IndexMessage): Collection {
    const collection = this.ensure(target);
    const text = JSON.stringify(keys);
    const present = collection.indexes.get(name);
    if (present !== undefined && JSON.stringify(present) === text) return collection;
    const index = quoted(`${collection.number} ${name}`);
    if (present !== undefined) this.#database.exec(`DROP INDEX ${index}`);
    this.#addColumns(collection, keys);
    const columns = keys.map(([field, direction]) => `${collection.columns.get(field)} ${directionOf(direction)}`);
    this.#database.exec(`CREATE INDEX ${index} ON ${collection.table} (${columns.join(', ')})`);
    this.#database
      .prepare('INSERT OR REPLACE INTO declared (collection, name, keys) VALUES (?, ?, ?)')
      .run(collection.number, name, text);
    collection.indexes.set(name, keys);
    return collection;
  }

  #addColumns({ number, table, columns }: Collection, keys: Order): void {
    const fresh: string[] = [];
    for (const [field] of keys) {
      if (columns.has(field)) continue;
      // `_id` counts, so the first is k1.
      const place = columns.size;
      this.#database.exec(`ALTER TABLE ${table} ADD COLUMN k${place}`);
      this.#database.prepare('INSERT INTO field (collection, name, place) VALUES (?, ?, ?)').run(number, field, place);
      columns.set(field, `k${place}`);
      fresh.push(`k${place} = ${computedKey(field)}`);
    }
    if (fresh.length > 0) this.#database.exec(`UPDATE ${table} SET ${fresh.join(', ')}`);
  }
}

/** The key of a field that has no column, computed from each document. */
export function computedKey(field: string): string {
  return `holdfast_key(document, '${field.replaceAll("'", "''")}')`;
}

export function directionOf(direction: 1 | -1): string {
  return direction === 1 ? 'ASC' : 'DESC';
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
