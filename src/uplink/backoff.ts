import type { Clock } from '../platform/index.ts';

/** Limits of the pauses, in ms. */
export interface BackoffOptions {
  /** Longest first pause. */
  readonly firstMs: number;
  /** Longest pause of all. */
  readonly maxMs: number;
  /** A success that lasted so long makes the next pause a first one again. */
  readonly stableMs: number;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/**
 * Pauses between tries: the longest possible one doubles with every try, the real one is anywhere between nothing and
 * that ("full jitter"), so that a thousand gateways that lost the same broker do not come back in the same second.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: () => number;
  #tries = 0;
  #succeededAtMs: number | undefined;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  /** To be called when a try has succeeded. */
  succeeded(): void {
    this.#succeededAtMs = this.#options.clock.monotonicMs();
  }

  /** To be called when a try has failed or a success has ended: how long to pause, in ms. */
  next(): number {
    const { firstMs, maxMs, stableMs, clock } = this.#options;
    if (this.#succeededAtMs !== undefined) {
      if (clock.monotonicMs() - this.#succeededAtMs >= stableMs) this.#tries = 0;
      this.#succeededAtMs = undefined;
    }
    const longestMs = Math.min(maxMs, firstMs * 2 ** Math.min(this.#tries++, 52));
    return this.#random() * longestMs;
  }
}
