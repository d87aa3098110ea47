/**
 * One file of documents as its thread serves it.
 *
 * Invariants: what a turn writes is one transaction, and no result is reported before its commit. A call that fails by
 * itself is taken back by itself; when the transaction as a whole fails, each call is tried in one of its own, so that
 * only those fail that must.
 * Failure behaviour: a file that cannot be opened fails the turn's calls and is tried again at the next turn. After a
 * device's error the file is closed and opened again: what SQLite had in memory may not be what is on the device.
 */
import { Refusal } from './sqlite-change.ts';
import { ForeignFile, SqliteDatabase } from './sqlite-database.ts';
import type { Failure, FileReport, FileTurn, Reading, ThreadData, Writing } from './sqlite-messages.ts';

const codes = { locked: [5, 6], full: 13, device: [10, 14], damaged: [11, 26], refused: [18, 19, 20, 25] };
const mostCharactersAtOnce = 256 * 1024;

export class SqliteFile {
  readonly #data: ThreadData;
  readonly #report: (report: FileReport) => void;
  #database: SqliteDatabase | undefined;
  /** Set by an error after which the file has to be opened anew. */
  #stale = false;

  constructor(data: ThreadData, report: (report: FileReport) => void) {
    this.#data = data;
    this.#report = report;
  }

  take(turn: FileTurn): void {
    try {
      this.#database ??= new SqliteDatabase(this.#data);
      const database = this.#database;
      if (turn.kind === 'read') for (const [index, call] of turn.calls.entries()) this.#read(database, index, call);
      else this.#writeAll(database, turn.calls);
    } catch (error) {
      for (const index of turn.calls.keys()) this.#fail(index, error);
    }
    if (this.#stale) this.close();
    this.#report({ kind: 'over' });
  }

  #read(opened: SqliteDatabase, index: number, call: Reading): void {
    let rows: string[] = [];
    let characters = 0;
    const flush = () => {
      if (rows.length > 0) this.#report({ kind: 'rows', call: index, rows });
      rows = [];
      characters = 0;
    };
    try {
      const value = opened.read(call, (row) => {
        rows.push(row);
        characters += row.length;
        if (characters > mostCharactersAtOnce) flush();
      });
      flush();
      this.#report({ kind: 'value', call: index, value });
    } catch (error) {
      this.#fail(index, error);
    }
  }

  #writeAll(opened: SqliteDatabase, calls: readonly Writing[]): void {
    const entries = [...calls.entries()];
    const error = this.#transact(opened, entries);
    if (error === undefined) return;
    this.#failureOf(error);
    for (const entry of entries) {
      const own = entries.length === 1 || this.#stale ? error : this.#transact(opened, [entry]);
      if (own !== undefined) this.#fail(entry[0], own);
    }
  }

  /** Makes the calls in one transaction and reports them; gives the error when there was none for them all. */
  #transact(opened: SqliteDatabase, entries: readonly (readonly [number, Writing])[]): unknown {
    const reports: (() => void)[] = [];
    try {
      opened.execute('BEGIN IMMEDIATE');
      for (const [index, call] of entries) reports.push(this.#attempt(opened, index, call));
      opened.execute('COMMIT');
    } catch (error) {
      try {
        if (opened.inTransaction) opened.execute('ROLLBACK');
      } catch {
        this.#stale = true;
      }
      opened.reload();
      return error ?? new Error('unknown');
    }
    for (const each of reports) each();
    return undefined;
  }

  /** Gives what is to be reported after the commit; throws when the transaction cannot go on. */
  #attempt(opened: SqliteDatabase, index: number, call: Writing): () => void {
    opened.execute('SAVEPOINT a');
    try {
      const value = opened.write(call);
      opened.execute('RELEASE a');
      return () => this.#report({ kind: 'value', call: index, value });
    } catch (error) {
      if (this.#failureOf(error).cause !== 'refused' || !opened.inTransaction) throw error;
      opened.execute('ROLLBACK TO a');
      opened.execute('RELEASE a');
      opened.reload();
      return () => this.#fail(index, error);
    }
  }

  #fail(call: number, error: unknown): void {
    this.#report({ kind: 'failure', call, failure: this.#failureOf(error) });
  }

  /** Says what is wrong and what helps; notes when the file has to be opened anew. */
  #failureOf(error: unknown): Failure {
    const text = error instanceof Error ? error.message : String(error);
    if (error instanceof Refusal) return { text, cause: 'refused' };
    if (error instanceof ForeignFile) return { text, cause: 'other' };
    const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
    if (codes.refused.includes(code)) return { text, cause: 'refused' };
    if (codes.damaged.includes(code)) {
      this.#stale = true;
      return { text: `${this.#data.path} is damaged (${text})`, cause: 'damaged' };
    }
    if (codes.locked.includes(code)) {
      return {
        text: `${this.#data.path} is in use by another process: end that one, or name another folder`,
        cause: 'other',
      };
    }
    if (code === codes.full) {
      const limit =
        this.#data.maxBytes === undefined ? '' : `, or the file has grown to its ${this.#data.maxBytes} bytes`;
      return { text: `the disk that holds ${this.#data.path} is full: make room there${limit}`, cause: 'other' };
    }
    if (codes.device.includes(code)) this.#stale = true;
    return { text: `${this.#data.path}: ${text}`, cause: 'other' };
  }

  /** Closes the file; the next turn opens it again. */
  close(): void {
    this.#stale = false;
    try {
      this.#database?.close();
    } catch {
      // Whatever it still wanted to write is in the log beside the file.
    }
    this.#database = undefined;
  }
}
