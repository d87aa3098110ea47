/** Programs that a benchmark starts, and what they cost. */
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnWithUs, takesConnections } from '../../support/processes.ts';

/** A running program; `output` has the newest part of what it said. */
export class Program {
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  #standardOutput = '';
  #errors = '';

  constructor(command: string, words: readonly string[], environment: NodeJS.ProcessEnv = process.env) {
    this.#child = spawnWithUs(command, words, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#standardOutput = (this.#standardOutput + text).slice(-100_000);
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-10_000);
    });
    this.#exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', resolve);
    });
    this.#exited.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get output(): string {
    return this.#standardOutput + this.#errors;
  }

  /** The last line of standard output as JSON, once the program has ended; rejects when it failed. */
  async json<T>(): Promise<T> {
    const code = await this.#exited;
    if (code !== 0) throw new Error(`${this.#child.spawnargs.join(' ')} ended with ${code}:\n${this.output}`);
    return JSON.parse(this.#standardOutput.trim().split('\n').at(-1)!) as T;
  }

  /** Ends it, and resolves when it is gone. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.isRunning) this.#child.kill(signal);
    await this.#exited;
  }
}

/** A script of this folder in a process of its own, so that neither side's work stands in the other's way. */
export function startScript(name: string, words: readonly string[]): Program {
  return new Program(process.execPath, [new URL(`../${name}`, import.meta.url).pathname, ...words]);
}

/** Resolves when something takes connections on the port; rejects with the program's output when it ends before. */
export async function listening(program: Program, port: number, withinMs = 30_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await takesConnections(port))) {
    if (!program.isRunning || performance.now() > deadline) throw new Error(`nothing on ${port}:\n${program.output}`);
    await sleep(20);
  }
}

/** Resolves when `condition` holds; rejects with `what` after `withinMs`. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, withinMs = 60_000) {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(50);
  }
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

/** Processor seconds that a process has used. */
export function processorSeconds(pid: number): number {
  const fields = statOf(pid)!;
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The child of this process that runs the program of that name. */
export function childNamed(name: string): number | undefined {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .find((pid) => {
      const stat = statOf(pid);
      return stat !== undefined && Number(stat[1]) === process.pid && commandOf(pid) === name;
    });
}

/** The fields of /proc/PID/stat after the name, which may hold anything; undefined when there is no such process. */
function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

const commandOf = (pid: number) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
