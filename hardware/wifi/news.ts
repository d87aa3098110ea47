import type { Timers } from './timers.ts';

/** How often it is worth asking even when nothing was heard. */
const askEveryMs = 1000;

/** Waits for the next signal, and never misses one that came between asking and waiting. */
export class News {
  readonly #timers: Timers;
  #waiting: (() => void) | undefined;
  #heard = false;

  constructor({ timers }: { readonly timers: Timers }) {
    this.#timers = timers;
  }

  /** Something may have changed. */
  tell(): void {
    this.#heard = true;
    this.#waiting?.();
  }

  /** To be called before asking how things are: what is told from now on ends the next `wait`. */
  clear(): void {
    this.#heard = false;
  }

  /** Resolves at the next `tell`, or after a second. One waits at a time. */
  wait(): Promise<void> {
    if (this.#heard) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting = undefined;
        this.#timers.clear(timer);
        resolve();
      };
      const timer = this.#timers.set(done, askEveryMs);
      this.#waiting = done;
    });
  }
}
