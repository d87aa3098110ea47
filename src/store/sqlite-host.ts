import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../platform/index.ts';
import type { SqliteFile } from './sqlite-file.ts';
import type { Addressed, FileReport, FileTurn, ThreadData } from './sqlite-messages.ts';

/** Whoever has a file in the thread. */
export interface FileOwner {
  /** What the thread says of the file. */
  onReport(report: Exclude<FileReport, { kind: 'closed' }>): void;
  /** The thread is gone, and what it had not reported with it; the next turn starts another. */
  onEnd(error: unknown): void;
}

const program = new URL(`./sqlite-worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url);
/** Of the thread's own heap; what a turn and the largest document need, several times over. */
const resourceLimits = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 1, stackSizeMb: 2 };

/**
 * The thread that SQLite runs in. Several files may share one, as those of a box do: a thread costs 14 MiB, a file next to
 * nothing. It is started with the first turn, ends with the last file or, with `idleMs`, when no file was asked for so
 * long, and keeps the process alive only while a turn is under way. What it took does not all come back, so a start may
 * do without it (`here`).
 */
export class SqliteHost {
  readonly #owners = new Map<number, FileOwner>();
  /** Files that the present thread knows. */
  readonly #known = new Set<number>();
  readonly #busy = new Set<number>();
  /** Whom to tell that a file is closed. */
  readonly #closing = new Map<number, () => void>();
  #worker: Worker | undefined;
  #lastFile = 0;
  readonly #idle: { readonly clock: Clock; readonly idleMs: number } | undefined;
  #idleTimer: Timer | undefined;
  /** Resolves when a thread that was let go for want of work is gone. */
  #gone: Promise<void> = Promise.resolve();
  /** Makes the files of `here`, and those that are open; undefined outside of it. */
  #here: { readonly Open: typeof SqliteFile; readonly files: Map<number, SqliteFile> } | undefined;

  constructor(idle?: { readonly clock: Clock; readonly idleMs: number }) {
    this.#idle = idle;
  }

  /** True while there is a thread. */
  get isRunning(): boolean {
    return this.#worker !== undefined;
  }

  /**
   * Has the turns of `work` done by the caller's own thread, which waits for the device meanwhile, and closes their files
   * then: for small work of a start. Where there is a thread already, it does them.
   */
  async here<Result>(work: () => Promise<Result>): Promise<Result> {
    const { SqliteFile: Open } = await import('./sqlite-file.ts');
    await this.#gone;
    if (this.#worker !== undefined || this.#here !== undefined) return work();
    const files = new Map<number, SqliteFile>();
    this.#here = { Open, files };
    try {
      return await work();
    } finally {
      this.#here = undefined;
      for (const file of files.values()) file.close();
    }
  }

  /** A number for the file, by which it is asked from now on. */
  add(owner: FileOwner): number {
    this.#owners.set(++this.#lastFile, owner);
    return this.#lastFile;
  }

  /** Hands over a turn; its reports come until `over`. Throws when no thread can be started. */
  post(file: number, data: ThreadData, turn: FileTurn): void {
    if (this.#here !== undefined) {
      const { Open, files } = this.#here;
      const open = files.get(file) ?? new Open(data, (report) => this.#report(file, report));
      files.set(file, open);
      open.take(turn);
      return;
    }
    this.#worker ??= this.#start();
    if (!this.#known.has(file)) this.#send({ file, kind: 'open', data });
    this.#known.add(file);
    this.#busy.add(file);
    this.#idleTimer?.cancel();
    this.#idleTimer = undefined;
    this.#worker.ref();
    this.#send({ file, ...turn });
  }

  /** Closes a file that no turn is under way for, and ends the thread when it was the last. */
  async release(file: number): Promise<void> {
    this.#here?.files.get(file)?.close();
    this.#here?.files.delete(file);
    await this.#gone;
    const worker = this.#worker;
    if (worker === undefined || !this.#known.delete(file)) return;
    worker.ref();
    const isLast = this.#known.size === 0;
    if (isLast) this.#leave();
    const closed = new Promise<void>((resolve) => {
      if (isLast) worker.once('exit', () => resolve());
      else this.#closing.set(file, resolve);
    });
    worker.postMessage({ file, kind: 'close', end: isLast } satisfies Addressed);
    await closed;
    this.#rest();
  }

  #start(): Worker {
    const worker = new Worker(program, {
      name: 'documents',
      resourceLimits,
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    worker.on('message', (report: FileReport & { readonly file: number }) => {
      if (report.kind === 'over') {
        this.#busy.delete(report.file);
        this.#rest();
      }
      this.#report(report.file, report);
    });
    worker.on('error', (error) => this.#ended(worker, error));
    worker.on('exit', () => this.#ended(worker, undefined));
    return worker;
  }

  #report(file: number, report: FileReport): void {
    if (report.kind === 'closed') this.#closed(file);
    else this.#owners.get(file)?.onReport(report);
  }

  #send(message: Addressed): void {
    this.#worker!.postMessage(message);
  }

  /** Lets the thread go: it ends when it has closed its files. */
  #leave(): void {
    this.#worker = undefined;
    this.#known.clear();
    this.#idleTimer?.cancel();
    this.#idleTimer = undefined;
  }

  #endIdle(): void {
    const worker = this.#worker;
    const files = [...this.#known];
    if (worker === undefined || this.#busy.size > 0 || this.#closing.size > 0) return;
    this.#leave();
    this.#gone = new Promise((resolve) => worker.once('exit', () => resolve()));
    // What comes meanwhile goes to the next thread; it waits for the files (SQLite's busy timeout).
    for (const [index, file] of files.entries()) {
      worker.postMessage({ file, kind: 'close', end: index === files.length - 1 } satisfies Addressed);
    }
  }

  #closed(file: number): void {
    this.#closing.get(file)?.();
    this.#closing.delete(file);
  }

  #rest(): void {
    if (this.#busy.size > 0 || this.#closing.size > 0) return;
    this.#worker?.unref();
    if (this.#idle === undefined || this.#worker === undefined) return;
    this.#idleTimer?.cancel();
    this.#idleTimer = this.#idle.clock.after(this.#idle.idleMs, () => this.#endIdle());
  }

  #ended(worker: Worker, error: unknown): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    this.#known.clear();
    this.#busy.clear();
    for (const file of [...this.#closing.keys()]) this.#closed(file);
    for (const owner of [...this.#owners.values()]) owner.onEnd(error);
  }
}
