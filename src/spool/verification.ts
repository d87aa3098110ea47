import type { FileSystem } from '../platform/index.ts';
import type { Segment } from './segment.ts';
import { SegmentReader } from './segment-reader.ts';

/** What reading a log through found. */
export interface LogVerification {
  readonly segments: number;
  /** Valid records in them, done or not. */
  readonly records: number;
  /** Those that are open; equal to what the log believes (`expected`) unless something is damaged. */
  readonly open: number;
  readonly expected: number;
  readonly damaged: readonly { readonly path: string; readonly from: number; readonly to: number }[];
}

/** Reads all segments through without changing anything; a few ms of the process at a time. */
export async function verifySegments(options: {
  fileSystem: FileSystem;
  segments: readonly Segment[];
  isDone: (ordinal: number) => boolean;
  /** Records before this ordinal are looked at, those written meanwhile are not. */
  nextOrdinal: number;
  /** How many records the log believes to be open. */
  expected: number;
}): Promise<LogVerification> {
  const { fileSystem, isDone, nextOrdinal, expected } = options;
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
  return { segments, records, open, expected, damaged };
}
