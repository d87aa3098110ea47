import { existsSync, globSync, readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';

/** A test file and how it wants to be run. */
export interface TestFile {
  /** Absolute. */
  readonly path: string;
  /** As it is shown: relative to the project. */
  readonly name: string;
  readonly deadlineMs: number;
  /** True: no other file runs beside it. */
  readonly serial: boolean;
  /** True: it takes so long that it should not be begun last. */
  readonly slow: boolean;
}

/** What to look for. */
export interface Selection {
  /** The project's folder. */
  readonly root: string;
  /** The long campaigns instead of the short tests. */
  readonly long: boolean;
  /** Parts of paths; none = everything. The path of an existing `.ts` file means that file, whatever its name. */
  readonly patterns: readonly string[];
}

const units = { ms: 1, s: 1000, m: 60_000 } as const;

/** The test files of a selection, those that take longest first, and the patterns that match none. */
export function discover({ root, long, patterns }: Selection): { files: TestFile[]; unmatched: string[] } {
  const all = globSync(`test/**/*.${long ? 'long' : 'test'}.ts`, { cwd: root }).map((name) => resolve(root, name));
  const chosen = new Set<string>();
  const unmatched: string[] = [];
  for (const pattern of patterns) {
    const direct = resolve(root, pattern);
    const matching =
      pattern.endsWith('.ts') && existsSync(direct) ? [direct] : all.filter((path) => contains(root, path, pattern));
    if (matching.length === 0) unmatched.push(pattern);
    for (const path of matching) chosen.add(path);
  }
  const files = (patterns.length === 0 ? all : [...chosen]).sort().map((path) => describe(root, path, long));
  return { files: files.toSorted((a, b) => b.deadlineMs - a.deadlineMs || Number(b.slow) - Number(a.slow)), unmatched };
}

function contains(root: string, path: string, pattern: string): boolean {
  return relative(root, path).includes(pattern);
}

function describe(root: string, path: string, long: boolean): TestFile {
  const head = readFileSync(path, 'utf8').split('\n', 10);
  const says = (hint: string) => head.some((line) => line.trim() === hint);
  const match = head.map((line) => /^\/\/ deadline: (\d+) ?(ms|s|m)$/.exec(line.trim())).find(Boolean);
  const deadlineMs = match ? Number(match[1]) * units[match[2] as keyof typeof units] : long ? 3_600_000 : 120_000;
  return { path, name: relative(root, path), deadlineMs, serial: says('// serial'), slow: says('// slow') };
}
