import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** What lies in a folder of documents. */
export interface DocumentCount {
  readonly total: number;
  /** Of these, reports of machines; the rest are the gateway's own events. */
  readonly machines: number;
  /** Ids that more than one document has; there should be none. */
  readonly twice: number;
}

/** Collections of the gateway itself, and of what is no report. */
const ownPrefix = 'gateway.';
const rejected = 'device_info.rejected.jsonl';

/**
 * Counts the documents of the embedded store by reading its files, line by line: a second opinion, independent of the
 * store and of every counter. To be called while the store is stopped.
 */
export async function countDocuments(folder: string): Promise<DocumentCount> {
  const ids = new Set<string>();
  let total = 0;
  let machines = 0;
  const names = existsSync(folder) ? readdirSync(folder) : [];
  for (const name of names.filter((each) => each.endsWith('.jsonl') && each !== rejected)) {
    for await (const line of createInterface({ input: createReadStream(join(folder, name)) })) {
      const id = idOf(line);
      if (id === undefined) continue;
      ids.add(id);
      total++;
      if (!name.startsWith(ownPrefix)) machines++;
    }
  }
  return { total, machines, twice: total - ids.size };
}

/** undefined for an empty line, and for one that a power cut has torn. */
function idOf(line: string): string | undefined {
  try {
    return (JSON.parse(line) as { _id?: string })._id;
  } catch {
    return undefined;
  }
}
