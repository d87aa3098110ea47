/** Lets a few things of one key go on at once; further ones wait, first come, first served. */
export class Turns {
  readonly #atOnce: number;
  readonly #keys = new Map<string, { running: number; readonly waiting: (() => void)[] }>();

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Resolves or rejects as `work`, which begins when it is its turn. */
  async take<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const turn = this.#keys.get(key) ?? { running: 0, waiting: [] };
    this.#keys.set(key, turn);
    if (turn.running < this.#atOnce) turn.running++;
    else await new Promise<void>((resolve) => turn.waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The place passes on to the next without becoming free in between.
      const next = turn.waiting.shift();
      if (next !== undefined) next();
      else if (--turn.running === 0) this.#keys.delete(key);
    }
  }
}
