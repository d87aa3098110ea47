/**
 * A program of the project in a process of its own: started, killed and stopped as a service manager or a power cut
 * would, with its output in a file that is shown when a test fails.
 */
import { type ChildProcess, execFile } from 'node:child_process';
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endProcess, letGo, spawnWithUs } from '../processes.ts';

export const root = join(import.meta.dirname, '../../..');
export const holdfast = join(root, 'bin/holdfast');

/** Only what programs need: a developer's own HOLDFAST_ variables must not reach a test. */
export const cleanEnvironment: NodeJS.ProcessEnv = {
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  TMPDIR: process.env.TMPDIR,
  LANG: 'C.UTF-8',
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
};

const run = promisify(execFile);

/** A command line that may be started again and again; one process at a time. */
export class Program {
  readonly #words: readonly string[];
  readonly #logFile: string;
  #child: ChildProcess | undefined;
  /** Processes started so far. */
  starts = 0;

  /** `words`: the program's path and its arguments; `logFile` gets the output of every start. */
  constructor(words: readonly string[], logFile: string) {
    this.#words = words;
    this.#logFile = logFile;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** How the last process ended; undefined while it runs. */
  get exitCode(): number | string | undefined {
    return this.#child?.exitCode ?? this.#child?.signalCode ?? undefined;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process and returns at once. */
  begin(): void {
    if (this.isRunning) throw new Error('it runs already');
    this.starts++;
    appendFileSync(this.#logFile, `--- start ${this.starts}\n`);
    const log = openSync(this.#logFile, 'a');
    const [command, ...words] = this.#words as [string, ...string[]];
    const child = spawnWithUs(command, words, { stdio: ['ignore', log, log], env: cleanEnvironment });
    closeSync(log);
    this.#child = letGo(child);
  }

  /** Ends the process at once; resolves when it is gone. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** Ends the process in order; rejects when it takes longer than `deadlineMs`. */
  stop(deadlineMs = 20_000): Promise<void> {
    return this.#end('SIGTERM', deadlineMs);
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** The end of the output. */
  get tail(): string {
    return readFileSync(this.#logFile, 'utf8').split('\n').slice(-40).join('\n');
  }

  async #end(signal: NodeJS.Signals, deadlineMs = 20_000): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    await endProcess(child, signal, deadlineMs);
    if (signal === 'SIGTERM' && child.signalCode === 'SIGKILL') {
      throw new Error(`did not end in order within ${deadlineMs} ms:\n${this.tail}`);
    }
  }
}

/**
 * Runs a command of holdfast to its end, with `input` on its standard input; resolves with what it printed, rejects when
 * it fails.
 */
export async function runHoldfast(
  words: readonly string[],
  before: readonly string[] = [],
  input?: string,
): Promise<string> {
  const [command, ...rest] = [...before, holdfast, ...words] as [string, ...string[]];
  const running = run(command, rest, { env: cleanEnvironment, maxBuffer: 256 * 1024 * 1024 });
  running.child.stdin?.end(input);
  return (await running).stdout;
}

/** The seed of a campaign: `HOLDFAST_TEST_SEED`, else a fresh one; printed, so that a failure can be repeated. */
export function campaignSeed(name: string): number {
  const given = process.env.HOLDFAST_TEST_SEED;
  const seed = given === undefined ? Math.floor(Math.random() * 0x1_0000_0000) : Number(given);
  console.log(`${name}: HOLDFAST_TEST_SEED=${seed}`);
  return seed;
}
