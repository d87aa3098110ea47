import type { Clock } from '../platform/index.ts';
import type { Checkpoint } from './checkpoint.ts';

/** The time by which repeats are forgotten: it goes on over restarts, and does not jump with the wall clock. */
export class WindowTime {
  readonly #clock: Clock;
  #baseMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#baseMs + this.#clock.monotonicMs();
  }

  /** Goes on where an earlier run was: not before `newestMs`, of which something is remembered. */
  restore(checkpoint: Checkpoint | undefined, newestMs: number): void {
    // How long the box was off is known only when the wall clock was right before and is right now.
    const isKnown = checkpoint?.clockTrusted === true && this.#clock.isTrusted();
    const off = isKnown ? Math.max(0, this.#clock.wallMs() - checkpoint.wallMs) : 0;
    this.#baseMs = Math.max(newestMs, (checkpoint?.windowMs ?? 0) + off) - this.#clock.monotonicMs();
  }
}
