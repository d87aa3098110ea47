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
import type { DecodedRecord, Spool } from '../spool/index.ts';
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
  /** Wall time in ms of the last report of a channel that was stored. */
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

  async start(): Promise<void> {
    await this.recount();
    this.#schedule();
  }

  /** Counts what waits here, after something was put here by hand. */
  async recount(): Promise<void> {
    const counts = new Map<string, number>();
    await this.#walk(async (records) => {
      for (const { channel, serial } of records) {
        const key = pairKey(channel, serial);
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    });
    this.#counts.clear();
    for (const [key, count] of counts) this.#counts.set(key, count);
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
    this.#stored.set(channel, this.#clock.wallMs());
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
      for (let start = 0; start < flights.length; start += batch) {
        const records: DecodedRecord[] = [];
        for (const flight of flights.slice(start, start + batch)) {
          const record = await this.#spool.readAt(flight.log, flight);
          if (record !== undefined) records.push(record);
        }
        if (records.length === 0) continue;
        await this.#spool.move(flights[0]!.log, records, 'deferred', `${Math.floor(this.#clock.wallMs())} ${text}`);
        this.#add(pairKey(pair.channel, pair.serial), records.length);
      }
    });
    this.#moves = moved.catch(() => {});
    this.#alarms.raise('report-deferred', { channel: pair.channel, serial: pair.serial, text }, pair.key);
    return moved.finally(() => {
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

  #add(key: string, count: number): void {
    const total = (this.#counts.get(key) ?? 0) + count;
    if (total > 0) this.#counts.set(key, total);
    else {
      this.#counts.delete(key);
      this.#alarms.clear('report-deferred', key);
    }
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (this.#stopped || this.#counts.size === 0 || this.#pass !== undefined) return;
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
    let progress = false;
    await this.#walk(async (records) => {
      const byPair = Map.groupBy(records, ({ channel, serial }) => pairKey(channel, serial));
      await Promise.all(
        [...byPair].map(async ([key, own]) => {
          for (const record of own) {
            if (failed.has(key) || this.#stopped) return;
            if (await this.#try(record)) progress = true;
            else failed.add(key);
          }
        }),
      );
    });
    return progress;
  }

  /** True when the record is gone from here. */
  async #try(record: DecodedRecord): Promise<boolean> {
    const outcome = await this.#outcomeOf(record);
    const key = pairKey(record.channel, record.serial);
    if (outcome === 'delivered' || outcome === 'quarantined' || outcome === 'gone') {
      this.#add(key, -1);
      return true;
    }
    const [sinceText = '', ...text] = (record.reason ?? '').split(' ');
    const sinceMs = Number(sinceText);
    const isOld = this.#clock.wallMs() - sinceMs >= this.#quarantineAfterMs;
    if (outcome !== 'refused' || !isOld || (this.#stored.get(record.channel) ?? 0) < sinceMs) return false;
    await this.#spool.move('deferred', [record], 'quarantine', text.join(' '));
    this.#add(key, -1);
    this.#alarms.raise(
      'report-quarantined',
      { channel: record.channel, serial: record.serial, text: text.join(' ') },
      key,
    );
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
