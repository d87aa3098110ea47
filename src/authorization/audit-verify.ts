/**
 * Reads the audit log through: `holdfast audit verify` and `show`. A changed line is not as its hash says; one that was
 * removed, added or moved does not follow the line before it; one that was made anew has not got this box's seal; lines
 * that are missing at the end, or files at the beginning, are missed by what is kept of them elsewhere.
 */
import { basename } from 'node:path';
import type { FileSystem } from '../platform/index.ts';
import { currentPath, fullFiles } from './audit-files.ts';
import { type AuditLine, type ChainHead, decodeAuditLine, isOwnLine, readLines } from './audit-line.ts';
import type { Sealer } from './seal.ts';

/** What to read. */
export interface AuditSource {
  readonly fileSystem: FileSystem;
  readonly folder: string;
  readonly sealer: Sealer;
  /** The head that is kept, or of the running log. */
  readonly head: ChainHead | undefined;
  /** There is a kept head that was not sealed by this box. */
  readonly isHeadForged: boolean;
  /** Bytes of the current file to read, when it is being written to. */
  readonly currentEnd: number | undefined;
}

/** What came out. */
export interface AuditVerdict {
  readonly sound: boolean;
  readonly files: number;
  /** Lines that are right, up to the first that is not. */
  readonly lines: number;
  /** The first bad line. `line` counts from 1 in its file; undefined for what is not there at all. */
  readonly bad: { readonly file: string; readonly line: number | undefined; readonly why: string } | undefined;
  /** Bytes of a last write that was cut short; the gateway makes them blank when it starts. */
  readonly tornBytes: number;
}

/** Verifies all files. */
export async function verifyAudit(source: AuditSource): Promise<AuditVerdict> {
  const { sealer, head } = source;
  let files = 0;
  let lines = 0;
  let first: AuditLine | undefined;
  let last: AuditLine | undefined;
  let isBeginningExplained = true;
  let tornBytes = 0;
  const current = basename(currentPath(source.folder));
  let file = '';
  const verdict = (bad: AuditVerdict['bad']): AuditVerdict => ({
    sound: bad === undefined,
    files,
    lines,
    bad,
    tornBytes,
  });
  if (source.isHeadForged) {
    return verdict({ file: 'the kept head', line: undefined, why: 'was not sealed by this box' });
  }
  for await (const part of readAll(source)) {
    if (part.file !== file) {
      files++;
      file = part.file;
    }
    if (part.raw === undefined) continue;
    const { text, number, isWhole, from, to } = part.raw;
    const line = isWhole ? decodeAuditLine(text) : undefined;
    const why = line === undefined ? 'is not as it was written' : fault(line, last, head, sealer);
    // All that was known to be on the device is there: what comes then is a write whose sync never returned.
    const isComplete = head !== undefined && (last?.seq ?? 0) >= head.seq && file === current;
    if (tornBytes > 0 || (why !== undefined && isComplete)) {
      tornBytes += to - from;
      continue;
    }
    if (line === undefined || why !== undefined) return verdict({ file, line: number, why: why ?? '' });
    if (first === undefined) {
      first = line;
      isBeginningExplained = line.seq === 1;
    }
    isBeginningExplained ||= explains(line, first);
    last = line;
    lines++;
  }
  if (head !== undefined && (last?.seq ?? 0) < head.seq) {
    const why = `the lines after ${last?.seq ?? 0} are missing: line ${head.seq} was written`;
    return verdict({ file: file === '' ? current : file, line: undefined, why });
  }
  if (head === undefined && last !== undefined) {
    return verdict({ file: 'the kept head', line: undefined, why: 'is missing: it was written before the first line' });
  }
  if (first !== undefined && !isBeginningExplained) {
    const why = `the lines before ${first.seq} are missing, and no line says that their file was removed`;
    return verdict({ file: oldest(source), line: 1, why });
  }
  return verdict(undefined);
}

/** The newest lines, oldest first; those about a machine when `serial` is given. Lines that cannot be read are left out. */
export async function showAudit(
  source: AuditSource,
  { serial, limit }: { readonly serial?: string; readonly limit: number },
): Promise<Readonly<Record<string, unknown>>[]> {
  const found: Readonly<Record<string, unknown>>[] = [];
  for await (const { raw } of readAll(source)) {
    const line = raw?.isWhole ? decodeAuditLine(raw.text) : undefined;
    if (line === undefined || (serial !== undefined && line.record.serial !== serial)) continue;
    const { prev: _prev, hash: _hash, mac: _mac, ...record } = line.record;
    found.push(record);
    if (found.length >= 2 * limit) found.splice(0, found.length - limit);
  }
  return found.slice(-limit);
}

function fault(
  line: AuditLine,
  last: AuditLine | undefined,
  head: ChainHead | undefined,
  sealer: Sealer,
): string | undefined {
  if (!isOwnLine(line, sealer)) return 'was not written by this box';
  if (last === undefined && line.seq === 1 && line.prev !== '') return 'does not begin the chain';
  if (last !== undefined && line.seq !== last.seq + 1) {
    return `has number ${line.seq} after ${last.seq}: lines were removed, added or moved`;
  }
  if (last !== undefined && line.prev !== last.hash) return 'does not follow the line before it';
  if (head !== undefined && line.seq === head.seq && line.hash !== head.hash) return 'is not the line that was written';
  return undefined;
}

/** True when a line says that what came before the first one was removed by age. */
const explains = ({ record }: AuditLine, first: AuditLine): boolean =>
  record.event === 'file-removed' && record.last === first.seq - 1 && record.lastHash === first.prev;

function oldest({ fileSystem, folder }: AuditSource): string {
  return basename(fullFiles(fileSystem, folder)[0]?.path ?? currentPath(folder));
}

async function* readAll({ fileSystem, folder, currentEnd }: AuditSource) {
  // All are opened at once: a file that gets its number or goes meanwhile is still read.
  const paths = [...fullFiles(fileSystem, folder).map(({ path }) => path)];
  if (fileSystem.exists(currentPath(folder))) paths.push(currentPath(folder));
  const files = paths.map((path) => ({ name: basename(path), file: fileSystem.open(path, 'read') }));
  try {
    for (const { name, file } of files) {
      const isWritten = name === basename(currentPath(folder)) && currentEnd !== undefined;
      const size = isWritten ? Math.min(currentEnd, file.size()) : file.size();
      yield { file: name, raw: undefined };
      for await (const raw of readLines(file, 0, size)) yield { file: name, raw };
    }
  } finally {
    for (const { file } of files) file.close();
  }
}
