/**
 * What of a log is done, with which outcome, and how that reaches the disk. There it may lag, which costs repeats, and
 * never leads.
 */
import { describeError } from '../errors.ts';
import type { Logger } from '../platform/index.ts';
import type { Acknowledged } from './acknowledged.ts';
import { type CursorFile, maxStoredRanges, type Outcome, type Outcomes } from './cursor-file.ts';

/** How far the log has been written: what its cursor file says beside what is done. */
export interface LogEnd {
  readonly nextOrdinal: number;
  readonly nextSequence: number;
  /** Records moved in from other logs, ever. */
  readonly movedIn: number;
  /** The newest use of a segment. */
  readonly epoch: number;
}

export class Progress {
  readonly acknowledged: Acknowledged;
  readonly outcomes: Outcomes;
  readonly #file: CursorFile;
  readonly #logger: Logger;
  readonly #beforeWrite: () => void;
  readonly #end: () => LogEnd;
  #reconciled: number;
  #isChanged: boolean;
  /** Ordinals that are being moved to another log, and the end of that. */
  #moving: ReadonlySet<number> = new Set();
  #moved: Promise<void> | undefined;
  /** The newest epoch that may stand in a file. */
  #reservedEpoch = 0;

  constructor(options: {
    /** Open for writing, and settled. */
    file: CursorFile;
    logger: Logger;
    /** Called before it is written what is done: what else must be known of that goes first. */
    beforeWrite: () => void;
    end: () => LogEnd;
    acknowledged: Acknowledged;
    outcomes: Outcomes;
    reconciled: number;
    /** True when the file does not say what is done. */
    isChanged: boolean;
  }) {
    this.#file = options.file;
    this.#logger = options.logger;
    this.#beforeWrite = options.beforeWrite;
    this.#end = options.end;
    this.acknowledged = options.acknowledged;
    this.outcomes = options.outcomes;
    this.#reconciled = options.reconciled;
    this.#isChanged = options.isChanged;
  }

  /** True when there is a file to write into. */
  get hasFile(): boolean {
    return this.#file.exists;
  }

  /** True when all that is done has room in the cursor file. */
  get isStoredWhole(): boolean {
    return this.acknowledged.ranges <= maxStoredRanges;
  }

  /** All before this ordinal that is done will be known as done after a restart. */
  get storedEnd(): number {
    return this.isStoredWhole ? Number.POSITIVE_INFINITY : this.acknowledged.bounds(maxStoredRanges).at(-1)!;
  }

  /** The logs that they came from know, durably, that everything moved in before this ordinal is gone from them. */
  get reconciled(): number {
    return this.#reconciled;
  }

  markReconciled(ordinal: number): void {
    this.#reconciled = Math.max(this.#reconciled, ordinal);
    this.#isChanged = true;
  }

  /** Marks a record as done; false when it was already, or is being moved. */
  acknowledge(ordinal: number, outcome: Outcome): boolean {
    if (outcome !== 'moved' && this.#moving.has(ordinal)) return false;
    if (!this.acknowledged.add(ordinal, outcome === 'moved')) return false;
    this.outcomes[outcome]++;
    this.#isChanged = true;
    return true;
  }

  /** Marks `from` up to `to` (exclusive) as done without delivery; returns how many of them were not before. */
  giveUp(from: number, to: number, outcome: 'evicted' | 'corrupt'): number {
    const count = this.acknowledged.addRange(from, to);
    this.outcomes[outcome] += count;
    if (count > 0) this.#isChanged = true;
    return count;
  }

  /** While `action` runs, these records are neither given up nor acknowledged, except as moved. */
  async whileMoving(ordinals: Iterable<number>, action: () => Promise<void>): Promise<void> {
    this.#moving = new Set(ordinals);
    const work = action().finally(() => {
      this.#moving = new Set();
      this.#moved = undefined;
    });
    this.#moved = work.catch(() => undefined);
    await work;
  }

  /** The end of the move that is under way; undefined when there is none. */
  get moved(): Promise<void> | undefined {
    return this.#moved;
  }

  /** A file may soon hold traces of this epoch: it must not be used twice. */
  reserveEpoch(epoch: number): void {
    this.#reservedEpoch = epoch;
    this.#isChanged = true;
  }

  /**
   * Hands what is done to the page cache, after `release`, if there is anything new. A failure is logged; it costs
   * repeats at worst.
   */
  save(release: () => void): void {
    if (!this.#isChanged || this.#file.isBusy) return;
    try {
      release();
      this.write();
    } catch (error) {
      this.#warn(error);
    }
  }

  /** Hands what is done to the page cache. Throws what the file system throws; nothing is lost then. */
  write(): void {
    this.#beforeWrite();
    const bounds = this.acknowledged.bounds(maxStoredRanges);
    let stored = 0;
    for (let index = 0; index < bounds.length; index += 2) stored += bounds[index + 1]! - bounds[index]!;
    const outcomes = { ...this.outcomes };
    // What does not fit will be delivered, or found to be moved, again after a restart, and counted then.
    const moved = this.acknowledged.movedAfter(maxStoredRanges);
    outcomes.moved -= moved;
    outcomes.delivered -= this.acknowledged.beyond - stored - moved;
    const { nextOrdinal, nextSequence, movedIn, epoch } = this.#end();
    this.#file.write({
      cursor: this.acknowledged.cursor,
      bounds,
      outcomes,
      reconciled: Math.min(this.#reconciled, nextOrdinal),
      nextSequence,
      movedIn,
      lastEpoch: Math.max(this.#reservedEpoch, epoch),
    });
    this.#isChanged = false;
  }

  /** Resolves when what is done is on the device. */
  async sync(): Promise<void> {
    // Whoever has a sync under way is told of its failure; here the state is then written again.
    while (this.#file.isBusy) await this.#file.sync().catch(() => undefined);
    if (this.#isChanged || this.#file.isLost) this.write();
    await this.#file.sync();
  }

  /** Brings what is done after `release` to the device and closes the file. A failure is logged, as by `save`. */
  async close(release: () => void): Promise<void> {
    try {
      release();
      await this.sync();
    } catch (error) {
      this.#warn(error);
    }
    this.#file.close();
  }

  #warn(error: unknown): void {
    const facts = { error: describeError(error) };
    this.#logger.warn(facts, 'cannot save what was delivered; after a restart it is sent again');
  }
}
