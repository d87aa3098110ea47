import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { authorizationChannel, createChannels, type MachineChannel } from '../protocols/machines/index.ts';

/** What lies in a folder of documents. */
export interface DocumentCount {
  readonly total: number;
  /** Of these, reports of machines; the rest are the gateway's own events. */
  readonly machines: number;
  /** Ids that more than one document has; there should be none. */
  readonly twice: number;
}

/** Reports that came through a gateway; the centre's own records have no sequence. */
const isReport = "json_extract(document, '$._seq') IS NOT NULL";

/**
 * Counts the reports in the file of a `SqliteDocumentStore` with statements of its own: a second opinion, independent of
 * the store and of every counter. To be called while the store is stopped.
 */
export function countDocuments(
  folder: string,
  channels: ReadonlyMap<string, MachineChannel> = createChannels(),
): DocumentCount {
  const path = join(folder, 'documents.db');
  const count = { total: 0, machines: 0, twice: 0 };
  if (!existsSync(path)) return count;
  const database = new DatabaseSync(path);
  try {
    // What a killed process left in the log belongs to it, and no -shm file shall lie about.
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    const isNew = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'collection'").get() === undefined;
    if (isNew) return count;
    const find = database.prepare('SELECT number FROM collection WHERE database = ? AND name = ?');
    const tables = new Set<string>();
    for (const { name, database: of, collection, owner } of channels.values()) {
      const found = name === authorizationChannel ? undefined : find.get(of, collection);
      const table = `documents_${found?.number}`;
      if (found === undefined || tables.has(table)) continue;
      const { n } = database.prepare(`SELECT count(*) AS n FROM ${table} WHERE ${isReport}`).get() as { n: number };
      count.total += n;
      if (owner === 'machine') count.machines += n;
      tables.add(table);
    }
    if (tables.size === 0) return count;
    const ids = [...tables].map((table) => `SELECT id FROM ${table} WHERE ${isReport}`).join(' UNION ');
    const different = database.prepare(`SELECT count(*) AS n FROM (${ids})`).get() as { n: number };
    return { ...count, twice: count.total - different.n };
  } finally {
    database.close();
  }
}
