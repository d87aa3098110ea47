/**
 * One open file of documents, in the thread that belongs to it (`sqlite-worker.ts`). Every call is synchronous.
 *
 * Invariants: one process has the file (locking_mode EXCLUSIVE, so there is no -shm file either); with `durable` a
 * commit is on the device before it returns (WAL, synchronous FULL). Memory does not grow with the documents: a cache of
 * 2 MiB, no mapping.
 * Failure behaviour: a call that fails has changed nothing once its transaction is rolled back; `reload()` must follow.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { Bounds } from './sqlite-bounds.ts';
import { Catalogue, type Collection, catalogueTables } from './sqlite-catalogue.ts';
import { changed, made } from './sqlite-change.ts';
import { type Key, keyOfJson } from './sqlite-keys.ts';
import type { Reading, Target, ThreadData, Writing } from './sqlite-messages.ts';
import { columnOf, findSql, type Sql, whereOf } from './sqlite-sql.ts';
import type { JsonObject } from './stored-json.ts';

/** Of the layout described in `sqlite-catalogue.ts`. */
const formatVersion = 1;
/** Says that a file is one of ours. */
const applicationId = 0x48466473;
const pageBytes = 4096;
const cacheKiB = 2048;
const largestLogBytes = 4 * 1024 * 1024;
const keptStatements = 64;

/** The file was written by a newer version or by another program. */
export class ForeignFile extends Error {}

/** Takes the rows of a find as they are read. */
export type Rows = (row: string) => void;

export class SqliteDatabase {
  readonly #database: DatabaseSync;
  readonly #catalogue: Catalogue;
  readonly #bounds: Bounds;
  readonly #statements = new Map<string, StatementSync>();

