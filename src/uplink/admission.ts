import type { LaneName, LogName } from '../spool/index.ts';
import type { Correlation } from './correlation.ts';
import type { Pair } from './flight.ts';
import type { Flights } from './flights.ts';
import type { ReceiptWindow } from './receipt-window.ts';
import type { Refusals } from './refusals.ts';

const maxParkedPerLane = 4096;
/** Until it is known whether the centre correlates, a machine's reports go one by one: few are taken in advance. */
const maxParkedAtFirst = 8;
/** A lane waits for a reply queue that is being opened, rather than taking in advance what must be read again. */
const maxParkedWhileOpening = 4;
const maxMoving = 256;
const maxReservedForAlarms = 16;

/** From which lanes the next report may be taken: what is parked is bounded, and alarms always find room in the window. */
export class Admission {
  readonly #flights: Flights;
  readonly #window: ReceiptWindow;
  readonly #correlation: Correlation;
  readonly #refusals: Refusals;
  readonly #waitsFor = new Map<LaneName, Pair>();

  constructor(options: { flights: Flights; window: ReceiptWindow; correlation: Correlation; refusals: Refusals }) {
    this.#flights = options.flights;
    this.#window = options.window;
    this.#correlation = options.correlation;
    this.#refusals = options.refusals;
  }

  hasRoom(lane: LaneName, isSilent: boolean): boolean {
    const limit = this.#correlation.isGiven === undefined ? maxParkedAtFirst : maxParkedPerLane;
    if (this.#flights.parkedOf(lane) >= limit || this.#refusals.deferral.moving >= maxMoving) return false;
    if (this.#waitsFor.size > 0 && this.#waitsFor.get(lane)?.opening) return false;
    if (lane === 'alarm' || isSilent) return true;
    const reserved = Math.min(maxReservedForAlarms, Math.floor(this.#window.size / 8));
    return this.#flights.inAir < this.#window.size - reserved;
  }

  /** True when nothing more may be parked of this log. */
  isFull(log: LogName): boolean {
    return this.#flights.parkedOf(log) >= maxParkedPerLane;
  }

  /** A report of the lane was parked. */
  onParked(lane: LaneName, pair: Pair): void {
    if (pair.opening && pair.waiting.length >= maxParkedWhileOpening) this.#waitsFor.set(lane, pair);
  }
}
