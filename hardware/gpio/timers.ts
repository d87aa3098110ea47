/** Time, as this room uses it; a test brings its own. */
export interface Timers {
  /** Milliseconds since the box started, of a clock that never goes back. */
  now(): number;
  /** Calls once, after so many ms; the returned function takes that back. */
  after(ms: number, run: () => void): () => void;
}

export const systemTimers: Timers = {
  // Of the same clock as the kernel's own timestamps of edges, so that the drivers' times can be compared.
  now: () => Number(process.hrtime.bigint()) / 1e6,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

export function pause(timers: Timers, ms: number): Promise<void> {
  return new Promise((resolve) => {
    timers.after(ms, resolve);
  });
}
