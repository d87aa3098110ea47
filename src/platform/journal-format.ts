/**
 * The file of a journal: lines of text, so that people can read it.
 *
 *     <CRC-32 of the rest, 8 hex digits> <number> <first> <JSON>
 *
 * `number` counts the lines of the file from 0; `first` is the number of the first line of the same write, so that a
 * line which is missing tells whether its write was ever synced. Line 0 is the header `{"format","version","lines"}`;
 * the `lines` after it are the content when the file was made, synced before the file got its name. Every other line is
 * `[[key, value], [key], …]`: keys that were set and keys that were deleted, all of them or none. Empty lines are what
 * became of a write that failed.
 */
import { crc32 } from 'node:zlib';
import { HoldfastError } from '../errors.ts';

/** Newest format that this program reads and writes. */
export const journalVersion = 1;

const formatName = 'holdfast-journal';
const newLine = 0x0a;
const linePattern = /^([0-9a-f]{8}) (\d{1,15}) (\d{1,15}) (.*)$/s;

/** One change: a key that gets a value, or one without a value that goes. */
export type Change = readonly [key: string, value?: unknown];

/** Bytes that hold no valid line: from the first to the one after the last. */
export interface DamagedRange {
  readonly from: number;
  readonly to: number;
}

/** What a file held. */
export interface JournalContent {
  readonly entries: Map<string, unknown>;
  /** What was on the device once and can no longer be read. */
  readonly damaged: readonly DamagedRange[];
  /** Keys whose values may not be the last ones: a change made after them can no longer be read. */
  readonly unsure: ReadonlySet<string>;
  /** Bytes of a last write that was never synced, and is therefore nobody's loss. */
  readonly tornBytes: number;
}

/** Makes a line with its line feed. */
export function encodeLine(number: number, first: number, json: string): string {
  const rest = `${number} ${first} ${json}`;
  return `${crc32(rest).toString(16).padStart(8, '0')} ${rest}\n`;
}

/** Makes a whole file of these entries; `lines` is the number of the next line. */
export function encodeSnapshot(entries: ReadonlyMap<string, unknown>): { data: Buffer; lines: number } {
  const header = JSON.stringify({ format: formatName, version: journalVersion, lines: entries.size });
  const lines = [encodeLine(0, 0, header)];
  for (const entry of entries) lines.push(encodeLine(lines.length, 1, JSON.stringify([entry])));
  return { data: Buffer.from(lines.join('')), lines: lines.length };
}

/**
 * Reads a file. What is damaged is skipped and named; a torn last write is not damage.
 *
 * @throws HoldfastError `journal-version` when a newer program wrote it.
 */
export function decodeJournal(data: Buffer, path: string): JournalContent {
  const lines = [...validLines(data, path)];
  // Without a header nothing is known of what was synced: then everything counts as content.
  const contentLines = lines[0]?.contentLines ?? Number.MAX_SAFE_INTEGER;
  const lastFirst = lines.at(-1)?.first ?? 0;
  const entries = new Map<string, unknown>();
  const damaged: DamagedRange[] = [];
  const unsure = new Set<string>();
  // In what was written at once each key stands once: a line that is lost there brings no older value back.
  const lastOnce = lines[0]?.contentLines ?? 0;
  const doubt = () => {
    for (const key of entries.keys()) unsure.add(key);
  };
  let at = 0;
  let next = 0;
  for (const line of lines) {
    // A hole in the last write: the power went before its sync returned.
    if (line.number > next && next >= lastFirst && next > contentLines) break;
    if (line.number !== next || !isBlank(data, at, line.from)) damaged.push({ from: at, to: line.from });
    if (line.number > next && line.number - 1 > lastOnce) doubt();
    at = line.to;
    next = line.number + 1;
    apply(entries, line.changes);
    for (const [key] of line.changes) unsure.delete(key);
  }
  const isRestBlank = isBlank(data, at, data.length);
  if (next > contentLines) return { entries, damaged, unsure, tornBytes: isRestBlank ? 0 : data.length - at };
  damaged.push({ from: at, to: data.length });
  // The file was cut, and what was appended to it went too.
  if (lines[0]?.contentLines !== undefined || !isRestBlank) doubt();
  return { entries, damaged, unsure, tornBytes: 0 };
}

/** Applies changes to a map. */
export function apply(entries: Map<string, unknown>, changes: readonly Change[]): void {
  for (const [key, value] of changes) {
    if (value === undefined) entries.delete(key);
    else entries.set(key, value);
  }
}

interface Line {
  readonly from: number;
  readonly to: number;
  readonly number: number;
  readonly first: number;
  readonly changes: readonly Change[];
  /** Of the header: how many lines of content follow it. */
  readonly contentLines: number | undefined;
}

function* validLines(data: Buffer, path: string): Generator<Line> {
  let lowest = 0;
  for (let from = 0; from < data.length; ) {
    const end = data.indexOf(newLine, from);
    if (end < 0) return;
    const text = data.toString('utf8', from, end);
    const parts = linePattern.exec(text);
    if (parts !== null && Number.parseInt(parts[1]!, 16) === crc32(text.slice(9))) {
      const number = Number(parts[2]);
      const content = number === 0 ? readHeader(parts[4]!, path) : readChanges(parts[4]!);
      // A line that stands where it cannot have been written is as bad as an unreadable one.
      if (number >= lowest && content !== undefined) {
        lowest = number + 1;
        yield { from, to: end + 1, number, first: Number(parts[3]), contentLines: undefined, changes: [], ...content };
      }
    }
    from = end + 1;
  }
}

function readHeader(json: string, path: string): Pick<Line, 'contentLines'> | undefined {
  const header = parse(json) as { format?: unknown; version?: unknown; lines?: unknown } | undefined;
  if (header?.format !== formatName || typeof header.version !== 'number') return undefined;
  if (header.version <= journalVersion)
    return typeof header.lines === 'number' ? { contentLines: header.lines } : undefined;
  throw new HoldfastError(
    'journal-version',
    `${path} has format version ${header.version}, this program reads up to ${journalVersion}: start the newer version again, or move the file away`,
  );
}

function readChanges(json: string): Pick<Line, 'changes'> | undefined {
  const changes = parse(json);
  const isChange = (change: unknown) => Array.isArray(change) && typeof change[0] === 'string';
  return Array.isArray(changes) && changes.every(isChange) ? { changes: changes as Change[] } : undefined;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function isBlank(data: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (data[at] !== newLine) return false;
  return true;
}
