/** Timers as this driver needs them; a test brings its own. */
export interface Timers {
  /** Calls `action` once after `delayMs`; does not keep the process alive. */
  after(delayMs: number, action: () => void): { cancel(): void };
}

/** The timers of Node.js. */
export const nodeTimers: Timers = {
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
