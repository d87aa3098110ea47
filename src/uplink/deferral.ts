/**
 * Reports that the centre refuses for now, aside in the log `deferred`, so that the cursors of the lanes go on.
 *
 * Once a machine and channel has a report here, its later ones come here too, so that their order holds. They are tried
 * again in passes with growing pauses; in a pass, what follows a refused one of the same machine and channel is left
 * alone. One that is refused for a day, while others of its channel are stored, goes to the quarantine.
 */
import type { Alarms } from '../alarms.ts';
import { describeError } from '../errors.ts';
import type { Clock, Logger, Timer } from '../platform/index.ts';
import { asideReason, type DecodedRecord, type LogName, readAsideReason, type Spool } from '../spool/index.ts';
import { type Flight, type FlightOutcome, type Pair, pairKey } from './flight.ts';

const batch = 64;

export class Deferral {
  readonly #spool: Spool;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #alarms: Alarms;
  readonly #quarantineAfterMs: number;
  readonly #pauses: { readonly firstMs: number; readonly longestMs: number };
  readonly #send: (record: DecodedRecord) => Promise<FlightOutcome> | undefined;
  /** Reports that wait here, by machine and channel. */
  readonly #counts = new Map<string, number>();
  /** False until all of them have been counted once. */
  #isCounted = false;
  /** Reports that have come here since the start. */
  #arrivals = 0;
  /** When a report of a channel was stored last, by `Spool.windowMs`. */
  readonly #stored = new Map<string, number>();
  #moves: Promise<void> = Promise.resolve();
  /** Reports on their way here, by machine and channel. */
  readonly #arriving = new Map<string, number>();
  #moving = 0;
  #pauseMs: number;
  #timer: Timer | undefined;
  #pass: Promise<void> | undefined;
  /** Ends each wait for an outcome: after the link has been stopped none comes. */
  readonly #giveUps = new Set<() => void>();
  #stopped = false;

  constructor(options: {
    spool: Spool;
    clock: Clock;
    logger: Logger;
    alarms: Alarms;
    quarantineAfterMs: number;
    pauses: { readonly firstMs: number; readonly longestMs: number };
    /** Sends one record and tells what became of it; undefined while nothing can be sent. */
    send: (record: DecodedRecord) => Promise<FlightOutcome> | undefined;
  }) {
    this.#spool = options.spool;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#alarms = options.alarms;
    this.#quarantineAfterMs = options.quarantineAfterMs;
    this.#pauses = options.pauses;
    this.#send = options.send;
    this.#pauseMs = options.pauses.firstMs;
  }

  /** Reports that are on their way here. */
  get moving(): number {
    return this.#moving;
  }

