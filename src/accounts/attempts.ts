import { isIPv6 } from 'node:net';
import type { Clock } from '../platform/index.ts';

/** How failures of one kind of key are limited. */
export interface AttemptLimits {
  /** Failures that cost no delay. */
  readonly free: number;
  /** After the next one; each further one doubles it. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** Failures are forgotten after so long without one. */
  readonly forgetMs: number;
  /** Keys that are remembered; the one not heard of for longest is forgotten. */
  readonly capacity: number;
}

interface Entry {
  failures: number;
  untilMs: number;
  lastMs: number;
}

/** An attempt under way. It counts as a failure until it is taken back, so that many at once are limited as well. */
export interface Attempt {
  takeBack(): void;
}

/** Failed attempts per key (an address, an account), with growing delays. Bounded; on the monotonic clock. */
export class Attempts {
  readonly #clock: Clock;
  readonly #limits: AttemptLimits;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, limits: AttemptLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Milliseconds until the key may try again; 0 when it may. */
  waitMs(key: string): number {
    const entry = this.#entries.get(key);
    return entry === undefined ? 0 : Math.max(0, entry.untilMs - this.#clock.monotonicMs());
  }

  /** Counts a failure, for now. Asking while the key has to wait is the caller's mistake; nothing is counted for it. */
  begin(key: string): Attempt {
    const { free, firstDelayMs, maxDelayMs, forgetMs, capacity } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    let entry = this.#entries.get(key);
    if (entry === undefined || nowMs - entry.lastMs >= forgetMs) entry = { failures: 0, untilMs: 0, lastMs: nowMs };
    const before = entry.untilMs;
    entry.failures++;
    entry.lastMs = nowMs;
    if (entry.failures > free) {
      entry.untilMs = nowMs + Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(30, entry.failures - free - 1));
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size > capacity) this.#entries.delete(this.#entries.keys().next().value!);
    const mine = entry;
    let isBack = false;
    return {
      // Only this one: who has an account of his own must not win a new start at another's with it.
      takeBack() {
        if (isBack) return;
        isBack = true;
        mine.failures--;
        mine.untilMs = Math.min(mine.untilMs, before);
      },
    };
  }
}

/** The key of an address: of IPv6 its /64, since that is what one subscriber has. */
export function addressKey(address: string | undefined): string {
  const plain = (address ?? '').replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail = ''] = plain.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === '' ? [] : tail.split(':');
  const groups = [...before, ...Array(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
