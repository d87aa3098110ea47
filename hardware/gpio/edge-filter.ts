import type { Edge, Edges, Level, LineEvent } from './port.ts';
import type { Timers } from './timers.ts';

export interface EdgeFilterOptions {
  readonly initial: Level;
  readonly edges: Edges;
  readonly debounceMs: number;
  readonly timers: Timers;
  onEdge(event: LineEvent): void;
}

/**
 * Makes the changes that are told out of the levels that a driver sees: a new level counts once it has lasted
 * `debounceMs`, a level that is not new is nothing, and only the wanted edges are told. The driver always watches both
 * edges, so that the value is known at every moment. An event carries the time at which its level began.
 */
export class EdgeFilter {
  readonly #options: EdgeFilterOptions;
  #value: Level;
  #seen: Level;
  #cancel: (() => void) | undefined;

  constructor(options: EdgeFilterOptions) {
    this.#options = options;
    this.#value = options.initial;
    this.#seen = options.initial;
  }

  /** The value that counts now. */
  get value(): Level {
    return this.#value;
  }

  /** What the driver saw, at `atMs` of the monotonic clock. */
  feed(level: Level, atMs: number): void {
    if (level === this.#seen) return;
    this.#seen = level;
    this.close();
    if (level === this.#value) return;
    const { debounceMs, timers } = this.#options;
    if (debounceMs === 0) this.#settle(level, atMs);
    else this.#cancel = timers.after(debounceMs, () => this.#settle(level, atMs));
  }

  /** Forgets a change that has not yet lasted long enough. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #settle(level: Level, monotonicMs: number): void {
    this.#cancel = undefined;
    this.#value = level;
    const edge: Edge = level === 1 ? 'rising' : 'falling';
    const { edges, onEdge } = this.#options;
    if (edges === 'both' || edges === edge) onEdge({ value: level, edge, monotonicMs });
  }
}
