import type { Clock } from '../platform/index.ts';

/** Pauses that can all be ended at once, for good. */
export class Pauses {
  readonly #clock: Clock;
  readonly #sleepers = new Set<() => void>();
  #over = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True after `endAll`. */
  get over(): boolean {
    return this.#over;
  }

  /** Resolves after `pauseMs`, or when all pauses are ended. */
  pause(pauseMs: number): Promise<void> {
    if (this.#over) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel();
        this.#sleepers.delete(wake);
        resolve();
      };
      const timer = this.#clock.after(pauseMs, wake);
      this.#sleepers.add(wake);
    });
  }

  /** Ends those under way and every later one. */
  endAll(): void {
    this.#over = true;
    for (const wake of this.#sleepers) wake();
  }
}
