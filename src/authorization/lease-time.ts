/**
 * The time that leases are measured by (contracts/machines.md, 'Lease time').
 *
 * Invariants: lease time is the later one of the wall clock and of the newest trusted time advanced by the monotonic
 * clock. Trusted are a synchronized wall clock, and the centre's time while there is none; nothing else raises the
 * trusted time, and neither a clock that runs ahead nor one that was set does. What is saved, every 60 s at most, is the
 * trusted time as the monotonic clock has advanced it: at the next boot time goes on from there, so that boots in a row
 * without a clock do not give the same hours again. A time that the box was off is not counted where no clock tells it.
 *
 * A clock that runs ahead without being synchronized ends leases early, which is the safe side; it raises nothing that
 * lasts. When it is put right again that looks like a set-back: it ends with the synchronization, with a time of the
 * centre that agrees with the clock, or with the next start. A trusted time that was wrong itself (a time server or a
 * centre that was ahead) is taken back only when a synchronized clock and the centre agree on an earlier one.
 *
 * Failure behaviour: a time that cannot be saved is logged and tried again; a saved one whose seal is not this box's
 * counts as a set-back clock until there is a trusted time.
 */
import type { Alarms } from '../alarms.ts';
import { describeError } from '../errors.ts';
import type { Clock, ClockSynchronization, Journal, Logger, Timer } from '../platform/index.ts';
import type { Sealer } from './seal.ts';
import type { LeaseClock } from './types.ts';

/** A clock may be so far behind, and set back by so much, without being wrong. */
export const clockToleranceMs = 300_000;

const saveEveryMs = 60_000;
const lookEveryMs = 5000;
/** Key of the saved time in the journal. */
const key = 'time';

export interface LeaseTimeOptions {
  readonly clock: Clock;
  /** What the system says about the wall clock at present. */
  readonly synchronization: () => ClockSynchronization;
  readonly journal: Journal;
  readonly sealer: () => Sealer;
  readonly alarms: Pick<Alarms, 'raise' | 'clear'>;
  readonly logger: Logger;
  /** False while there is nothing that the saved time would be for: it spares the flash. */
  readonly isNeeded: () => boolean;
}

export class LeaseTime implements LeaseClock {
  readonly #options: LeaseTimeOptions;
  /** Trusted time minus monotonic time, in ms. */
  #trusted: number | undefined;
  /** The highest wall clock of this process minus monotonic time: what a set-back is measured from. */
  #highest = Number.NEGATIVE_INFINITY;
  /** The saved time was not sealed by this box. */
  #isForged = false;
  #state: LeaseClock['state'] = 'right';
  #savedAtMs = Number.NEGATIVE_INFINITY;
  #saving: Promise<void> | undefined;
  readonly #timers: Timer[] = [];

  constructor(options: LeaseTimeOptions) {
    this.#options = options;
  }

