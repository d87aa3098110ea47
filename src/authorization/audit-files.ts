import { join } from 'node:path';
import type { FileSystem } from '../platform/index.ts';
import { type AuditLine, decodeAuditLine, isOwnLine, readLines } from './audit-line.ts';
import type { Sealer } from './seal.ts';

const current = 'audit.log';
const tailBytes = 256 * 1024;

/** The file that lines are appended to. */
export const currentPath = (folder: string): string => join(folder, current);

/** The files that are full, oldest first. Their numbers rise and are not used again while one of them is there. */
export function fullFiles(fileSystem: FileSystem, folder: string): { path: string; number: number }[] {
  if (!fileSystem.exists(folder)) return [];
  return fileSystem
    .list(folder)
    .flatMap((name) => {
      const number = /^audit\.log\.(\d{1,9})$/.exec(name)?.[1];
      return number === undefined ? [] : [{ path: join(folder, name), number: Number(number) }];
    })
    .sort((one, other) => one.number - other.number);
}

/** What the end of a file holds. */
export interface Tail {
  /** The last line of the chain; undefined when the last 256 KiB hold no line of this box. */
  readonly last: AuditLine | undefined;
  /** Position behind it, 0 without one. */
  readonly end: number;
  /** Where the lines begin that are newer than the kept head, so that nothing else vouches for them. */
  readonly newerFrom: number;
  /** Of the file, in bytes. */
  readonly size: number;
  /** Bytes behind the last line that are not blank. */
  readonly restBytes: number;
  readonly endsWithNewLine: boolean;
}

/**
 * Reads the end of a file. Up to the kept head every line is known to have been on the device; of the newer ones those
 * count that follow it, or `before`, the hash of the file before this one, without a gap: what comes after a gap is left
 * of a write whose sync never returned.
 */
export async function readTail(
  fileSystem: FileSystem,
  path: string,
  sealer: Sealer,
  newer?: { readonly keptSeq: number; readonly before: string },
): Promise<Tail> {
  const file = fileSystem.open(path, 'read');
  try {
    const size = file.size();
    const start = Math.max(0, size - tailBytes);
    const keptSeq = newer?.keptSeq ?? Number.MAX_SAFE_INTEGER;
    let last: AuditLine | undefined;
    let end = 0;
    let newerFrom: number | undefined;
    let restBytes = 0;
    for await (const { text, from, to, isWhole } of readLines(file, start, size)) {
      const line = isWhole ? decodeAuditLine(text) : undefined;
      const isOurs = line !== undefined && isOwnLine(line, sealer);
      // In the middle of a file nothing is known of the line before the first: more than a write lies behind it.
      const anchor = last?.hash ?? (start === 0 ? newer?.before : line?.prev);
      const follows = restBytes === 0 && line?.prev === anchor;
      if (isOurs && (line.seq <= keptSeq || follows)) {
        if (line.seq > keptSeq) newerFrom ??= from;
        last = line;
        end = to;
        restBytes = 0;
      } else if (last !== undefined || start === 0) {
        restBytes += to - from;
      }
    }
    const byte = Buffer.alloc(1);
    if (size > 0) file.read(byte, size - 1);
    return { last, end, newerFrom: newerFrom ?? end, size, restBytes, endsWithNewLine: byte[0] === 0x0a };
  } finally {
    file.close();
  }
}
