import type { Timers } from '../shared/timers.ts';

const slots = 6;
const slotMs = 10_000;

/** How many in the last minute, to ten seconds. */
export class Rate {
  readonly #timers: Timers;
  readonly #counts = new Array<number>(slots).fill(0);
  #slot = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  count(): void {
    this.#advance();
    this.#counts[this.#slot % slots]! += 1;
  }

  get perMinute(): number {
    this.#advance();
    return this.#counts.reduce((sum, each) => sum + each, 0);
  }

  #advance(): void {
    const now = Math.floor(this.#timers.now() / slotMs);
    if (this.#slot < now - slots) this.#slot = now - slots;
    while (this.#slot < now) this.#counts[++this.#slot % slots] = 0;
  }
}
