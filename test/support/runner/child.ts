/**
 * Runs one test file in this process and reports to the runner over the IPC channel. The file is plain uvu; its
 * import of `uvu` is redirected to watched-uvu.ts, and its suites are run from here instead of by uvu's own `exec`,
 * which exits 0 when a hook throws and when there is nothing to run.
 */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { FileResult, Message } from './report.ts';

/** How long after the last test the process may take to end by itself before it says what holds it. */
const lingerMs = 2000;

type SuiteRun = () => Promise<[errors: string | true, passed: number, skipped: number, total: number]>;

const watchedUrl = new URL('./watched-uvu.ts', import.meta.url).href;
registerHooks({
  resolve(specifier, context, next) {
    if (specifier === 'uvu' && context.parentURL !== watchedUrl) return { url: watchedUrl, shortCircuit: true };
    return next(specifier, context);
  },
});

// Tells uvu that somebody else will run what stands in the queue.
const queue: unknown[] = [null];
Object.assign(globalThis, { UVU_DEFER: 1, UVU_QUEUE: [queue] });

const { hookErrors, suites, watcher } = (await import(watchedUrl)) as typeof import('./watched-uvu.ts');
watcher.onTest = (name) => tell({ kind: 'running', test: name });

await import(pathToFileURL(process.argv[2]!).href);
const result = await runSuites(queue.slice(1) as SuiteRun[]);
process.exitCode = result.failed === 0 ? 0 : 1;
await new Promise((resolve) => {
  process.send!({ kind: 'result', result } satisfies Message, undefined, undefined, resolve);
});
setTimeout(() => tell({ kind: 'lingering', resources: process.getActiveResourcesInfo() }), lingerMs).unref();

async function runSuites(runs: readonly SuiteRun[]): Promise<FileResult> {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  const failures: string[] = [];
  for (const run of runs) {
    const [errors, passedHere, skippedHere, total] = await run();
    passed += passedHere;
    failed += total - passedHere;
    skipped += skippedHere;
    if (errors !== true) failures.push(errors);
  }
  for (const { hook, error } of hookErrors) {
    failures.push(`  ${hook} threw: ${error instanceof Error ? error.stack : String(error)}`);
    // A throwing `before` already counts as all tests of its suite; the hooks afterwards leave theirs passed.
    if (!hook.endsWith('before') || failed === 0) failed++;
  }
  for (const suite of suites) {
    if (suite.waiting === 0) continue;
    failures.push(
      `  ${suite.waiting} tests of ${suite.name || 'the nameless suite'} wait for a .run() that is missing`,
    );
    failed += suite.waiting;
  }
  if (passed + failed + skipped === 0) {
    failures.push('  there is no test in this file');
    failed++;
  }
  return { passed, failed, skipped, failures };
}

function tell(message: Message): void {
  if (process.connected) process.send!(message);
}
