import type { Alarms } from '../alarms.ts';
import { describeError } from '../errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import type { DecodedRecord, Spool } from '../spool/index.ts';
import { Deferral } from './deferral.ts';
import { awaitOutcome, type Flight, type FlightOutcome, type Pair, tellOutcome } from './flight.ts';
import type { Flights } from './flights.ts';

/** What refusals need of the forwarder. */
export interface RefusalsHost {
  /** Takes a report, and what follows it in its order, out of the air, to be sent again. */
  sendAgain(flight: Flight): void;
  settle(flight: Flight, outcome: FlightOutcome): void;
  /** Sends what may be sent. */
  pump(): void;
  canSend(): boolean;
}

/**
 * What the centre does not take. A report that it refuses for now holds back its machine and channel, with growing
 * pauses; after a while these go aside (`deferral.ts`). One that it will never take goes to the quarantine.
 */
export class Refusals {
  readonly deferral: Deferral;
  readonly #host: RefusalsHost;
  readonly #spool: Spool;
  readonly #flights: Flights;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #alarms: Alarms;
  readonly #deferAfterMs: number;
  readonly #pauses: { readonly firstMs: number; readonly longestMs: number };

  constructor(options: {
    host: RefusalsHost;
    spool: Spool;
    flights: Flights;
    clock: Clock;
    logger: Logger;
    alarms: Alarms;
    deferAfterMs: number;
    quarantineAfterMs: number;
    pauses: { readonly firstMs: number; readonly longestMs: number };
  }) {
    this.#host = options.host;
    this.#spool = options.spool;
    this.#flights = options.flights;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#alarms = options.alarms;
    this.#deferAfterMs = options.deferAfterMs;
    this.#pauses = options.pauses;
    this.deferral = new Deferral({
      spool: options.spool,
      clock: options.clock,
      logger: options.logger,
      alarms: options.alarms,
      quarantineAfterMs: options.quarantineAfterMs,
      pauses: { firstMs: options.pauses.firstMs * 10, longestMs: options.pauses.longestMs },
      send: (record) => this.#sendDeferred(record),
    });
  }

  /** The centre does not take it for now. */
  refuse(flight: Flight, text: string): void {
    const { pair } = flight;
    if (flight.log === 'deferred') {
      this.#host.settle(flight, 'refused');
      return;
    }
    tellOutcome(flight, 'refused');
    const now = this.#clock.monotonicMs();
    const pauseMs = Math.min(this.#pauses.longestMs, (pair.hold?.pauseMs ?? this.#pauses.firstMs / 2) * 2);
    pair.hold = { sinceMs: pair.hold?.sinceMs ?? now, untilMs: now + pauseMs, pauseMs, text };
    this.#host.sendAgain(flight);
    if (now - pair.hold.sinceMs >= this.#deferAfterMs) void this.defer(pair, [...pair.flying, ...pair.waiting]);
  }

  /** The centre will never take it. */
  async quarantine(flight: Flight, text: string): Promise<void> {
    const { channel, serial, key } = flight.pair;
    try {
      const record = await this.#spool.readAt(flight.log, flight);
      if (record !== undefined) await this.#spool.move(flight.log, [record], 'quarantine', text);
      this.#host.settle(flight, 'quarantined');
      this.#alarms.raise('report-quarantined', { channel, serial, messageId: flight.messageId, text }, key);
    } catch (error) {
      const facts = { channel, serial, error: describeError(error) };
      this.#logger.error(facts, 'cannot move a refused report to the quarantine, trying again');
      this.refuse(flight, text);
    }
    this.#host.pump();
  }

  /** Moves reports of a machine and channel, in order, to those that stand aside. */
  async defer(pair: Pair, flights: readonly Flight[]): Promise<void> {
    for (const flight of flights) this.#flights.takeOut(flight);
    const text = pair.hold?.text ?? '';
    // Nothing of this pair may overtake what is on its way.
    if (pair.hold !== undefined) pair.hold.untilMs = Number.POSITIVE_INFINITY;
    try {
      await this.deferral.take(pair, flights, text);
      for (const flight of flights) this.#host.settle(flight, 'refused');
      pair.hold = undefined;
      this.#flights.pairs.tidy(pair);
    } catch (error) {
      const { channel, serial } = pair;
      const facts = { channel, serial, error: describeError(error) };
      this.#logger.error(facts, 'cannot put refused reports aside, they stay where they are');
      const now = this.#clock.monotonicMs();
      pair.hold ??= { sinceMs: now, untilMs: 0, pauseMs: this.#pauses.firstMs, text };
      pair.hold.untilMs = now + this.#pauses.longestMs;
      for (const flight of flights) {
        // The disk may have taken a part of them.
        if (this.#spool.isDone(flight.log, flight.ordinal)) this.#host.settle(flight, 'refused');
        else this.#flights.park(flight);
      }
    }
    this.#host.pump();
  }

  #sendDeferred(record: DecodedRecord): Promise<FlightOutcome> | undefined {
    if (!this.#host.canSend()) return undefined;
    const flight = this.#flights.of(record, 'deferred');
    if (flight === undefined) return Promise.resolve('gone');
    return new Promise((resolve) => {
      awaitOutcome(flight, resolve);
      if (flight.place === 'nowhere') this.#flights.park(flight);
      this.#host.pump();
    });
  }
}
