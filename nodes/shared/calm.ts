import type { Timers } from './timers.ts';

/** At most four changes a second reach the editor. */
const pauseMs = 250;

/** Calls `show` at once, and of what comes in the next moment only the last: a status is for eyes. */
export class Calm {
  readonly #timers: Timers;
  readonly #show: () => void;
  #cancel: (() => void) | undefined;
  #again = false;

  constructor(timers: Timers, show: () => void) {
    this.#timers = timers;
    this.#show = show;
  }

  request(): void {
    if (this.#cancel) {
      this.#again = true;
      return;
    }
    this.#show();
    this.#cancel = this.#timers.after(pauseMs, () => {
      this.#cancel = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.request();
    });
  }

  stop(): void {
    this.#cancel?.();
    // Later requests stay without effect.
    this.#cancel = () => undefined;
  }
}