  /** Counts what waits here. Until it resolves nothing may come. What the disk does not read is counted by a later pass. */
  async start(): Promise<void> {
    try {
      await this.#walk(async (records) => {
        for (const record of records) this.#arrived(record);
      });
      this.#isCounted = true;
    } catch (error) {
      this.#logger.error({ error: describeError(error) }, 'cannot read all of what stands aside, trying again');
    }
    this.#schedule();
  }

  /** A report was put here by hand: it is tried soon. */
  onRequeued(record: DecodedRecord): void {
    this.#arrived(record);
    this.wake();
  }

  /** Finishes what it has begun on the disk, and waits for no answer any more: the link is stopped before. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const giveUp of this.#giveUps) giveUp();
    await this.#moves;
    await this.#pass;
  }

  /** True while reports of this machine and channel wait here, or are on their way here. */
  has(key: string): boolean {
    return this.#counts.has(key) || this.#arriving.has(key);
  }

  /** A report of this channel was stored: the centre is able to. */
  noteStored(channel: string): void {
    this.#stored.set(channel, this.#spool.windowMs);
  }

  /** Tries again soon: the link is back, or something was sent back here. */
  wake(): void {
    this.#pauseMs = this.#pauses.firstMs;
    this.#schedule();
  }

  /** Moves reports of one machine and channel here, in order. Rejects when the disk does not take them. */
  take(pair: Pair, flights: readonly Flight[], text: string): Promise<void> {
    this.#arrive(pair.key, flights.length);
    const moved = this.#moves.then(async () => {
      for (const { log, part } of batches(flights)) {
        const records: DecodedRecord[] = [];
        for (const flight of part) {
          const record = await this.#spool.readAt(log, flight);
          if (record !== undefined) records.push(record);
        }
        await this.#spool.move(log, records, 'deferred', asideReason(this.#now(), text), (record) =>
          this.#arrived(record),
        );
      }
    });
    this.#moves = moved.catch(() => {});
    this.#alarms.raise('report-deferred', { channel: pair.channel, serial: pair.serial, text }, pair.key);
    const taken = moved.then(() => {
      // All of them were answered on the way.
      if (!this.#counts.has(pair.key)) this.#alarms.clear('report-deferred', pair.key);
    });
    return taken.finally(() => {
      this.#arrive(pair.key, -flights.length);
      this.#schedule();
    });
  }

  #arrive(key: string, count: number): void {
    this.#moving += count;
    const total = (this.#arriving.get(key) ?? 0) + count;
    if (total > 0) this.#arriving.set(key, total);
    else this.#arriving.delete(key);
  }

  #now(): { readonly wallMs: number; readonly windowMs: number } {
    return { wallMs: this.#clock.wallMs(), windowMs: this.#spool.windowMs };
  }

  #arrived({ channel, serial }: DecodedRecord): void {
    this.#arrivals++;
    const key = pairKey(channel, serial);
    this.#set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  #left(key: string): void {
    this.#set(key, (this.#counts.get(key) ?? 0) - 1);
  }

  #set(key: string, count: number): void {
    if (count > 0) this.#counts.set(key, count);
    else {
      this.#counts.delete(key);
      this.#alarms.clear('report-deferred', key);
    }
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (this.#stopped || this.#pass !== undefined || (this.#isCounted && this.#counts.size === 0)) return;
    this.#timer = this.#clock.after(this.#pauseMs, () => {
      this.#pass = this.#runPass()
        .catch((error: unknown) => {
          this.#logger.error({ error: describeError(error) }, 'cannot send what stands aside, trying again');
          return false;
        })
        .then((progress) => {
          this.#pass = undefined;
          this.#pauseMs = progress ? this.#pauses.firstMs : Math.min(this.#pauses.longestMs, this.#pauseMs * 2);
          this.#schedule();
        });
    });
  }

  /** One walk over everything that waits; true when something was stored. */
  async #runPass(): Promise<boolean> {
    const failed = new Set<string>();
    const remaining = new Map<string, number>();
    const arrivals = this.#arrivals;
    let progress = false;
    await this.#walk(async (records) => {
      const byPair = Map.groupBy(records, ({ channel, serial }) => pairKey(channel, serial));
      await Promise.all(
        [...byPair].map(async ([key, own]) => {
          for (const record of own) {
            if (!failed.has(key) && !this.#stopped && (await this.#try(record))) progress = true;
            else {
              failed.add(key);
              remaining.set(key, (remaining.get(key) ?? 0) + 1);
            }
          }
        }),
      );
    });
    // What was given up for room, say, nobody has told of. A walk that nothing came into has seen all that is here.
    if (!this.#stopped && arrivals === this.#arrivals) {
      this.#isCounted = true;
      for (const key of [...this.#counts.keys(), ...remaining.keys()]) this.#set(key, remaining.get(key) ?? 0);
    }
    return progress;
  }

  /** True when the record is gone from here. */
  async #try(record: DecodedRecord): Promise<boolean> {
    const outcome = await this.#outcomeOf(record);
    const key = pairKey(record.channel, record.serial);
    if (outcome === 'delivered' || outcome === 'quarantined' || outcome === 'gone') {
      this.#left(key);
      return true;
    }
    const { ageMs, text } = readAsideReason(record.reason, this.#now());
    const storedMs = this.#stored.get(record.channel);
    const othersAreStored = storedMs !== undefined && this.#spool.windowMs - storedMs <= ageMs;
    if (outcome !== 'refused' || ageMs < this.#quarantineAfterMs || !othersAreStored) return false;
    await this.#spool.move('deferred', [record], 'quarantine', text);
    this.#left(key);
    this.#alarms.raise('report-quarantined', { channel: record.channel, serial: record.serial, text }, key);
    return true;
  }

  /** What becomes of a record that is sent; undefined when it cannot be, and when we stop before that is known. */
  #outcomeOf(record: DecodedRecord): Promise<FlightOutcome | undefined> {
    return new Promise((resolve, reject) => {
      const sent = this.#send(record);
      if (sent === undefined) return resolve(undefined);
      const giveUp = () => resolve(undefined);
      this.#giveUps.add(giveUp);
      sent.then(resolve, reject).finally(() => this.#giveUps.delete(giveUp));
    });
  }

  async #walk(visit: (records: DecodedRecord[]) => Promise<void>): Promise<void> {
    const reader = this.#spool.createReader('deferred');
    try {
      for (;;) {
        const records = await reader.read(batch);
        if (records.length === 0 || this.#stopped) return;
        await visit(records);
      }
    } finally {
      reader.close();
    }
  }
}

/** The reports in the order of acceptance, in parts of one log: a channel may have had another lane before the start. */
function* batches(flights: readonly Flight[]): Generator<{ readonly log: LogName; readonly part: readonly Flight[] }> {
  const ordered = [...flights].sort((one, other) => one.sequence - other.sequence);
  for (let start = 0; start < ordered.length; ) {
    const { log } = ordered[start]!;
    let end = start + 1;
    while (end < ordered.length && end - start < batch && ordered[end]!.log === log) end++;
    yield { log, part: ordered.slice(start, end) };
    start = end;
  }
}
