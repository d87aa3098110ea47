/**
 * When checkpoints are made: now and then, before a segment is used again, and at the end. A segment may be overwritten
 * or removed only when a checkpoint on the device covers it, or what its records tell would be lost with it.
 */
import { describeError } from '../errors.ts';
import type { Clock, FileSystem, Logger } from '../platform/index.ts';
import type { Ballast } from './ballast.ts';
import { type Checkpoint, writeCheckpoint } from './checkpoint.ts';
import type { Log } from './log.ts';
import type { Origins } from './origins.ts';
import type { RepeatWindow } from './repeat-window.ts';
import type { LogName } from './types.ts';

/** Checkpoints are made after so many new segments, or when a segment is to be used again. */
const segmentsPerCheckpoint = 2;

export interface CheckpointsOptions {
  readonly fileSystem: FileSystem;
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ballast: Ballast;
  readonly logs: ReadonlyMap<LogName, Log>;
  readonly repeats: RepeatWindow;
  readonly origins: Origins;
  /** What else is to be saved, as it is now. */
  readonly state: () => Pick<Checkpoint, 'windowMs' | 'last' | 'counters'>;
  readonly nextSequence: () => number;
}

export class Checkpoints {
  readonly #options: CheckpointsOptions;
  #covered: Partial<Record<LogName, number>> = {};
  #newSegments = 0;
  #saving: Promise<void> | undefined;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
  }

  /** The checkpoint that was read at start covers the log up to this epoch. */
  restore(log: LogName, epoch: number): void {
    if (epoch > 0) this.#covered[log] = epoch;
  }

  onSegmentStarted(): void {
    this.#newSegments++;
    if (this.#newSegments >= segmentsPerCheckpoint) void this.#saveOrWarn();
  }

  /** Resolves when what is known of the records of segments up to `epoch` is safe. */
  async cover(log: LogName, epoch: number): Promise<void> {
    // A checkpoint that is under way may have been begun too early; the next one cannot.
    for (let turn = 0; turn < 2 && (this.#covered[log] ?? 0) < epoch; turn++) await this.#save();
  }

  /** The last one, once the logs are closed. A failure is logged. */
  async finish(): Promise<void> {
    await this.#saving?.catch(() => undefined);
    await this.#saveOrWarn();
  }

  async #saveOrWarn(): Promise<void> {
    try {
      await this.#save();
    } catch (error) {
      const facts = { error: describeError(error) };
      this.#options.logger.warn(facts, 'cannot save the checkpoint; the next start reads more');
    }
  }

  /** Saves what is known of all records of segments that are full, or of all records once the logs are closed. */
  #save(): Promise<void> {
    this.#saving ??= this.#saveWithRoom().finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }

  async #saveWithRoom(): Promise<void> {
    this.#newSegments = 0;
    try {
      await this.#saveAside();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC' || !this.#options.ballast.drop()) throw error;
      await this.#saveAside();
    }
  }

  async #saveAside(): Promise<void> {
    // Whoever was told in this turn that its report is stored remembers it first: what is covered must be in the window.
    await new Promise((resolve) => setImmediate(resolve));
    const { fileSystem, folder, clock, logs, repeats, origins } = this.#options;
    const nextSequence = this.#options.nextSequence();
    const epochs: Partial<Record<LogName, number>> = {};
    for (const [name, log] of logs) epochs[name] = log.settledEpoch;
    await repeats.sync();
    await origins.sync();
    await writeCheckpoint(fileSystem, folder, {
      ...this.#options.state(),
      wallMs: clock.wallMs(),
      clockTrusted: clock.isTrusted(),
      epochs,
      nextSequence,
    });
    this.#covered = epochs;
  }
}
