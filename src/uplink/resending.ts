import { describeError } from '../errors.ts';
import type { Logger } from '../platform/index.ts';
import type { DecodedRecord, Spool } from '../spool/index.ts';
import type { Flight, FlightOutcome } from './flight.ts';
import type { Flights } from './flights.ts';
import type { PairGate } from './pair-gate.ts';
import type { Refusals } from './refusals.ts';

/** What sending again needs of the forwarder. */
export interface ResendingHost {
  isConnected(): boolean;
  canSend(): boolean;
  send(flight: Flight, record: DecodedRecord): void;
  settle(flight: Flight, outcome: FlightOutcome): void;
}

/** Sends reports that are not at hand any more, reading them from disk again: parked ones, and the one that probes. */
export class Resending {
  readonly #host: ResendingHost;
  readonly #spool: Spool;
  readonly #flights: Flights;
  readonly #gate: PairGate;
  readonly #refusals: Refusals;
  readonly #logger: Logger;
  #draining = false;

  constructor(options: {
    host: ResendingHost;
    spool: Spool;
    flights: Flights;
    gate: PairGate;
    refusals: Refusals;
    logger: Logger;
  }) {
    this.#host = options.host;
    this.#spool = options.spool;
    this.#flights = options.flights;
    this.#gate = options.gate;
    this.#refusals = options.refusals;
    this.#logger = options.logger;
  }

  /** Sends what is parked, as far as it may go. Never rejects. */
  async drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    const { pairs } = this.#flights;
    try {
      while (this.#host.canSend()) {
        const flight = this.#nextWaiting();
        if (flight === undefined) break;
        const record = await this.#spool.readAt(flight.log, flight);
        if (flight.pair.waiting[0] !== flight) continue;
        if (record === undefined) {
          this.#host.settle(flight, 'gone');
          continue;
        }
        if (!this.#host.canSend() || !this.#gate.mayGo(flight.pair)) continue;
        if (this.#refusals.deferral.has(flight.pair.key)) {
          await this.#refusals.defer(flight.pair, [...flight.pair.waiting]);
          continue;
        }
        this.#flights.takeOut(flight);
        this.#host.send(flight, record);
        // The next one is another machine's.
        if (pairs.waiting.delete(flight.pair)) pairs.waiting.add(flight.pair);
      }
    } catch (error) {
      this.#logger.error({ error: describeError(error) }, 'cannot read a waiting report, trying again');
    } finally {
      this.#draining = false;
    }
  }

  /**
   * Sends one report again, alone and although the window may be full: what followed it was confirmed after it, so that
   * the centre, which knows a repeat by its id, keeps their order.
   */
  async probe(flight: Flight): Promise<void> {
    const record = await this.#spool.readAt(flight.log, flight).catch(() => undefined);
    if (record === undefined || !this.#host.isConnected() || flight.place !== 'air') return;
    this.#flights.takeOut(flight);
    this.#host.send(flight, record);
  }

  #nextWaiting(): Flight | undefined {
    for (const pair of this.#flights.pairs.waiting) if (this.#gate.mayGo(pair)) return pair.waiting[0];
    return undefined;
  }
}
