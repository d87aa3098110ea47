/**
 * A line of the audit log: JSON, with everything that was known, then
 *
 *     …,"prev":"<hash of the line before>","hash":"<of this line>","mac":"<seal of the hash>"}
 *
 * The hash is SHA-256, in base64url, over the bytes of the line before `,"hash"`: whoever has the file can follow the
 * chain. The seal is made with the box's secret: whoever has only the file cannot make another chain.
 */
import { createHash } from 'node:crypto';
import type { OpenFile } from '../platform/index.ts';
import type { Sealer } from './seal.ts';
import type { AuditFields } from './types.ts';

/** Where a chain stands: the last line. `seq` 0 and hash "" before the first. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

/** A line that is right by itself. */
export interface AuditLine extends ChainHead {
  readonly prev: string;
  readonly mac: string;
  readonly record: Readonly<Record<string, unknown>>;
}

export interface NewLine {
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Whether the clock was synchronized then. */
  readonly trusted: boolean;
  /** Of the process that wrote it. */
  readonly boot: string;
  readonly event: string;
  readonly fields: AuditFields;
}

/** Bytes of a line at most; longer ones are not ours. */
export const maxLineBytes = 16 * 1024;

const maxText = 256;
const maxFields = 32;
const chunkBytes = 64 * 1024;
const newLine = 0x0a;
const ending = /^(\{.*),"hash":"([\w-]{43})","mac":"([\w-]{43})"\}$/s;

/** Makes the line after `head`, with its line feed. */
export function encodeAuditLine(line: NewLine, head: ChainHead, sealer: Sealer): { text: string; head: ChainHead } {
  const { time, trusted, boot, event } = line;
  const own = { seq: head.seq + 1, time, trusted, boot, event };
  const fields = Object.entries(line.fields)
    .slice(0, maxFields)
    .map(([key, value]) => [key, typeof value === 'string' ? value.slice(0, maxText) : value] as const);
  // Twice: first for their place, then because no field may take it.
  const body = JSON.stringify({ ...own, ...Object.fromEntries(fields), ...own, prev: head.hash }).slice(0, -1);
  const hash = hashOf(body);
  const text = `${body},"hash":"${hash}","mac":"${sealer.seal('audit', [hash])}"}\n`;
  return { text, head: { seq: own.seq, hash } };
}

/** Reads a line without its line feed; undefined when it is not whole, or not as it was written. */
export function decodeAuditLine(text: string): AuditLine | undefined {
  const parts = ending.exec(text);
  if (parts === null || hashOf(parts[1]!) !== parts[2]) return undefined;
  try {
    const record = JSON.parse(text) as Record<string, unknown>;
    const { seq, prev } = record;
    if (!Number.isSafeInteger(seq) || typeof prev !== 'string') return undefined;
    return { seq: seq as number, prev, hash: parts[2]!, mac: parts[3]!, record };
  } catch {
    return undefined;
  }
}

/** True when this box's secret made the line. */
export const isOwnLine = (line: AuditLine, sealer: Sealer): boolean => sealer.isSealed('audit', [line.hash], line.mac);

/** A piece of a file between line feeds, not blank. Positions in bytes; `to` is behind its line feed. */
export interface RawLine {
  readonly text: string;
  readonly from: number;
  readonly to: number;
  /** From 1, blank lines counted; only when reading began at 0. */
  readonly number: number;
  /** False for what is longer than a line, or has no line feed. */
  readonly isWhole: boolean;
}

/** The lines of a part of a file, without reading it all at once. */
export async function* readLines(file: OpenFile, from: number, to: number): AsyncGenerator<RawLine> {
  const chunk = Buffer.alloc(chunkBytes);
  let rest: Buffer = Buffer.alloc(0);
  let at = from;
  let number = 0;
  for (let read = from; read < to; ) {
    const count = await file.readAsync(chunk.subarray(0, Math.min(chunkBytes, to - read)), read);
    if (count === 0) break;
    read += count;
    rest = Buffer.concat([rest, chunk.subarray(0, count)]);
    for (let end = rest.indexOf(newLine); end >= 0; end = rest.indexOf(newLine)) {
      number++;
      if (end > 0) {
        const isWhole = end <= maxLineBytes;
        yield { text: isWhole ? rest.toString('utf8', 0, end) : '', from: at, to: at + end + 1, number, isWhole };
      }
      at += end + 1;
      rest = rest.subarray(end + 1);
    }
    if (rest.length > 4 * maxLineBytes) {
      yield { text: '', from: at, to: at + rest.length, number: number + 1, isWhole: false };
      at += rest.length;
      rest = Buffer.alloc(0);
    }
  }
  if (rest.length > 0) yield { text: '', from: at, to: at + rest.length, number: number + 1, isWhole: false };
}

const hashOf = (body: string): string => createHash('sha256').update(body).digest('base64url');
