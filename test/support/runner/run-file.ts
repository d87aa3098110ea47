import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestFile } from './discover.ts';
import type { FileResult, Message } from './report.ts';

/** How a file went, seen from outside. */
export interface Outcome extends FileResult {
  readonly file: TestFile;
  readonly durationMs: number;
  /** The end of what the file printed. */
  readonly output: string;
}

/** After its last test a process may take so long to end; then something was left open. */
const graceMs = 5000;
const keptOutput = 128 * 1024;
const child = fileURLToPath(new URL('./child.ts', import.meta.url));
const running = new Set<ChildProcess>();

/** Runs a file in a process of its own, with a folder of its own for temporary files. Never rejects. */
export async function runFile(file: TestFile): Promise<Outcome> {
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  const process_ = spawn(
    process.execPath,
    ['--conditions=holdfast-source', '--disable-warning=ExperimentalWarning', child, file.path],
    {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, TMPDIR: folder },
      // A group of its own, so that whatever it leaves behind can be ended with it.
      detached: true,
    },
  );
  running.add(process_);
  let output = '';
  let result: FileResult | undefined;
  let test = 'loading the file';
  let lingering = '';
  let problem: string | undefined;
  let timer = setTimeout(() => giveUp(`not done after ${file.deadlineMs / 1000} s, in: ${test}`), file.deadlineMs);

  const keep = (chunk: Buffer) => {
    output = (output + chunk).slice(-keptOutput);
  };
  process_.stdout!.on('data', keep);
  process_.stderr!.on('data', keep);
  process_.on('message', (message: Message) => {
    if (message.kind === 'running') test = message.test;
    if (message.kind === 'lingering') lingering = message.resources.join(', ');
    if (message.kind === 'result') {
      result = message.result;
      clearTimeout(timer);
      timer = setTimeout(() => giveUp(`does not end after its last test; left open: ${lingering}`), graceMs);
    }
  });
  const giveUp = (why: string) => {
    problem = why;
    killGroup(process_);
  };

  const { code, signal } = await ended(process_);
  clearTimeout(timer);
  killGroup(process_);
  running.delete(process_);
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  if (problem === undefined && !result)
    problem = `ended (${signal ?? `exit code ${code}`}) before its tests were done, in: ${test}`;
  if (problem === undefined && result?.failed === 0 && code !== 0)
    problem = `ended with ${signal ?? `exit code ${code}`}`;

  const { passed, failed, skipped, failures } = result ?? { passed: 0, failed: 0, skipped: 0, failures: [] };
  return {
    file,
    passed,
    skipped,
    failed: failed + (problem === undefined ? 0 : 1),
    failures: problem === undefined ? failures : [...failures, `  ${file.name} ${problem}`],
    durationMs: performance.now() - startedAt,
    output,
  };
}

/** Ends every test process that is still there, with all that it started. */
export function killAll(): void {
  for (const process_ of running) killGroup(process_);
}

function ended(process_: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  return new Promise((resolve) => {
    process_.once('error', (error) => {
      process_.stderr?.emit('data', Buffer.from(String(error)));
      resolve({ code: 1, signal: null });
    });
    process_.once('exit', (code, signal) => {
      // Its descendants may hold the pipes; what it printed itself is there as soon as they are gone.
      killGroup(process_);
      const timer = setTimeout(() => resolve({ code, signal }), 1000);
      process_.once('close', () => {
        clearTimeout(timer);
        resolve({ code, signal });
      });
    });
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left in the group.
  }
}
