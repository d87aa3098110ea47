import type { FileSystem } from '../platform/index.ts';
import type { Segment } from './segment.ts';
import { SegmentReader } from './segment-reader.ts';

/** What reading a log through found. */
export interface LogVerification {
  readonly segments: number;
  /** Valid records in them, done or not. */
  readonly records: number;
  /** Those that were open when they were read. */
  readonly open: number;
  /** What the log believed to be open at the beginning. */
  readonly expected: number;
  /** How many may have been acknowledged, moved or given up while the log was read: so many fewer may have been found open. */
  readonly doneMeanwhile: number;
  readonly damaged: readonly { readonly path: string; readonly from: number; readonly to: number }[];
}

/**
 * Reads all segments through without changing anything; a few ms of the process at a time. Records that are written
 * meanwhile are not looked at.
 */
export async function verifySegments(options: {
  fileSystem: FileSystem;
  segments: readonly Segment[];
  isDone: (ordinal: number) => boolean;
  /** How many records the log believes to be open, and up to which ordinal it goes, now. */
  now: () => { readonly pending: number; readonly nextOrdinal: number };
}): Promise<LogVerification> {
  const { fileSystem, isDone, now } = options;
  const { pending: expected, nextOrdinal } = now();
  const damaged: { path: string; from: number; to: number }[] = [];
  let records = 0;
  let open = 0;
  let segments = 0;
  for (const segment of [...options.segments]) {
    if (!segment.live) continue;
    segments++;
    const file = fileSystem.open(segment.path, 'read');
    try {
      const { path, header, end } = segment;
      const reader = new SegmentReader({ file, path, epoch: header.epoch, limit: end, sealed: true });
      for (;;) {
        if (reader.needsLoad) await reader.load();
        const item = reader.next();
        if (item === undefined || !segment.live) break;
        if (item.kind === 'damage') damaged.push({ path, ...item.damage });
        else if (item.record.ordinal < nextOrdinal) {
          records++;
          if (!isDone(item.record.ordinal)) open++;
        }
      }
    } finally {
      file.close();
    }
  }
  const end = now();
  const doneMeanwhile = expected + (end.nextOrdinal - nextOrdinal) - end.pending;
  return { segments, records, open, expected, doneMeanwhile, damaged };
}
