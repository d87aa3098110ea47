/**
 * The catalogue of texts, read again when the file that replaces it changes: without a restart.
 *
 * Invariants: `current` is always a whole catalogue, and another object after each change. The file is looked at by its
 * time, size and inode, so that an edit in place and a renamed-in copy are both seen.
 * Failure behaviour: a mistake in the file is reported, and the texts from before it stay until the file is right again;
 * at the start these are the built-in ones. Words are no reason not to take reports.
 */
import { readFileSync, statSync } from 'node:fs';
import { describeError, isHoldfastError } from '../../errors.ts';
import type { Clock, Logger, Timer } from '../../platform/index.ts';
import { defaultTexts, replaceTexts, type Texts } from './texts.ts';

/** Where texts are taken from; whoever keeps pieces of one compares `current` with what they were made of. */
export interface TextSource {
  readonly current: Texts;
}

/** What live texts are made of. */
export interface LiveTextsOptions {
  /** The file of the configuration (`texts`); undefined: the built-in catalogue for ever. */
  readonly path: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often the file is looked at (1 s). */
  readonly everyMs?: number;
  /** Told of each mistake, and with undefined when there is none any more: for an alarm. */
  readonly onProblem?: (problem: string | undefined) => void;
}

export class LiveTexts implements TextSource {
  readonly #options: LiveTextsOptions;
  #current: Texts = defaultTexts;
  #seen = '';
  #hasProblem = false;
  #timer: Timer | undefined;

  /** Reads the file; a mistake in it is told by `start`. */
  constructor(options: LiveTextsOptions) {
    this.#options = options;
    const { path } = options;
    if (path === undefined) return;
    try {
      this.#read(path);
    } catch {
      // Read again, and told then.
      this.#seen = '';
    }
  }

  /** The texts as they are now. */
  get current(): Texts {
    return this.#current;
  }

  /** Begins to look at the file. Idempotent. */
  start(): void {
    const { path, clock, everyMs = 1000 } = this.#options;
    if (path === undefined || this.#timer !== undefined) return;
    this.#look(path);
    this.#timer = clock.every(everyMs, () => this.#look(path));
  }

  /** Ends that. Idempotent. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(path: string): void {
    const { logger, onProblem } = this.#options;
    try {
      if (!this.#read(path)) return;
      this.#hasProblem = false;
      logger.info({ path }, 'the texts were read again');
      onProblem?.(undefined);
    } catch (error) {
      // A file that is being replaced is missing for an instant: it is looked at again.
      if (!isHoldfastError(error)) this.#seen = '';
      if (this.#hasProblem) return;
      this.#hasProblem = true;
      const problem = describeError(error);
      logger.error(
        { path, error: problem },
        'the texts cannot be read; those from before, or the built-in ones, are used',
      );
      onProblem?.(problem);
    }
  }

  /** Reads the file unless it is as it was when it was read last; true when it did. Throws as `replaceTexts`. */
  #read(path: string): boolean {
    const stamp = stampOf(path);
    if (stamp === this.#seen) return false;
    this.#seen = stamp;
    this.#current = replaceTexts(readFileSync(path, 'utf8'), path);
    return true;
  }
}

function stampOf(path: string): string {
  const { mtimeMs, size, ino } = statSync(path);
  return `${mtimeMs} ${size} ${ino}`;
}
