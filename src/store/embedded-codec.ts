import { Double } from 'mongodb';
import type { StoredDocument, StoredValue } from './document-store.ts';

/**
 * A document as one line of JSON, in MongoDB's extended notation where JSON has no type of its own: `{"$date": …}`,
 * `{"$numberLong": …}`, `{"$numberDouble": …}` for a whole double, `{"$binary": …}`. No document has keys of its own
 * that begin with `$`.
 */
export function encodeLine(document: StoredDocument): string {
  return `${JSON.stringify(toJson(document))}\n`;
}

/** Reads a line; undefined for what is not a whole document (torn by a power cut). */
export function decodeLine(line: string): StoredDocument | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const document = fromJson(value);
  return isDocument(document) ? document : undefined;
}

function isDocument(value: StoredValue): value is StoredDocument {
  return typeof value === 'object' && value !== null && '_id' in value && typeof value._id === 'string';
}

function toJson(value: StoredValue): unknown {
  if (typeof value === 'bigint') return { $numberLong: String(value) };
  if (typeof value === 'number') return Number.isInteger(value) ? { $numberDouble: String(value) } : value;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return { $date: value.toISOString() };
  if (value instanceof Double) return toJson(value.value);
  if (value instanceof Uint8Array) {
    return { $binary: { base64: Buffer.from(value).toString('base64'), subType: '00' } };
  }
  if (Array.isArray(value)) return value.map(toJson);
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, toJson(child)]));
}

function fromJson(value: unknown): StoredValue {
  if (typeof value !== 'object' || value === null) return value as string | number | boolean | null;
  if (Array.isArray(value)) return value.map(fromJson);
  const special = value as { $numberLong?: string; $numberDouble?: string; $date?: string; $binary?: BinaryText };
  if (special.$numberLong !== undefined) return BigInt(special.$numberLong);
  if (special.$numberDouble !== undefined) return Number(special.$numberDouble);
  if (special.$date !== undefined) return new Date(special.$date);
  if (special.$binary !== undefined) return Buffer.from(special.$binary.base64, 'base64');
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, fromJson(child)]));
}

interface BinaryText {
  readonly base64: string;
}
