/**
 * One process of the flow engine, from its start to its end: started with nothing but its folder in argv, given its
 * settings over IPC, watched from outside.
 *
 * Invariants: it is killed when it is silent for too long, or too large, whatever it does; `ended` always resolves.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock, Timer } from '../platform/index.ts';
import { LineLimit } from './line-limit.ts';
import { endLeftover, makeModest, noteProcess, residentBytes } from './process-files.ts';
import type { ChildSettings, LogLine, News, Order } from './protocol.ts';
import type { EndReason, FlowEngineLimits } from './types.ts';

export interface FlowProcessOptions {
  readonly settings: ChildSettings;
  readonly memoryLimitBytes: number;
  readonly timezone: string;
  readonly limits: FlowEngineLimits;
  readonly clock: Clock;
  readonly onNews: (news: Exclude<News, { kind: 'log' }>) => void;
  readonly onLine: (line: LogLine) => void;
}

/** How a process ended. */
export interface End {
  readonly reason: EndReason;
  readonly detail: string;
}

const tickMs = 500;
const lastWordsMs = 1000;
/** What Node-RED needs besides the heap of the flows. */
const besidesHeapBytes = 72 * 1024 * 1024;
// The sources are run as they are; what is built of them has another ending.
const program = fileURLToPath(new URL(`./child/main${extname(import.meta.url)}`, import.meta.url));

export class FlowProcess {
  readonly #options: FlowProcessOptions;
  readonly #lines: LineLimit;
  readonly #timers: Timer[] = [];
  #child: ChildProcess | undefined;
  #silentMs = 0;
  #hasStarted = false;
  #memoryBytes = 0;
  #kill: End | undefined;
  #lastError = '';
  #ended: Promise<End> = Promise.resolve({ reason: 'crash', detail: '' });

  constructor(options: FlowProcessOptions) {
    this.#options = options;
    this.#lines = new LineLimit({ clock: options.clock, write: options.onLine });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** RSS as it was seen last. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** Resolves when the process has ended, for whatever reason. */
  get ended(): Promise<End> {
    return this.#ended;
  }

  start(): void {
    const { settings, memoryLimitBytes, timezone, limits, clock } = this.#options;
    endLeftover(settings.folder);
    const heapMiB = Math.max(64, Math.floor((memoryLimitBytes - besidesHeapBytes) / 1024 ** 2));
    const flags = [
      '--disable-warning=ExperimentalWarning',
      `--max-old-space-size=${heapMiB}`,
      // Small rather than quick: what flows do is little beside what the gateway does.
      '--max-semi-space-size=1',
      '--optimize-for-size',
    ];
    const child = spawn(process.execPath, [...flags, program, settings.folder], {
      cwd: settings.folder,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: {
        PATH: process.env.PATH,
        HOME: settings.folder,
        TZ: timezone,
        LANG: process.env.LANG ?? 'C.UTF-8',
        NODE_ENV: 'production',
        // glibc would keep a heap for every few threads: 6 MB, for nothing that flows notice.
        MALLOC_ARENA_MAX: '1',
      },
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      const end = (detail: string) => {
        for (const timer of this.#timers.splice(0)) timer.cancel();
        this.#lines.flush();
        resolve(this.#kill ?? { reason: this.#isOutOfHeap() ? 'memory' : 'crash', detail: this.#explain(detail) });
      };
      child.once('error', (error) => end(error.message));
      // What it said last is still in the pipes at `exit`; a program that it started may hold them for ever.
      child.once('close', (code, signal) => end(signal ?? `exit code ${code}`));
      child.once('exit', (code, signal) => clock.after(lastWordsMs, () => end(signal ?? `exit code ${code}`)));
    });
    child.on('message', (news: News) => this.#hear(news));
    this.#readLines(child.stdout!, 'info');
    this.#readLines(child.stderr!, 'warn');
    if (child.pid !== undefined) {
      noteProcess(settings.folder, child.pid);
      makeModest(child.pid);
    }
    this.send({ kind: 'start', settings });
    // Counted in turns of this process, so that a pause of the whole computer is nobody's silence.
    this.#timers.push(clock.every(tickMs, () => this.#watchSilence()));
    this.#timers.push(clock.every(limits.memoryCheckMs, () => void this.#watchMemory()));
  }

  send(order: Order): void {
    if (this.#child?.connected) this.#child.send(order, undefined, undefined, () => {});
  }

  /** Ends it in order, or after a while by force. */
  async stop(): Promise<void> {
    const { clock, limits } = this.#options;
    this.send({ kind: 'stop' });
    const timer = clock.after(limits.stopTimeoutMs, () => this.#child?.kill('SIGKILL'));
    await this.#ended;
    timer.cancel();
  }

  #end(reason: EndReason, detail: string): void {
    if (this.#kill !== undefined) return;
    this.#kill = { reason, detail };
    this.#child?.kill('SIGKILL');
  }

  #hear(news: News): void {
    this.#silentMs = 0;
    if (news.kind === 'log') {
      this.#options.onLine(news.line);
      return;
    }
    if (news.kind === 'flows' && !this.#hasStarted) {
      this.#hasStarted = news.state !== 'starting';
      // By now all of its threads are there.
      if (this.pid !== undefined) makeModest(this.pid);
    }
    this.#options.onNews(news);
  }

  #watchSilence(): void {
    const { hangTimeoutMs, startTimeoutMs } = this.#options.limits;
    this.#silentMs += tickMs;
    if (this.#silentMs > (this.#hasStarted ? hangTimeoutMs : startTimeoutMs)) {
      this.#end('hang', `its event loop has stood still for ${Math.round(this.#silentMs / 1000)} s`);
    }
  }

  async #watchMemory(): Promise<void> {
    const { memoryLimitBytes } = this.#options;
    const bytes = this.pid === undefined ? undefined : await residentBytes(this.pid);
    if (bytes === undefined) return;
    this.#memoryBytes = bytes;
    if (bytes > memoryLimitBytes) {
      const [used, limit] = [bytes, memoryLimitBytes].map((size) => Math.round(size / 1024 ** 2));
      this.#end('memory', `${used} MiB are more than flows.memoryLimit (${limit} MiB)`);
    }
  }

  #isOutOfHeap(): boolean {
    return /heap out of memory|Allocation failed|ERR_WORKER_OUT_OF_MEMORY/.test(this.#lastError);
  }

  #explain(detail: string): string {
    const said = /^\w*Error\b.*$/m.exec(this.#lastError)?.[0];
    return said === undefined ? detail : `${detail}: ${said.slice(0, 300)}`;
  }

  /** What was printed past Node-RED's log: `console.log` of a node, or the last words of V8. */
  #readLines(stream: NodeJS.ReadableStream, level: 'info' | 'warn'): void {
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      if (level === 'warn') this.#lastError = (this.#lastError + chunk).slice(-8192);
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!.slice(-8192);
      for (const text of lines) if (text.trim() !== '') this.#lines.add({ level, text, facts: { printed: 'yes' } });
    });
  }
}
