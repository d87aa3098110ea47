import { TokenBucket } from '../../../broker/index.ts';
import type { Clock } from '../../../platform/index.ts';

/** How much one account, and all of them, may ask. */
export interface QueryLimits {
  /** Queries per second of an account on average; 0 = no limit. */
  readonly ratePerSecond: number;
  /** Queries of one account under way at once, from the store's first work to the answer's last byte. */
  readonly perAccount: number;
  /** Queries of all accounts under way at once. */
  readonly inAll: number;
  /** Of them, those with a large answer in memory; one of an account, and further ones wait for their turn. */
  readonly largeInAll: number;
  /** A client that takes nothing of its answer for so long is cut off, ms. */
  readonly stalledMs: number;
}

export const defaultQueryLimits: QueryLimits = {
  ratePerSecond: 50,
  perAccount: 16,
  inAll: 64,
  largeInAll: 4,
  stalledMs: 30_000,
};

const maxAccounts = 10_000;

/** A query that was let through. */
export interface Place {
  /** Resolves when the query may have a large answer in memory. Idempotent. */
  grow(): Promise<void>;
  /** Gives back everything. Idempotent. */
  leave(): void;
}

/** Lets queries through, up to the limits. */
export class Gate {
  readonly #clock: Clock;
  readonly limits: QueryLimits;
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #busy = new Map<string, number>();
  #inAll = 0;
  /** Accounts with a large answer, and those that wait to have one. */
  readonly #large = new Set<string>();
  #waiting: { readonly account: string; readonly begin: () => void }[] = [];

  constructor(clock: Clock, limits: QueryLimits) {
    this.#clock = clock;
    this.limits = limits;
  }

  /** Takes a place; undefined when there is none. */
  enter(account: string): Place | undefined {
    const busy = this.#busy.get(account) ?? 0;
    if (this.#inAll >= this.limits.inAll || busy >= this.limits.perAccount) return undefined;
    if (this.#bucketOf(account).take() > 0) return undefined;
    this.#inAll++;
    this.#busy.set(account, busy + 1);
    let isLarge = false;
    let growing: Promise<void> | undefined;
    let isOver = false;
    return {
      grow: () => {
        growing ??= new Promise((resolve) => {
          const begin = () => {
            resolve();
            if (isOver) return;
            isLarge = true;
            this.#large.add(account);
          };
          this.#waiting.push({ account, begin });
          this.#admit();
        });
        return growing;
      },
      leave: () => {
        if (isOver) return;
        isOver = true;
        this.#inAll--;
        const left = this.#busy.get(account)! - 1;
        if (left === 0) this.#busy.delete(account);
        else this.#busy.set(account, left);
        if (!isLarge) return;
        this.#large.delete(account);
        this.#admit();
      },
    };
  }

  /** Lets those begin that have waited longest and may. */
  #admit(): void {
    this.#waiting = this.#waiting.filter(({ account, begin }) => {
      if (this.#large.size >= this.limits.largeInAll || this.#large.has(account)) return true;
      begin();
      return false;
    });
  }

  #bucketOf(account: string): TokenBucket {
    let bucket = this.#buckets.get(account);
    if (bucket === undefined) {
      bucket = new TokenBucket({ clock: this.#clock, perSecond: this.limits.ratePerSecond });
      if (this.#buckets.size >= maxAccounts) this.#buckets.delete(this.#buckets.keys().next().value!);
      this.#buckets.set(account, bucket);
    }
    return bucket;
  }
}
