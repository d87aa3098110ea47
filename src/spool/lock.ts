/**
 * One process per spool folder. SQLite's exclusive lock is an advisory lock of the operating system: it is taken at
 * once or not at all, ends with the process however that ends, and also holds between containers that share a disk.
 */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { HoldfastError } from '../errors.ts';

const sqliteBusy = 5;
/** A database that nobody refers to any more is closed when memory is tidied up, and its lock is gone with it. */
const held = new Set<DatabaseSync>();

export interface FolderLock {
  release(): void;
}

/**
 * Takes the folder for this process.
 *
 * @throws HoldfastError `spool-locked`, naming the process that has it.
 */
export function lockFolder(folder: string): FolderLock {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const ownerPath = join(folder, 'owner');
  const path = join(folder, 'lock');
  const database = new DatabaseSync(path);
  try {
    if (statSync(path).size === 0) givePage(database);
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode !== sqliteBusy) throw error;
    throw new HoldfastError(
      'spool-locked',
      `${folder} is in use by process ${readOwner(ownerPath) ?? '(unknown)'}: stop that one first, or choose another --data folder`,
      error,
    );
  }
  try {
    writeFileSync(ownerPath, `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // It only serves the message above, and a full disk must not keep the box from starting.
  }
  held.add(database);
  return {
    release() {
      if (held.delete(database)) database.close();
    },
  };
}

/** An empty database would be given its first page by each lock, which a full disk has no room for. */
function givePage(database: DatabaseSync): void {
  try {
    database.exec('PRAGMA user_version = 1');
  } catch {
    // Another process has it, or the disk is full now: the lock itself says so.
  }
}

function readOwner(path: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return Number.isInteger(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}
