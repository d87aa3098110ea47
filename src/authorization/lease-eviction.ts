import { readEntry } from './lease-entry.ts';
import type { Lease } from './types.ts';

/** So many per thousand are dropped at once, so that looking for them is rare. */
const perThousand = 10;

/**
 * The machines whose entries go when there is no room: those that cannot be read, denials that remember no 版本 (nobody
 * ever had a grant to bring back), expired leases, denials, the oldest leases; the oldest of each first.
 */
export function chooseEvictions(
  stored: readonly (readonly [serial: string, value: unknown])[],
  maxEntries: number,
  isExpired: (lease: Lease) => boolean,
): string[] {
  const ranked = stored.map(([serial, value]) => {
    const entry = readEntry(serial, value)?.entry;
    if (entry === undefined) return { serial, rank: 0, atMs: 0 };
    if (entry.kind === 'denial') return { serial, rank: entry.version === undefined ? 1 : 3, atMs: entry.atMs };
    return { serial, rank: isExpired(entry) ? 2 : 4, atMs: entry.grantedAtMs };
  });
  ranked.sort((one, other) => one.rank - other.rank || one.atMs - other.atMs);
  const count = Math.max(1, stored.length - maxEntries + Math.ceil((maxEntries * perThousand) / 1000));
  return ranked.slice(0, count).map(({ serial }) => serial);
}
