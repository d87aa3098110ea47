/** Timers that a test can replace. */
export interface Timers {
  set(run: () => void, afterMs: number): unknown;
  clear(timer: unknown): void;
}

export const defaultTimers: Timers = {
  set: (run, afterMs) => setTimeout(run, afterMs),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
};
