import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Mistakes } from './mistakes.ts';

/** A value of the file with the line on which it stands. */
export type Located =
  | { readonly kind: 'value'; readonly line: number; readonly value: unknown }
  | { readonly kind: 'map'; readonly line: number; readonly entries: ReadonlyMap<string, Located> }
  | { readonly kind: 'list'; readonly line: number; readonly items: readonly Located[] };

/** Nesting deeper than anything that the schema has; also what ends an alias that contains itself. */
const deepest = 16;

/**
 * Parses YAML 1.2 and keeps the lines. Mistakes of the syntax are added to `mistakes` with their lines; what could be
 * read is returned all the same, so that they are reported together with the others.
 */
export function parseSource(text: string, mistakes: Mistakes): Located | undefined {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, strict: true, uniqueKeys: true });
  const lineAt = (offset: number | undefined) => lineCounter.linePos(offset ?? 0).line;
  for (const error of document.errors) {
    mistakes.add({ line: lineAt(error.pos[0]), problem: `not valid YAML: ${error.message}` });
  }

  const locate = (node: unknown, line: number, depth: number): Located | undefined => {
    if (depth > deepest) {
      mistakes.add({ line, problem: `nested deeper than ${deepest} levels` });
      return undefined;
    }
    if (isAlias(node)) return locate(node.resolve(document), lineAt(node.range?.[0]), depth + 1);
    if (isMap(node)) {
      const entries = new Map<string, Located>();
      for (const pair of node.items) {
        const keyLine = isScalar(pair.key) ? lineAt(pair.key.range?.[0]) : line;
        const value = locate(pair.value, keyLine, depth + 1);
        // A key without a value counts as not given: one comments out what stands under it and leaves the key.
        if (isScalar(pair.key) && value) entries.set(String(pair.key.value), value);
      }
      return { kind: 'map', line, entries };
    }
    if (isSeq(node)) {
      const items: Located[] = [];
      for (const item of node.items) {
        const start = (item as { range?: [number, number, number] | null } | null)?.range?.[0];
        const itemLine = start === undefined ? line : lineAt(start);
        items.push(locate(item, itemLine, depth + 1) ?? { kind: 'value', line: itemLine, value: null });
      }
      return { kind: 'list', line, items };
    }
    if (isScalar(node) && node.value !== null)
      return { kind: 'value', line: lineAt(node.range?.[0]), value: node.value };
    return undefined;
  };
  return locate(document.contents, 1, 0);
}

/** The plain value of a located one, for the readers. */
export function plain(located: Located): unknown {
  if (located.kind === 'value') return located.value;
  if (located.kind === 'list') return located.items.map(plain);
  return Object.fromEntries([...located.entries].map(([key, value]) => [key, plain(value)]));
}
