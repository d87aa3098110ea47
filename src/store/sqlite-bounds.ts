/**
 * Keeps the newest documents of each group of a collection, and not more than a total.
 *
 * How many there are of each group is counted by triggers, so a document that comes costs one look at its group's count
 * and, when that is over, the removal of the oldest at the end of the index: nothing is scanned, whatever is kept.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type Catalogue, type Collection, directionOf } from './sqlite-catalogue.ts';
import { type Key, keyOfJson } from './sqlite-keys.ts';
import type { BoundMessage, Order } from './sqlite-messages.ts';
import type { JsonObject } from './stored-json.ts';

interface Bound {
  readonly field: string;
  readonly perGroup: number;
  readonly total: number;
  /** Oldest first. */
  readonly order: string;
}

/** The group of documents without the field. */
const noGroup = Uint8Array.of(0);

export class Bounds {
  readonly #database: DatabaseSync;
  readonly #prepare: (text: string) => StatementSync;
  /** Known bounds by the collection's number; null: it has none. */
  readonly #bounds = new Map<number, Bound | null>();

  /** `prepare` keeps statements for the next time. */
  constructor(database: DatabaseSync, prepare: (text: string) => StatementSync) {
    this.#database = database;
    this.#prepare = prepare;
  }

  /** Forgets what is known, after a transaction that was taken back. */
  reload(): void {
    this.#bounds.clear();
  }

  /** Sets or changes the bound of a collection and removes what is over it. */
  declare(catalogue: Catalogue, message: BoundMessage): void {
    const collection = catalogue.ensureIndex(message);
    const { number } = collection;
    const keys = JSON.stringify(message.keys);
    const present = this.#prepare('SELECT keys FROM bound WHERE collection = ?').get(number);
    if (present?.keys !== keys) this.#countGroups(collection, message.keys[0]![0], keys);
    this.#prepare('UPDATE bound SET per_group = ?, total = ? WHERE collection = ?').run(
      message.perGroup,
      message.total,
      number,
    );
    this.#bounds.delete(number);
    const over = this.#prepare(`SELECT name FROM groups_${number} WHERE documents > ?`);
    over.setReadBigInts(true);
    const names = over.all(message.perGroup).map(({ name }) => name as Exclude<Key, null>);
    this.#prune(collection, names);
  }

  /** Removes what documents that have just come made too many. */
  enforce(collection: Collection, documents: readonly JsonObject[]): void {
    const bound = this.#boundOf(collection);
    if (bound === null) return;
    const names = new Map<string, Exclude<Key, null>>();
    for (const document of documents) {
      const name = keyOfJson(document[bound.field]) ?? noGroup;
      names.set(typeof name === 'object' ? Buffer.from(name).toString('hex') : `${typeof name} ${name}`, name);
    }
    this.#prune(collection, [...names.values()]);
  }

  /** Counts what is there, once, and leaves the counting to triggers. */
  #countGroups({ number, table, columns }: Collection, field: string, keys: string): void {
    const group = columns.get(field)!;
    this.#database.exec(`
      DROP TRIGGER IF EXISTS added_${number};
      DROP TRIGGER IF EXISTS removed_${number};
      DROP TRIGGER IF EXISTS moved_${number};
      DROP TABLE IF EXISTS groups_${number};
      CREATE TABLE groups_${number} (name PRIMARY KEY, documents INTEGER NOT NULL) WITHOUT ROWID;
      INSERT INTO groups_${number} SELECT coalesce(${group}, x'00'), count(*) FROM ${table} GROUP BY 1;
      CREATE TRIGGER added_${number} AFTER INSERT ON ${table} BEGIN ${added(number, group)} END;
      CREATE TRIGGER removed_${number} AFTER DELETE ON ${table} BEGIN ${removed(number, group)} END;
      CREATE TRIGGER moved_${number} AFTER UPDATE OF ${group} ON ${table} WHEN old.${group} IS NOT new.${group}
        BEGIN ${removed(number, group)} ${added(number, group)} END;
    `);
    this.#database
      .prepare(`INSERT OR REPLACE INTO bound SELECT ?, ?, 0, 0, coalesce(sum(documents), 0) FROM groups_${number}`)
      .run(number, keys);
  }

  #prune(collection: Collection, names: readonly Exclude<Key, null>[]): void {
    const { number, table } = collection;
    const bound = this.#boundOf(collection);
    if (bound === null) return;
    const group = collection.columns.get(bound.field);
    const count = this.#prepare(`SELECT documents FROM groups_${number} WHERE name = ?`);
    for (const name of names) {
      const { documents } = (count.get(name) ?? { documents: 0 }) as { documents: number };
      if (documents <= bound.perGroup) continue;
      const isNone = typeof name === 'object' && name.length === 1 && name[0] === 0;
      const where = isNone ? `${group} IS NULL` : `${group} = ?`;
      const oldest = `SELECT place FROM ${table} WHERE ${where} ORDER BY ${bound.order} LIMIT ?`;
      const remove = this.#prepare(`DELETE FROM ${table} WHERE place IN (${oldest})`);
      remove.run(...(isNone ? [] : [name]), documents - bound.perGroup);
    }
    const all = this.#prepare('SELECT documents FROM bound WHERE collection = ?').get(number);
    const excess = Number(all!.documents) - bound.total;
    if (excess <= 0) return;
    this.#prepare(`DELETE FROM ${table} WHERE place IN (SELECT place FROM ${table} ORDER BY place LIMIT ?)`).run(
      excess,
    );
  }

  #boundOf({ number, columns }: Collection): Bound | null {
    let bound = this.#bounds.get(number);
    if (bound !== undefined) return bound;
    const row = this.#prepare('SELECT keys, per_group, total FROM bound WHERE collection = ?').get(number);
    bound = null;
    if (row !== undefined) {
      const [first, ...rest] = JSON.parse(String(row.keys)) as Order;
      const order = rest.map(([field, direction]) => `${columns.get(field)} ${directionOf(direction === 1 ? -1 : 1)}`);
      bound = { field: first![0], perGroup: Number(row.per_group), total: Number(row.total), order: order.join(', ') };
    }
    this.#bounds.set(number, bound);
    return bound;
  }
}

function added(number: number, group: string): string {
  return `
    INSERT INTO groups_${number} VALUES (coalesce(new.${group}, x'00'), 1)
      ON CONFLICT (name) DO UPDATE SET documents = documents + 1;
    UPDATE bound SET documents = documents + 1 WHERE collection = ${number};`;
}

function removed(number: number, group: string): string {
  return `
    UPDATE groups_${number} SET documents = documents - 1 WHERE name = coalesce(old.${group}, x'00');
    DELETE FROM groups_${number} WHERE name = coalesce(old.${group}, x'00') AND documents < 1;
    UPDATE bound SET documents = documents - 1 WHERE collection = ${number};`;
}