  /** Opens the file. Throws SQLite's error, or ForeignFile. */
  constructor({ path, durable, maxBytes }: ThreadData) {
    this.#database = new DatabaseSync(path, { timeout: 1000 });
    try {
      this.#database.exec(`
        PRAGMA locking_mode = EXCLUSIVE;
        PRAGMA page_size = ${pageBytes};
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'};
        PRAGMA cache_size = -${cacheKiB};
        PRAGMA journal_size_limit = ${largestLogBytes};
        PRAGMA trusted_schema = OFF;
      `);
      this.#defineKey();
      this.#checkFormat(path);
      if (maxBytes !== undefined) this.#database.exec(`PRAGMA max_page_count = ${Math.ceil(maxBytes / pageBytes)}`);
    } catch (error) {
      this.#database.close();
      throw error;
    }
    this.#catalogue = new Catalogue(this.#database);
    this.#bounds = new Bounds(this.#database, (text) => this.#prepare(text));
  }

  /** True between `begin` and what ends it; false when SQLite has rolled back by itself. */
  get inTransaction(): boolean {
    return this.#database.isTransaction;
  }

  execute(text: 'BEGIN IMMEDIATE' | 'COMMIT' | 'ROLLBACK' | 'SAVEPOINT a' | 'RELEASE a' | 'ROLLBACK TO a'): void {
    this.#prepare(text).run();
  }

  /** After a rollback: what was learned within the transaction may not be so. */
  reload(): void {
    this.#catalogue.reload();
    this.#bounds.reload();
    this.#statements.clear();
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  read(call: Reading, rows: Rows): unknown {
    if (call.kind === 'ping') return this.#prepare('SELECT 1').get() && undefined;
    const collection = this.#catalogue.find(call.target);
    switch (call.kind) {
      case 'find':
        if (collection !== undefined) this.#find(collection, findSql(collection, call.query), rows);
        return undefined;
      case 'explain':
        return collection === undefined ? [] : this.#explain(findSql(collection, call.query));
      case 'count': {
        if (collection === undefined) return 0;
        const where = whereOf(collection, call.tests);
        return this.#get(`SELECT count(*) AS n FROM ${collection.table}${where.text}`, where.values)!.n;
      }
      case 'distinct': {
        if (collection === undefined) return [];
        const column = columnOf(collection, call.field);
        const texts = { field: call.field, low: '', high: new Uint8Array(0) };
        const where = whereOf(collection, [...call.tests, texts]);
        const text = `SELECT DISTINCT ${column} AS value FROM ${collection.table}${where.text} ORDER BY 1`;
        return this.#prepare(text)
          .all(...where.values)
          .map(({ value }) => value);
      }
    }
  }

  write(call: Writing): unknown {
    switch (call.kind) {
      case 'insert':
        return this.#insert(call.target, call.ids, call.documents);
      case 'put':
        return this.#put(this.#catalogue.ensure(call.target), call.id, call.document, JSON.parse(call.document));
      case 'update':
        return this.#update(call);
      case 'remove': {
        const collection = this.#catalogue.find(call.target);
        if (collection === undefined) return 0;
        const where = whereOf(collection, call.tests);
        return this.#run(`DELETE FROM ${collection.table}${where.text}`, where.values);
      }
      case 'indexes':
        for (const index of call.indexes) this.#catalogue.ensureIndex(index);
        return undefined;
      case 'bound':
        return this.#bounds.declare(this.#catalogue, call.bound);
    }
  }

  /** For each document whether it is new. */
  #insert(target: Target, ids: readonly string[], documents: readonly string[]): boolean[] {
    const collection = this.#catalogue.ensure(target);
    const { names, marks, fields } = columnsOf(collection);
    const statement = this.#prepare(
      `INSERT INTO ${collection.table} (${names}) VALUES (${marks}) ON CONFLICT (id) DO NOTHING`,
    );
    const fresh: JsonObject[] = [];
    const inserted = documents.map((text, index) => {
      const document = JSON.parse(text) as JsonObject;
      const isNew = statement.run(ids[index]!, text, ...keysOf(document, fields)).changes === 1;
      if (isNew) fresh.push(document);
      return isNew;
    });
    this.#bounds.enforce(collection, fresh);
    return inserted;
  }

  #put(collection: Collection, id: string, text: string, document: JsonObject): void {
    const { names, marks, fields } = columnsOf(collection);
    const sets = names.split(', ').map((name) => `${name} = excluded.${name}`);
    this.#run(
      `INSERT INTO ${collection.table} (${names}) VALUES (${marks}) ON CONFLICT (id) DO UPDATE SET ${sets.join(', ')}`,
      [id, text, ...keysOf(document, fields)],
    );
    this.#bounds.enforce(collection, [document]);
  }

  /** The document as it is then, or null. */
  #update(call: Extract<Writing, { kind: 'update' }>): string | null {
    const collection = call.insert ? this.#catalogue.ensure(call.target) : this.#catalogue.find(call.target);
    if (collection === undefined) return null;
    const where = whereOf(collection, [{ field: '_id', values: [call.id] }, ...call.tests]);
    const found = this.#get(`SELECT document FROM ${collection.table}${where.text}`, where.values);
    let document: JsonObject;
    if (found !== undefined) {
      document = changed(JSON.parse(String(found.document)), call);
    } else {
      if (!call.insert || this.#get(`SELECT 1 FROM ${collection.table} WHERE id = ?`, [call.id])) return null;
      document = made(call);
    }
    const text = JSON.stringify(document);
    this.#put(collection, call.id, text, document);
    return text;
  }

  #find(collection: Collection, sql: ReturnType<typeof findSql>, rows: Rows): void {
    const statement = this.#prepare(sql.text);
    if (sql.gives === 'documents') {
      for (const { document } of statement.iterate(...sql.values)) rows(String(document));
      return;
    }
    const places = statement.all(...sql.values).map(({ place }) => Number(place));
    const one = this.#prepare(`SELECT document FROM ${collection.table} WHERE place = ?`);
    for (const place of places) rows(String(one.get(place)!.document));
  }

  #explain(sql: Sql): string[] {
    const plan = this.#database.prepare(`EXPLAIN QUERY PLAN ${sql.text}`).all(...sql.values);
    return plan.map(({ detail }) => String(detail));
  }

  #get(text: string, values: readonly Exclude<Key, null>[]) {
    return this.#prepare(text).get(...values);
  }

  #run(text: string, values: readonly Key[]): number {
    return Number(this.#prepare(text).run(...values).changes);
  }

  #prepare(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.#database.prepare(text);
      if (this.#statements.size >= keptStatements) this.#statements.delete(this.#statements.keys().next().value!);
    } else {
      this.#statements.delete(text);
    }
    this.#statements.set(text, statement);
    return statement;
  }

  /** `holdfast_key(document, field)`, for fields without a column; a document's fields are asked for together. */
  #defineKey(): void {
    let text: unknown;
    let document: JsonObject = {};
    this.#database.function('holdfast_key', { deterministic: true, directOnly: true }, (json, field) => {
      if (json !== text) {
        document = JSON.parse(String(json)) as JsonObject;
        text = json;
      }
      return keyOfJson(document[String(field)]);
    });
  }

  #checkFormat(path: string): void {
    const version = Number(this.#database.prepare('PRAGMA user_version').get()!.user_version);
    const { tables } = this.#database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() as {
      tables: number;
    };
    if (version === 0 && tables === 0) {
      this.#database.exec(`
        BEGIN IMMEDIATE;
        ${catalogueTables}
        PRAGMA application_id = ${applicationId};
        PRAGMA user_version = ${formatVersion};
        COMMIT;
      `);
      return;
    }
    const owner = Number(this.#database.prepare('PRAGMA application_id').get()!.application_id);
    if (owner !== applicationId) {
      throw new ForeignFile(`${path} is a database of another program: name another folder, or move the file away`);
    }
    if (version > formatVersion) {
      throw new ForeignFile(
        `${path} was written by a newer version (format ${version}, this one knows ${formatVersion}): start that ` +
          'version, or name another folder',
      );
    }
  }
}

function columnsOf({ columns }: Collection): { names: string; marks: string; fields: string[] } {
  const fields = [...columns.keys()].filter((field) => field !== '_id');
  const names = ['id', 'document', ...fields.map((field) => columns.get(field))];
  return { names: names.join(', '), marks: names.map(() => '?').join(', '), fields };
}

function keysOf(document: JsonObject, fields: readonly string[]): Key[] {
  return fields.map((field) => keyOfJson(document[field]));
}
