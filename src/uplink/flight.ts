import type { LogName } from '../spool/index.ts';

/** A report between its log and the centre: where it stands on disk, and how far it has come. Its body stays on disk. */
export interface Flight {
  readonly messageId: string;
  readonly log: LogName;
  readonly ordinal: number;
  /** Over all logs and restarts: the order of acceptance. */
  readonly sequence: number;
  readonly epoch: number;
  readonly at: number;
  readonly length: number;
  readonly pair: Pair;
  /** How often it was sent; 0 while it waits for the first time. */
  sends: number;
  /** The same since it was last taken back because the connection was gone: what happened before proves nothing. */
  tries: number;
  /** Monotonic ms of the first of these tries, and of the last. */
  firstSentAtMs: number;
  sentAtMs: number;
  /** Monotonic ms of the broker's confirm of the last sending; undefined before it. */
  confirmedAtMs: number | undefined;
  /** In the air: sent, and neither answered nor in doubt. Parked: in its pair's `waiting`. */
  place: 'nowhere' | 'air' | 'parked';
  /** 设备状态 of the body, to recognise an answer without correlation; undefined when that is not needed. */
  state: string | undefined;
  /** The name that the report was given where it comes from, if it was. */
  readonly origin: string | undefined;
  /** Who waits for the outcome (`awaitOutcome`). */
  listeners: Set<OutcomeListener> | undefined;
}

export type FlightOutcome = 'delivered' | 'refused' | 'quarantined' | 'gone';

type OutcomeListener = (outcome: FlightOutcome) => void;

/** Has `listener` told what becomes of the flight, once. @returns what ends that */
export function awaitOutcome(flight: Flight, listener: OutcomeListener): () => void {
  flight.listeners ??= new Set();
  flight.listeners.add(listener);
  return () => flight.listeners?.delete(listener);
}

/** Tells all who wait for the outcome. */
export function tellOutcome(flight: Flight, outcome: FlightOutcome): void {
  const { listeners } = flight;
  flight.listeners = undefined;
  for (const listener of listeners ?? []) listener(outcome);
}

/** What the centre said against a machine's report, while it is tried again. */
export interface Hold {
  /** Monotonic ms of the first refusal in a row. */
  readonly sinceMs: number;
  /** Not tried again before. */
  untilMs: number;
  pauseMs: number;
  text: string;
}

/** One machine on one channel: order is kept within it. */
export interface Pair {
  readonly key: string;
  readonly channel: string;
  readonly serial: string;
  /** Under way, in the order of acceptance. */
  flying: Flight[];
  /** To be sent, in the order of acceptance, before anything else of this pair. */
  waiting: Flight[];
  /** The reply queue is being opened. */
  opening: boolean;
  hold: Hold | undefined;
  /** Without correlation: no sending before this instant, monotonic ms. */
  quietUntilMs: number;
}

/** The name of a machine and channel. */
export const pairKey = (channel: string, serial: string): string => `${channel}/${serial}`;

const deferredKey = (key: string): string => `deferred ${key}`;

/** All machines and channels with something under way or waiting. */
export class Pairs {
  readonly #pairs = new Map<string, Pair>();
  /** Those with something in `waiting`. */
  readonly waiting = new Set<Pair>();

  /** The pair of that key, in the lanes or in `deferred`. */
  find(key: string): Pair | undefined {
    return this.#pairs.get(key) ?? this.#pairs.get(deferredKey(key));
  }

  /** The pair of reports in the lanes, or that of those in `deferred`, which has an order of its own. */
  obtain(channel: string, serial: string, isDeferred: boolean): Pair {
    const key = isDeferred ? deferredKey(pairKey(channel, serial)) : pairKey(channel, serial);
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      pair = { key, channel, serial, flying: [], waiting: [], opening: false, hold: undefined, quietUntilMs: 0 };
      this.#pairs.set(key, pair);
    }
    return pair;
  }

  all(): IterableIterator<Pair> {
    return this.#pairs.values();
  }

  /** Puts a flight where they belong in the order of acceptance, before what is only waiting for its turn. */
  park(flight: Flight): void {
    const { pair } = flight;
    let index = pair.waiting.length;
    while (index > 0 && pair.waiting[index - 1]!.sequence > flight.sequence) index--;
    pair.waiting.splice(index, 0, flight);
    flight.place = 'parked';
    this.waiting.add(pair);
  }

  /** Takes a flight out, wherever it stands. */
  leave(flight: Flight): void {
    const { pair, place } = flight;
    flight.place = 'nowhere';
    if (place === 'air') {
      if (pair.flying[0] === flight) pair.flying.shift();
      else pair.flying.splice(pair.flying.indexOf(flight), 1);
    } else if (place === 'parked') {
      pair.waiting.splice(pair.waiting.indexOf(flight), 1);
      if (pair.waiting.length === 0) this.waiting.delete(pair);
    }
  }

  /** Forgets a pair that nothing is known of any more. */
  tidy(pair: Pair): void {
    if (pair.waiting.length === 0) this.waiting.delete(pair);
    if (pair.flying.length > 0 || pair.waiting.length > 0 || pair.hold !== undefined || pair.opening) return;
    if (pair.quietUntilMs === 0) this.#pairs.delete(pair.key);
  }
}
