import type { GpioError } from '@holdfast/hardware/gpio';
import { NodeError, textOf } from './node-error.ts';
import type { Timers } from './timers.ts';

/** What is wrong, with a code. */
export type LineProblem = GpioError | NodeError;

export interface GpioLineOptions<L> {
  /** Opens the line; `lost` is to be called when it goes away later. */
  open(lost: (error: GpioError) => void): Promise<L>;
  opened(line: L): void;
  /** The line is not there; told when what is wrong changes. */
  problem(error: LineProblem): void;
  readonly timers: Timers;
  /** Pause before the second try; it doubles up to `longestRetryMs`. */
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
}

/** Pauses between tries to get a line, for real nodes. */
export const retryPauses = { firstRetryMs: 500, longestRetryMs: 10_000 };

/**
 * Keeps one GPIO line open: what is missing, busy or unplugged is told once and tried again until it is there, so that
 * a line comes back by itself. Only settings that make no sense are not tried again.
 */
export class GpioLine<L extends { close(): Promise<void> }> {
  readonly #options: GpioLineOptions<L>;
  #line: L | undefined;
  #problem: LineProblem | undefined;
  #opening: Promise<void> | undefined;
  #cancelRetry: (() => void) | undefined;
  #tries = 0;
  #stopped = false;

  constructor(options: GpioLineOptions<L>) {
    this.#options = options;
  }

  /** The open line, or undefined; `problem` then says why. */
  get line(): L | undefined {
    return this.#line;
  }

  get problem(): LineProblem | undefined {
    return this.#problem;
  }

  /** Begins, if that has not happened; the promise is fulfilled when no try is under way, whatever came of it. */
  start(): Promise<void> {
    if (!this.#opening && !this.#stopped) this.#opening = this.#try();
    return this.#opening ?? Promise.resolve();
  }

  /** Releases the line for good. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry?.();
    await this.#opening;
    const line = this.#line;
    this.#line = undefined;
    await line?.close();
  }

  async #try(): Promise<void> {
    const { open, opened } = this.#options;
    let line: L | undefined;
    let early: GpioError | undefined;
    const lost = (error: GpioError) => {
      if (line === undefined) early = error;
      else if (line === this.#line) this.#lost(error);
    };
    try {
      line = await open(lost);
      if (early) throw early;
      this.#line = line;
      this.#problem = undefined;
      this.#tries = 0;
      if (!this.#stopped) opened(line);
    } catch (error) {
      this.#fail(withCode(error));
    }
  }

  #lost(error: GpioError): void {
    this.#line = undefined;
    this.#fail(error);
  }

  #fail(error: LineProblem): void {
    const same = this.#problem?.code === error.code && this.#problem.message === error.message;
    this.#problem = error;
    if (this.#stopped) return;
    if (!same) this.#options.problem(error);
    if (error.code === 'invalid-settings' || error.code === 'bad-settings') return;
    const { timers, firstRetryMs, longestRetryMs } = this.#options;
    const pauseMs = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(this.#tries++, 20));
    this.#cancelRetry = timers.after(pauseMs, () => {
      this.#opening = this.#try();
    });
  }
}

function withCode(error: unknown): LineProblem {
  if (error instanceof Error && typeof (error as { code?: unknown }).code === 'string') return error as LineProblem;
  return new NodeError('lost', textOf(error), { cause: error });
}
