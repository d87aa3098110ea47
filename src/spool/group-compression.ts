import type { Clock } from '../platform/index.ts';
import type { Group } from './group.ts';
import { pageBytes } from './segment.ts';
import type { Compression } from './types.ts';

/** Compressing may take this share of the time of a sync: beside it that does not show in the rate. */
const share = 1 / 8;
/** A smaller group hardly touches fewer pages. */
const minBytes = 2 * pageBytes;
/** After a group that did not shrink, so many are written as they are. */
const pauseGroups = 64;
/** What compressing a byte takes on a small computer, in ms, until it has been measured. */
const guessMsPerByte = 1e-5;

/**
 * Decides which groups are compressed: flash wears less, and the sync of fewer pages may even be faster, but on a fast
 * device the processor's time would lower the rate. So it measures both, here, all the time.
 */
export class GroupCompression {
  readonly #mode: Compression;
  readonly #clock: Clock;
  #syncMs = 0;
  #msPerByte = guessMsPerByte;
  #pause = 0;

  constructor(mode: Compression, clock: Clock) {
    this.#mode = mode;
    this.#clock = clock;
  }

  /** Packs a settled group when that is worth while. */
  consider(group: Group): void {
    if (!this.#isWorth(group)) return;
    const { bytes } = group;
    const begunMs = this.#clock.monotonicMs();
    const isPacked = group.pack();
    const spentMs = this.#clock.monotonicMs() - begunMs;
    this.#msPerByte += (spentMs / bytes - this.#msPerByte) / 8;
    if (!isPacked) this.#pause = pauseGroups;
  }

  /** A sync took so long. */
  onSynced(durationMs: number): void {
    this.#syncMs += (durationMs - this.#syncMs) / 8;
  }

  #isWorth(group: Group): boolean {
    if (this.#mode === 'always') return group.count > 0;
    if (this.#mode === 'off' || group.bytes < minBytes) return false;
    if (this.#pause > 0) {
      this.#pause--;
      return false;
    }
    return group.bytes * this.#msPerByte < this.#syncMs * share;
  }
}