  /** Reads the saved time. `floorMs`: a time that is known to have been, such as that of the newest lease. */
  start(floorMs: number | undefined): void {
    const { clock, journal, sealer } = this.#options;
    const saved = journal.get(key) as { ms?: unknown; seal?: unknown } | undefined;
    const ms = typeof saved?.ms === 'number' ? saved.ms : Number.NaN;
    if (saved !== undefined) this.#isForged = !sealer().isSealed('time', [ms], saved.seal);
    if (saved !== undefined && !this.#isForged) this.#raise(ms - clock.monotonicMs());
    if (floorMs !== undefined) this.#raise(floorMs - clock.monotonicMs());
    this.#look();
    this.#timers.push(clock.every(lookEveryMs, () => this.#tick()));
  }

  /** Saves the trusted time a last time, unless told not to. */
  async stop({ save = true } = {}): Promise<void> {
    for (const timer of this.#timers.splice(0)) timer.cancel();
    await this.#saving;
    this.#look();
    if (save) await this.#save();
  }

  get state(): LeaseClock['state'] {
    this.#look();
    return this.#state;
  }

  nowMs(): number {
    const { clock } = this.#options;
    this.#look();
    return Math.max(clock.wallMs(), clock.monotonicMs() + (this.#trusted ?? Number.NEGATIVE_INFINITY));
  }

  trustedMs(): number {
    this.#look();
    return this.#trusted === undefined ? this.nowMs() : this.#options.clock.monotonicMs() + this.#trusted;
  }

  noteCentreTime(ms: number): void {
    const { clock, synchronization, logger } = this.#options;
    if (!Number.isFinite(ms)) return;
    const centre = ms - clock.monotonicMs();
    const wall = clock.wallMs() - clock.monotonicMs();
    const isSynchronized = synchronization() === 'yes';
    const agrees = Math.abs(centre - wall) <= clockToleranceMs;
    // The centre says that the clock is right, whatever it said before.
    if (agrees) this.#highest = wall;
    if (agrees && isSynchronized && this.#trusted !== undefined && wall < this.#trusted - clockToleranceMs) {
      logger.warn({ byMs: this.#trusted - wall }, 'the time that was trusted lay ahead; taken back');
      this.#trusted = wall;
      this.#savedAtMs = Number.NEGATIVE_INFINITY;
    }
    // A synchronized clock speaks for itself: a centre whose clock is ahead must not make it look set back.
    if (!isSynchronized) this.#raise(centre);
    if (agrees || !isSynchronized) this.#isForged = false;
    this.#look();
  }

  #raise(offset: number): void {
    if (this.#trusted === undefined || offset > this.#trusted) this.#trusted = offset;
  }

  #look(): void {
    const { clock, synchronization } = this.#options;
    const wall = clock.wallMs() - clock.monotonicMs();
    const isBehind = this.#trusted !== undefined && wall < this.#trusted - clockToleranceMs;
    if (synchronization() === 'yes') {
      if (!isBehind) {
        // It may have been ahead before: what it says now is right.
        this.#highest = wall;
        this.#raise(wall);
        this.#isForged = false;
      }
      this.#turn(isBehind ? 'set-back' : 'right');
      return;
    }
    if (this.#isForged || wall < this.#highest - clockToleranceMs) {
      this.#turn('set-back');
      return;
    }
    this.#highest = Math.max(this.#highest, wall);
    this.#turn(isBehind ? 'behind' : 'right');
  }

  #turn(state: LeaseClock['state']): void {
    if (state === this.#state) return;
    this.#state = state;
    const { alarms, clock } = this.#options;
    const details = { clock: new Date(clock.wallMs()).toISOString(), next: 'let the box reach a time server' };
    if (state === 'behind') alarms.raise('lease-clock-behind', details);
    else alarms.clear('lease-clock-behind');
    if (state === 'set-back') alarms.raise('lease-clock-set-back', details);
    else alarms.clear('lease-clock-set-back');
  }

  #tick(): void {
    this.#look();
    if (this.#saving !== undefined || !this.#options.isNeeded()) return;
    if (this.#options.clock.monotonicMs() - this.#savedAtMs < saveEveryMs) return;
    this.#saving = this.#save().finally(() => {
      this.#saving = undefined;
    });
  }

  /** Saves the trusted time again, under the seal of now: after a change of hardware. */
  async reseal(): Promise<void> {
    this.#isForged = false;
    await this.#save();
  }

  async #save(): Promise<void> {
    const { clock, journal, sealer, alarms, logger, isNeeded } = this.#options;
    if (this.#trusted === undefined || this.#isForged || !isNeeded()) return;
    const ms = Math.floor(clock.monotonicMs() + this.#trusted);
    try {
      await sealer().ready();
      await journal.put(key, { ms, seal: sealer().seal('time', [ms]) });
      this.#savedAtMs = clock.monotonicMs();
      alarms.clear('journal-write-failed', 'leases');
    } catch (error) {
      logger.warn({ error: describeError(error) }, 'the time could not be saved');
    }
  }
}
