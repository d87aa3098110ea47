/** Limits of the pauses, in ms. */
export interface BackoffOptions {
  readonly firstMs: number;
  readonly longestMs: number;
  /** A connection that lasted so long makes the next pause a first one again. */
  readonly stableMs: number;
  readonly random: () => number;
}

/**
 * Pauses between two tries to connect: each longest pause is double the one before it, the real one is half of it or
 * more, drawn, so that many Node-REDs that lost one box do not come back in the same moment.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #tries = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** How long to pause after a connection that lasted `lastedMs` (0: none came about). */
  next(lastedMs: number): number {
    const { firstMs, longestMs, stableMs, random } = this.#options;
    if (lastedMs >= stableMs) this.#tries = 0;
    const longest = Math.min(longestMs, firstMs * 2 ** Math.min(this.#tries++, 30));
    return longest * (0.5 + random() / 2);
  }
}
