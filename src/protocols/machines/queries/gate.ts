import { TokenBucket } from '../../../broker/index.ts';
import type { Clock } from '../../../platform/index.ts';

/** How much one account, and all of them, may ask. */
export interface QueryLimits {
  /** Queries per second of an account on average; 0 = no limit. */
  readonly ratePerSecond: number;
  /** Queries of one account that the store works on at once. */
  readonly perAccount: number;
  /** Queries of all accounts that the store works on at once. */
  readonly inAll: number;
}

export const defaultQueryLimits: QueryLimits = { ratePerSecond: 50, perAccount: 16, inAll: 64 };

const maxAccounts = 10_000;

/** Lets queries through, up to the limits. A place is free again when the store is done, whether anybody waits or not. */
export class Gate {
  readonly #clock: Clock;
  readonly #limits: QueryLimits;
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #busy = new Map<string, number>();
  #inAll = 0;

  constructor(clock: Clock, limits: QueryLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Takes a place; undefined when there is none. The function gives it back. */
  enter(account: string): (() => void) | undefined {
    const busy = this.#busy.get(account) ?? 0;
    if (this.#inAll >= this.#limits.inAll || busy >= this.#limits.perAccount) return undefined;
    if (this.#bucketOf(account).take() > 0) return undefined;
    this.#inAll++;
    this.#busy.set(account, busy + 1);
    return () => {
      this.#inAll--;
      const left = this.#busy.get(account)! - 1;
      if (left === 0) this.#busy.delete(account);
      else this.#busy.set(account, left);
    };
  }

  #bucketOf(account: string): TokenBucket {
    let bucket = this.#buckets.get(account);
    if (bucket === undefined) {
      bucket = new TokenBucket({ clock: this.#clock, perSecond: this.#limits.ratePerSecond });
      if (this.#buckets.size >= maxAccounts) this.#buckets.delete(this.#buckets.keys().next().value!);
      this.#buckets.set(account, bucket);
    }
    return bucket;
  }
}
