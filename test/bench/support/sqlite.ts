/** A queue on node:sqlite as one would write it: a table in key order, WAL, and a sync at every commit. */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { NewReport } from '../../../src/spool/index.ts';

export class SqliteQueue {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #oldest: StatementSync;
  readonly #remove: StatementSync;

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS reports (
        sequence INTEGER PRIMARY KEY,
        channel TEXT NOT NULL,
        serial TEXT NOT NULL,
        wall INTEGER NOT NULL,
        payload BLOB NOT NULL
      );`);
    this.#insert = this.#database.prepare('INSERT INTO reports (channel, serial, wall, payload) VALUES (?, ?, ?, ?)');
    this.#oldest = this.#database.prepare('SELECT * FROM reports ORDER BY sequence LIMIT ?');
    this.#remove = this.#database.prepare('DELETE FROM reports WHERE sequence <= ?');
  }

  /** Stores a group in one transaction; first removes up to `done`, when it is given, in the same one. */
  insert(reports: readonly NewReport[], done?: number): void {
    const wall = Date.now();
    const alone = reports.length === 1 && done === undefined;
    if (!alone) this.#database.exec('BEGIN');
    if (done !== undefined) this.#remove.run(done);
    for (const { channel, serial, payload } of reports) this.#insert.run(channel, serial, wall, payload);
    if (!alone) this.#database.exec('COMMIT');
  }

  /** The oldest `count` reports. */
  oldest(count: number): { readonly sequence: number; readonly payload: Uint8Array }[] {
    return this.#oldest.all(count) as never;
  }

  /** Removes everything up to `sequence` in one transaction. */
  remove(sequence: number): void {
    this.#remove.run(sequence);
  }

  close(): void {
    this.#database.close();
  }
}
