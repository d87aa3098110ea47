/**
 * The test runner: `bin/node test/run.ts [--long] [--stutter] [part of a path …]`. Every `*.test.ts` under test/ (with
 * `--long`: `*.long.ts`) is plain uvu and runs in a process of its own, three at a time (HOLDFAST_TEST_CONCURRENCY): many wait for
 * a time limit or a server to pass, and two cores would be idle a quarter of the time with two.
 *
 * uvu alone exits 0 on a hook that throws, on a missing `.run()` and on nothing to run, and waits for ever for a test
 * that does not end (STYLE.md 24). Here all of these fail. One of the first ten lines of a file may be
 * `// deadline: 300s` (default 120s, with --long 3600s), `// slow` (takes more than some 15 s) or `// serial` (nothing
 * else runs beside it). Those with a longer deadline are begun first, then the slow ones, so that none is left at the end.
 *
 * With `--stutter` all that runs below is stopped for a moment again and again, as on a computer that others keep busy:
 * what fails then waits for too short a time, or takes a stall for something else.
 *
 * The last line is `N passed, N failed`, with `, N skipped` when there are any; exit code 1 when one failed.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { keepCompiled } from './support/runner/compile-cache.ts';
import { discover, type TestFile } from './support/runner/discover.ts';
import { killAll, type Outcome, runFile } from './support/runner/run-file.ts';
import { stutter } from './support/runner/stutter.ts';

const { values, positionals } = parseArgs({
  options: { long: { type: 'boolean' }, stutter: { type: 'boolean' } },
  allowPositionals: true,
});
const root = fileURLToPath(new URL('..', import.meta.url));
const { files, unmatched } = discover({ root, long: values.long ?? false, patterns: positionals });
keepCompiled(join(root, '.cache/compiled'));

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    killAll();
    process.exit(code);
  });
}

const totals = { passed: 0, failed: unmatched.length, skipped: 0 };
for (const pattern of unmatched) console.log(`no test file's path contains "${pattern}"`);
if (files.length === 0 && unmatched.length === 0) {
  console.log('there is no test file');
  totals.failed++;
}
const isDone = new AbortController();
const stuttering = values.stutter && stutter(isDone.signal);
await runAll(
  files.filter((file) => !file.serial),
  concurrency(),
);
await runAll(
  files.filter((file) => file.serial),
  1,
);

isDone.abort();
await stuttering;

const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : '';
process.exitCode = totals.failed > 0 ? 1 : 0;
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`);

async function runAll(queue: TestFile[], workers: number): Promise<void> {
  const work = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) show(await runFile(file));
  };
  await Promise.all(Array.from({ length: workers }, work));
}

function show({ file, passed, failed, skipped, failures, durationMs, output }: Outcome): void {
  totals.passed += passed;
  totals.failed += failed;
  totals.skipped += skipped;
  const counts = [`${passed} passed`, failed && `${failed} failed`, skipped && `${skipped} skipped`].filter(Boolean);
  const seconds = (durationMs / 1000).toFixed(1).padStart(6);
  console.log(`${failed > 0 ? 'FAIL' : 'ok  '} ${seconds} s  ${file.name}  (${counts.join(', ')})`);
  if (failed === 0) return;
  if (output.trim() !== '') console.log(indent(output.trimEnd()));
  console.log(`${failures.join('\n')}\n`);
}

function concurrency(): number {
  const wanted = Number(process.env.HOLDFAST_TEST_CONCURRENCY ?? 3);
  return Number.isInteger(wanted) && wanted > 0 ? wanted : 3;
}

function indent(text: string): string {
  return text.replace(/^/gm, '  | ');
}
