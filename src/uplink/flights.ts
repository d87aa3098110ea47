import type { DecodedRecord, LogName, Spool } from '../spool/index.ts';
import type { Flight, Pair } from './flight.ts';
import { Pairs } from './flight.ts';

/** Every report that was taken from its log and is not settled: under way, parked, or being moved. */
export class Flights {
  readonly pairs = new Pairs();
  readonly #spool: Spool;
  readonly #gatewayId: string;
  /** By message id; those in the air in the order of sending. */
  readonly #flights = new Map<string, Flight>();
  readonly #parked: Record<LogName, number>;
  #inAir = 0;
  readonly #inAirOf = new Map<string, number>();

  constructor(options: { spool: Spool; gatewayId: string }) {
    this.#spool = options.spool;
    this.#gatewayId = options.gatewayId;
    this.#parked = { alarm: 0, state: 0, process: 0, bulk: 0, deferred: 0, quarantine: 0, refused: 0 };
  }

  /** How many were sent and are neither answered nor in doubt. */
  get inAir(): number {
    return this.#inAir;
  }

  /** Whether something of this channel is in the air. */
  hasInAir(channel: string): boolean {
    return (this.#inAirOf.get(channel) ?? 0) > 0;
  }

  get parked(): number {
    return Object.values(this.#parked).reduce((sum, count) => sum + count, 0);
  }

  parkedOf(log: LogName): number {
    return this.#parked[log];
  }

  get(messageId: string): Flight | undefined {
    return this.#flights.get(messageId);
  }

  /** The flight of a record; undefined when the record is done, which it also is when it has gone to another log. */
  of(record: DecodedRecord, log: LogName): Flight | undefined {
    const messageId = `${this.#gatewayId}-${record.boot}-${record.sequence}`;
    const known = this.#flights.get(messageId);
    const { ordinal, sequence, epoch, at, length, channel, serial, origin } = record;
    if (known?.log === log && known.ordinal === ordinal) return known;
    if (this.#spool.isDone(log, ordinal)) return undefined;
    return {
      messageId,
      log,
      ordinal,
      sequence,
      epoch,
      at,
      length,
      pair: this.pairs.obtain(channel, serial, log === 'deferred'),
      place: 'nowhere',
      state: undefined,
      origin,
      sends: 0,
      tries: 0,
      firstSentAtMs: 0,
      sentAtMs: 0,
      confirmedAtMs: undefined,
      listeners: undefined,
    };
  }

  /** It was sent. */
  takeOff(flight: Flight, now: number): void {
    flight.place = 'air';
    flight.sends++;
    if (++flight.tries === 1) flight.firstSentAtMs = now;
    flight.sentAtMs = now;
    flight.confirmedAtMs = undefined;
    flight.pair.flying.push(flight);
    // Set anew, so that the map stays in the order of sending.
    this.#flights.delete(flight.messageId);
    this.#flights.set(flight.messageId, flight);
    this.#count(flight, 1);
  }

  /** It waits for its turn, in the order of its machine and channel. */
  park(flight: Flight): void {
    this.pairs.park(flight);
    this.#parked[flight.log]++;
    this.#flights.set(flight.messageId, flight);
  }

  /** It is on its way from one place to another. */
  takeOut(flight: Flight): void {
    if (flight.place === 'air') this.#count(flight, -1);
    else if (flight.place === 'parked') this.#parked[flight.log]--;
    this.pairs.leave(flight);
  }

  /** It is settled. */
  remove(flight: Flight): void {
    // Sent again from the log that it has gone to, the report has another flight.
    if (this.#flights.get(flight.messageId) === flight) this.#flights.delete(flight.messageId);
    this.takeOut(flight);
    this.pairs.tidy(flight.pair);
  }

  /** Of each channel the one under way for longest. */
  oldestOfChannels(): Flight[] {
    const oldest = new Map<string, Flight>();
    for (const flight of this.#flights.values()) {
      const { channel } = flight.pair;
      if (flight.place === 'air' && !oldest.has(channel)) oldest.set(channel, flight);
    }
    return [...oldest.values()];
  }

  /** The one under way for longest. */
  oldestInAir(): Flight | undefined {
    for (const flight of this.#flights.values()) if (flight.place === 'air') return flight;
    return undefined;
  }

  /** The machine and channel with the most parked reports among those that the centre refuses. */
  fullestHeld(): Pair | undefined {
    let fullest: Pair | undefined;
    for (const pair of this.pairs.waiting) {
      if (pair.hold !== undefined && pair.waiting.length > (fullest?.waiting.length ?? 0)) fullest = pair;
    }
    return fullest;
  }

  #count({ pair: { channel } }: Flight, change: number): void {
    this.#inAir += change;
    this.#inAirOf.set(channel, (this.#inAirOf.get(channel) ?? 0) + change);
  }
}
