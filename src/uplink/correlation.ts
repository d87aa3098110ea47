import type { Logger } from '../platform/index.ts';
import { type Flight, pairKey } from './flight.ts';
import type { Flights } from './flights.ts';
import type { Verdict } from './receipts.ts';
import type { Receipt } from './transport.ts';

/**
 * Which report a receipt answers. Our centre says so by `correlation_id`. One that does not is matched by machine and
 * channel, and by the state of a process report; then at most one report of each may be under way, and after a repeat
 * there has to be silence before the next, because its answer may come twice.
 */
export class Correlation {
  readonly #flights: Flights;
  readonly #logger: Logger;
  readonly #quietMs: number;
  #isGiven: boolean | undefined;

  /** `quietMs`: how long nothing may have come after a repeat, before the next report of the pair is sent. */
  constructor(options: { flights: Flights; logger: Logger; quietMs: number }) {
    this.#flights = options.flights;
    this.#logger = options.logger;
    this.#quietMs = options.quietMs;
  }

  /** Whether the centre correlates; undefined before its first receipt. */
  get isGiven(): boolean | undefined {
    return this.#isGiven;
  }

  /** The report that a receipt answers; undefined for a stale one, and for one that answers nothing under way. */
  match(receipt: Receipt, verdict: Verdict, now: number): Flight | undefined {
    if (receipt.messageId !== undefined) {
      this.#isGiven = true;
      return this.#flights.get(receipt.messageId);
    }
    const { channel, serial } = receipt;
    if (channel === undefined || serial === undefined || receipt.stale) return undefined;
    const pair = this.#flights.pairs.find(pairKey(channel, serial));
    if (pair === undefined) return undefined;
    if (pair.quietUntilMs > 0) pair.quietUntilMs = now + this.#quietMs;
    const [flight, ...more] = pair.flying;
    if (flight === undefined || more.length > 0) return undefined;
    if (this.#isGiven !== false) {
      this.#isGiven = false;
      this.#logger.warn({}, 'the centre sends no correlation_id: one report per machine and channel is under way');
    }
    const state = verdict.kind === 'unreadable' ? undefined : verdict.state;
    if (flight.state !== undefined && flight.state !== state) return undefined;
    if (flight.sends > 1) pair.quietUntilMs = now + this.#quietMs;
    return flight;
  }
}
