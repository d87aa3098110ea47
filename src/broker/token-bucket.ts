import type { Clock } from '../platform/index.ts';

/** Lets `perSecond` things happen per second on average and `burst` at once. Not a timer: it is refilled when asked. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #filledAtMs: number;

  /** `perSecond` 0 means no limit; `burst` is as many as `perSecond` unless given. */
  constructor({ clock, perSecond, burst = perSecond }: { clock: Clock; perSecond: number; burst?: number }) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAtMs = clock.monotonicMs();
  }

  /** Takes one; returns 0, or the milliseconds (at least 1) until there is one. */
  take(): number {
    if (this.#perSecond === 0) return 0;
    if (this.#tokens < 1) {
      const nowMs = this.#clock.monotonicMs();
      const gained = ((nowMs - this.#filledAtMs) / 1000) * this.#perSecond;
      this.#tokens = Math.min(this.#burst, this.#tokens + gained);
      this.#filledAtMs = nowMs;
      if (this.#tokens < 1) return Math.max(1, Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000));
    }
    this.#tokens--;
    return 0;
  }
}

/**
 * Counts per address within a window, for addresses that may be anybody's: bounded, the one not seen for longest is
 * forgotten first.
 */
export class AddressWindow {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #most: number;
  readonly #maxAddresses: number;
  readonly #counts = new Map<string, { sinceMs: number; count: number }>();

  constructor({
    clock,
    windowMs,
    most,
    maxAddresses = 10_000,
  }: {
    clock: Clock;
    windowMs: number;
    most: number;
    maxAddresses?: number;
  }) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#most = most;
    this.#maxAddresses = maxAddresses;
  }

  /** True when the address has used up its window's share. */
  isFull(address: string): boolean {
    const entry = this.#counts.get(address);
    if (entry === undefined || entry.count < this.#most) return false;
    return this.#clock.monotonicMs() - entry.sinceMs < this.#windowMs;
  }

  /** Counts one for the address. */
  count(address: string): void {
    const nowMs = this.#clock.monotonicMs();
    let entry = this.#counts.get(address);
    if (entry === undefined || nowMs - entry.sinceMs >= this.#windowMs) entry = { sinceMs: nowMs, count: 0 };
    entry.count++;
    this.#counts.delete(address);
    this.#counts.set(address, entry);
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size <= this.#maxAddresses) break;
      this.#counts.delete(oldest);
    }
  }
}
