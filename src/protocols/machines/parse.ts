import { messageFields, replyKeys } from './wire.ts';

/** Deepest nesting of a body, the object itself counted; deeper is malformed (contracts/README.md). */
export const maxDepth = 32;

/** Why a body could not be read at all. */
export type ParseFault = 'not-utf8' | 'not-json' | 'not-object' | 'too-deep';

/** A body as JSON.parse gives it. */
export type JsonObject = Record<string, unknown>;

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a body: UTF-8 with an optional BOM, valid JSON, an object, at most `maxDepth` deep. Of two equal keys the last
 * wins. Keys are as they stand in the body, unless one of them differs from a key of the contract by white space or a
 * trailing colon only: then it stands under the contract's key, and of such twins the last in the body wins.
 */
export function parseBody(payload: Uint8Array): JsonObject | ParseFault {
  let text: string;
  try {
    text = decoder.decode(payload);
  } catch {
    return 'not-utf8';
  }
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return 'not-json';
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return 'not-object';
  let irregular = false;
  const object = body as JsonObject;
  for (const key in object) {
    const value = object[key];
    if (typeof value === 'object' && value !== null && isDeeper(value, maxDepth - 1)) return 'too-deep';
    irregular ||= isIrregular(key);
  }
  return irregular ? withCleanKeys(object, text) : object;
}

/** True when a key may have white space around it or a colon behind it; wrong only on the careful side. */
function isIrregular(key: string): boolean {
  const first = key.charCodeAt(0);
  const last = key.charCodeAt(key.length - 1);
  return isEdge(first) || isEdge(last) || last === 0x3a || last === 0xff1a;
}

/** ASCII control characters and space, and the blocks that hold every other white space of Unicode. */
const isEdge = (code: number): boolean =>
  code <= 0x20 ||
  code === 0xa0 ||
  code === 0x1680 ||
  (code >= 0x2000 && code <= 0x205f) ||
  code === 0x3000 ||
  code === 0xfeff;

const known = new Set<string>(Object.values(replyKeys));
for (const table of Object.values(messageFields)) for (const field of Object.values(table)) known.add(field.key);

/** The contract's key that a body's key stands for, after trimming white space and a trailing colon; else itself. */
export function cleanKey(key: string): string {
  if (!isIrregular(key)) return key;
  const trimmed = key
    .trim()
    .replace(/[:：]$/, '')
    .trimEnd();
  return known.has(trimmed) ? trimmed : key;
}

/** Rare, so it may be slow: the order of twins is that of the text, which JSON.parse does not keep for equal keys. */
function withCleanKeys(object: JsonObject, text: string): JsonObject {
  const clean: JsonObject = {};
  for (const key of lastPlaces(text)) {
    Object.defineProperty(clean, cleanKey(key), {
      value: object[key],
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return clean;
}

/** The keys of the outermost object of valid JSON, each once, in the order of their last occurrences. */
function lastPlaces(text: string): Set<string> {
  const keys = new Set<string>();
  let depth = 0;
  let expectsKey = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '"') {
      const start = index;
      for (index++; text[index] !== '"'; index++) if (text[index] === '\\') index++;
      if (depth === 1 && expectsKey) {
        const key = JSON.parse(text.slice(start, index + 1)) as string;
        keys.delete(key);
        keys.add(key);
        expectsKey = false;
      }
    } else if (character === '{' || character === '[') {
      depth++;
      if (depth === 1) expectsKey = true;
    } else if (character === '}' || character === ']') depth--;
    else if (character === ',' && depth === 1) expectsKey = true;
  }
  return keys;
}

/** True when `value`, itself at depth 1, nests deeper than `limit`. Recursion is bounded by the limit. */
function isDeeper(value: object, limit: number): boolean {
  if (limit === 0) return true;
  for (const child of Object.values(value)) {
    if (typeof child === 'object' && child !== null && isDeeper(child, limit - 1)) return true;
  }
  return false;
}
