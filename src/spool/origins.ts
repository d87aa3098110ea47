/**
 * Reports that were given a name where they come from (`<client>/<id>`, a flow's): which of them were accepted in the last
 * 24 h, and which the centre has. A client that heard no answer sends such a report again under the same name, and is told
 * what became of it.
 *
 * That the centre has it is noted before the cursor moves on (`flush`, `settle`), so that after a crash of the process
 * each report is either open or noted. After a power cut it may be neither: `Spool.fateOf` says what is told then.
 */
import type { FileSystem } from '../platform/index.ts';
import { RepeatWindow } from './repeat-window.ts';

const channel = 'origin';

export class Origins {
  readonly #window: RepeatWindow;
  readonly #durationMs: number;

  constructor(options: {
    fileSystem: FileSystem;
    folder: string;
    capacity: number;
    durationMs: number;
    /** As of `RepeatWindow`. */
    nowMs: () => number;
  }) {
    this.#durationMs = options.durationMs;
    this.#window = new RepeatWindow({ ...options, name: 'origins', windowMs: options.durationMs });
  }

  get forgottenEarly(): number {
    return this.#window.forgottenEarly;
  }

  /** As `RepeatWindow.open`. */
  open(sequence: number): number {
    return this.#window.open(sequence);
  }

  /** The report of that name; undefined when none was accepted lately. */
  find(origin: string): { readonly sequence: number; readonly isSettled: boolean } | undefined {
    return this.#window.look(this.#digest(origin));
  }

  /** It is on disk. */
  remember(origin: string, sequence: number): void {
    this.#window.remember(this.#digest(origin), sequence);
  }

  /** The centre has it. */
  settle(origin: string): void {
    this.#window.settle(this.#digest(origin));
  }

  /** A report found in the segments at start, accepted `ageMs` ago. */
  recover(origin: string, sequence: number, ageMs: number, atMs: number): void {
    if (ageMs <= this.#durationMs) this.#window.recover({ channel, payload: Buffer.from(origin), sequence }, atMs);
  }

  endRecovery(): void {
    this.#window.endRecovery();
  }

  /** What is known goes to the system, though not yet surely to the device. */
  flush(): void {
    this.#window.flush();
  }

  /** As `RepeatWindow.sync`. */
  sync(): Promise<void> {
    return this.#window.sync();
  }

  close(): void {
    this.#window.close();
  }

  #digest(origin: string): string {
    return this.#window.digest(channel, Buffer.from(origin));
  }
}
