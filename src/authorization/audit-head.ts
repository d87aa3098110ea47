/** The head of the audit log's chain as the journal keeps it, sealed. */
import type { Journal } from '../platform/index.ts';
import type { ChainHead } from './audit-line.ts';
import type { Sealer } from './seal.ts';

const key = 'audit-head';

/** Reads it; `isForged` when there is one that this box has not sealed. */
export function readHead(journal: Journal, sealer: Sealer): { head: ChainHead | undefined; isForged: boolean } {
  const kept = journal.get(key) as { seq?: unknown; hash?: unknown; seal?: unknown } | undefined;
  if (kept === undefined) return { head: undefined, isForged: false };
  const { seq, hash, seal } = kept;
  if (typeof seq !== 'number' || typeof hash !== 'string' || !sealer.isSealed('audit', ['head', seq, hash], seal)) {
    return { head: undefined, isForged: true };
  }
  return { head: { seq, hash }, isForged: false };
}

/** Keeps it; resolves when that is on the device. */
export async function sealHead(journal: Journal, sealer: Sealer, { seq, hash }: ChainHead): Promise<void> {
  await sealer.ready();
  await journal.put(key, { seq, hash, seal: sealer.seal('audit', ['head', seq, hash]) });
}
