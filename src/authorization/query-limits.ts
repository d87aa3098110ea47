import { TokenBucket } from '../broker/index.ts';
import type { Clock } from '../platform/index.ts';

/** How much may be asked; more is answered that authorization is not available, and counted. */
export interface QueryLimits {
  /** Queries per second on average, of one machine and of all. */
  readonly perMachine: number;
  readonly inAll: number;
  /** Queries at once beyond that, of one machine and of all: after a power cut every machine of a site asks. */
  readonly burstPerMachine: number;
  readonly burstInAll: number;
  /** Questions under way at once, over all machines. */
  readonly open: number;
  /** Different identities of one 序列号 that are asked about at once. */
  readonly identities: number;
  /** Queries that wait for the same question. */
  readonly joined: number;
}

export const defaultQueryLimits: QueryLimits = {
  perMachine: 10,
  inAll: 500,
  burstPerMachine: 1000,
  burstInAll: 2000,
  open: 2000,
  identities: 2,
  joined: 500,
};

const maxBuckets = 10_000;

/** The rates of queries: bounded, the machine not heard of for longest is forgotten first. */
export class QueryRates {
  readonly #ofMachine: { readonly clock: Clock; readonly perSecond: number; readonly burst: number };
  readonly #all: TokenBucket;
  readonly #machines = new Map<string, TokenBucket>();

  constructor(clock: Clock, limits: QueryLimits) {
    this.#ofMachine = { clock, perSecond: limits.perMachine, burst: limits.burstPerMachine };
    this.#all = new TokenBucket({ clock, perSecond: limits.inAll, burst: limits.burstInAll });
  }

  /** Why a query is one too many; undefined when it may be asked. */
  refuse(serial: string): 'machine-rate' | 'rate' | undefined {
    const bucket = this.#machines.get(serial) ?? new TokenBucket(this.#ofMachine);
    this.#machines.delete(serial);
    this.#machines.set(serial, bucket);
    for (const oldest of this.#machines.keys()) {
      if (this.#machines.size <= maxBuckets) break;
      this.#machines.delete(oldest);
    }
    if (bucket.take() > 0) return 'machine-rate';
    return this.#all.take() > 0 ? 'rate' : undefined;
  }
}
