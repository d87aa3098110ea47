/**
 * Time, as the rest of the gateway sees it. The wall clock may be wrong and may jump (a Pi has no battery for it), so
 * order and expiry are decided on the monotonic clock; wall time is only what people read.
 */
export interface Clock {
  /** Wall time in milliseconds since 1970 UTC; may be wrong, may go backwards. */
  wallMs(): number;
  /** Milliseconds, with a fraction, since an arbitrary instant of this process; never goes backwards. */
  monotonicMs(): number;
  /** True once the operating system says that the wall clock is synchronized. */
  isTrusted(): boolean;
  /** Calls `action` once, after `delayMs`. The timer does not keep the process alive. */
  after(delayMs: number, action: () => void): Timer;
  /** Calls `action` every `periodMs` until cancelled. The timer does not keep the process alive. */
  every(periodMs: number, action: () => void): Timer;
  /** Resolves after `delayMs`. */
  sleep(delayMs: number): Promise<void>;
}

/** A running timer. */
export interface Timer {
  cancel(): void;
}

/** The clocks and timers of this computer. */
export function systemClock(isTrusted: () => boolean = () => true): Clock {
  return {
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    isTrusted,
    after(delayMs, action) {
      const timer = setTimeout(action, delayMs).unref();
      return { cancel: () => clearTimeout(timer) };
    },
    every(periodMs, action) {
      const timer = setInterval(action, periodMs).unref();
      return { cancel: () => clearInterval(timer) };
    },
    sleep: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
  };
}

/** The same clock as a plain object, of which a part can be replaced. */
export function boundClock(clock: Clock): Clock {
  return {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    isTrusted: () => clock.isTrusted(),
    after: (delayMs, action) => clock.after(delayMs, action),
    every: (periodMs, action) => clock.every(periodMs, action),
    sleep: (delayMs) => clock.sleep(delayMs),
  };
}
