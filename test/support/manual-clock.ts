import type { Clock, Timer } from '../../src/platform/index.ts';

interface Scheduled {
  at: number;
  readonly periodMs: number | undefined;
  readonly action: () => void;
}

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  trusted = true;
  #wallMs: number;
  #monotonicMs = 0;
  readonly #timers = new Set<Scheduled>();

  constructor(wallMs = 1_790_000_000_000) {
    this.#wallMs = wallMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  isTrusted(): boolean {
    return this.trusted;
  }

  /** Timers that have been set and not yet run or cancelled. */
  get timers(): number {
    return this.#timers.size;
  }

  after(delayMs: number, action: () => void): Timer {
    return this.#schedule(delayMs, undefined, action);
  }

  every(periodMs: number, action: () => void): Timer {
    return this.#schedule(periodMs, periodMs, action);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  /** Lets time pass; what falls due runs in its order. */
  advance(ms: number): void {
    const end = this.#monotonicMs + ms;
    while (this.#runNext(end));
    this.#pass(end - this.#monotonicMs);
  }

  /** The same, with some turns of the event loop after each timer. */
  async advanceGently(ms: number): Promise<void> {
    const end = this.#monotonicMs + ms;
    while (this.#runNext(end)) await settle();
    this.#pass(end - this.#monotonicMs);
    await settle();
  }

  /** Somebody sets the wall clock. */
  setWall(wallMs: number): void {
    this.#wallMs = wallMs;
  }

  #runNext(end: number): boolean {
    let next: Scheduled | undefined;
    for (const timer of this.#timers) if (timer.at <= end && (!next || timer.at < next.at)) next = timer;
    if (next === undefined) return false;
    this.#pass(Math.max(0, next.at - this.#monotonicMs));
    if (next.periodMs === undefined) this.#timers.delete(next);
    else next.at += next.periodMs;
    next.action();
    return true;
  }

  #pass(ms: number): void {
    this.#monotonicMs += ms;
    this.#wallMs += ms;
  }

  #schedule(delayMs: number, periodMs: number | undefined, action: () => void): Timer {
    const timer = { at: this.#monotonicMs + delayMs, periodMs, action };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }
}

/**
 * Some turns of the event loop, without one call of the file system under way: enough for all that follows by itself
 * from what was begun, however long the disk takes. A disk that is kept busy by others in this process ends it after 5 s.
 */
export async function settle(turns = 4): Promise<void> {
  const deadline = performance.now() + 5000;
  for (let quiet = 0; quiet < turns && performance.now() < deadline; ) {
    await new Promise((resolve) => setImmediate(resolve));
    quiet = isDiskAtWork() ? 0 : quiet + 1;
  }
}

const isDiskAtWork = () => process.getActiveResourcesInfo().some((kind) => kind.startsWith('FSReq'));
