/**
 * The thread that has the file of a `SqliteDocumentStore`: it takes one turn after the other and reports its results.
 *
 * Invariants: what a turn writes is one transaction, and no result is reported before its commit. A call that fails by
 * itself is taken back by itself; when the transaction as a whole fails, each call is tried in one of its own, so that
 * only those fail that must.
 * Failure behaviour: a file that cannot be opened fails the turn's calls and is tried again at the next turn. After a
 * device's error the file is closed and opened again: what SQLite had in memory may not be what is on the device.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Refusal } from './sqlite-change.ts';
import { ForeignFile, SqliteDatabase } from './sqlite-database.ts';
import type { Failure, Reading, Report, ThreadData, Turn, Writing } from './sqlite-messages.ts';

const codes = { locked: [5, 6], full: 13, device: [10, 14], damaged: [11, 26], refused: [18, 19, 20, 25] };
const mostCharactersAtOnce = 256 * 1024;

const data = workerData as ThreadData;
const port = parentPort!;
const report = (message: Report) => port.postMessage(message);
let database: SqliteDatabase | undefined;
/** Set by an error after which the file has to be opened anew. */
let stale = false;

port.on('message', (turn: Turn) => {
  if (turn.kind === 'close') {
    close();
    port.close();
    return;
  }
  try {
    database ??= new SqliteDatabase(data);
    if (turn.kind === 'read') for (const [index, call] of turn.calls.entries()) read(database, index, call);
    else writeAll(database, turn.calls);
  } catch (error) {
    for (const index of turn.calls.keys()) fail(index, error);
  }
  if (stale) close();
  report({ kind: 'over' });
});

function read(opened: SqliteDatabase, index: number, call: Reading): void {
  let rows: string[] = [];
  let characters = 0;
  const flush = () => {
    if (rows.length > 0) report({ kind: 'rows', call: index, rows });
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
    report({ kind: 'value', call: index, value });
  } catch (error) {
    fail(index, error);
  }
}

function writeAll(opened: SqliteDatabase, calls: readonly Writing[]): void {
  const entries = [...calls.entries()];
  const error = transact(opened, entries);
  if (error === undefined) return;
  failureOf(error);
  for (const entry of entries) {
    const own = entries.length === 1 || stale ? error : transact(opened, [entry]);
    if (own !== undefined) fail(entry[0], own);
  }
}

/** Makes the calls in one transaction and reports them; gives the error when there was none for them all. */
function transact(opened: SqliteDatabase, entries: readonly (readonly [number, Writing])[]): unknown {
  const reports: (() => void)[] = [];
  try {
    opened.execute('BEGIN IMMEDIATE');
    for (const [index, call] of entries) reports.push(attempt(opened, index, call));
    opened.execute('COMMIT');
  } catch (error) {
    try {
      if (opened.inTransaction) opened.execute('ROLLBACK');
    } catch {
      stale = true;
    }
    opened.reload();
    return error ?? new Error('unknown');
  }
  for (const each of reports) each();
  return undefined;
}

/** Gives what is to be reported after the commit; throws when the transaction cannot go on. */
function attempt(opened: SqliteDatabase, index: number, call: Writing): () => void {
  opened.execute('SAVEPOINT a');
  try {
    const value = opened.write(call);
    opened.execute('RELEASE a');
    return () => report({ kind: 'value', call: index, value });
  } catch (error) {
    if (failureOf(error).cause !== 'refused' || !opened.inTransaction) throw error;
    opened.execute('ROLLBACK TO a');
    opened.execute('RELEASE a');
    opened.reload();
    return () => fail(index, error);
  }
}

function fail(call: number, error: unknown): void {
  report({ kind: 'failure', call, failure: failureOf(error) });
}

/** Says what is wrong and what helps; notes when the file has to be opened anew. */
function failureOf(error: unknown): Failure {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof Refusal) return { text, cause: 'refused' };
  if (error instanceof ForeignFile) return { text, cause: 'other' };
  const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
  if (codes.refused.includes(code)) return { text, cause: 'refused' };
  if (codes.damaged.includes(code)) {
    stale = true;
    return { text: `${data.path} is damaged (${text})`, cause: 'damaged' };
  }
  if (codes.locked.includes(code)) {
    return { text: `${data.path} is in use by another process: end that one, or name another folder`, cause: 'other' };
  }
  if (code === codes.full) {
    const limit = data.maxBytes === undefined ? '' : `, or the file has grown to its ${data.maxBytes} bytes`;
    return { text: `the disk that holds ${data.path} is full: make room there${limit}`, cause: 'other' };
  }
  if (codes.device.includes(code)) stale = true;
  return { text: `${data.path}: ${text}`, cause: 'other' };
}

function close(): void {
  stale = false;
  try {
    database?.close();
  } catch {
    // Whatever it still wanted to write is in the log beside the file.
  }
  database = undefined;
}
