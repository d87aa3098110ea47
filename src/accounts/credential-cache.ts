import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../platform/index.ts';

/** What a cache is made of. */
export interface CredentialCacheOptions {
  readonly clock: Clock;
  /** Does the slow work: `verifyPassword` against what is stored for that user. */
  readonly verify: (username: string, password: string) => Promise<boolean>;
  /** How long a checked pair is believed (5 minutes). */
  readonly lifetimeMs?: number;
  /** Pairs that are remembered (1000); the oldest is forgotten. */
  readonly capacity?: number;
}

/**
 * Remembers for a while which pairs of user and password were right, so that a client that sends its credential with
 * every request costs one slow hash in five minutes and not one each. Kept are keyed digests, whose key lives only in
 * this object: a memory dump shows no password, and no quick hash of one that could be tried out elsewhere.
 *
 * Only right pairs are remembered, so nobody can push them out by guessing; requests of the same pair at the same time
 * share one check.
 */
export class CredentialCache {
  readonly #clock: Clock;
  readonly #verify: CredentialCacheOptions['verify'];
  readonly #lifetimeMs: number;
  readonly #capacity: number;
  readonly #key = randomBytes(32);
  /** Digest of a right pair → monotonic ms until which it is believed; oldest first. */
  readonly #right = new Map<string, number>();
  readonly #underWay = new Map<string, Promise<boolean>>();
  #generation = 0;

  constructor({ clock, verify, lifetimeMs = 300_000, capacity = 1000 }: CredentialCacheOptions) {
    this.#clock = clock;
    this.#verify = verify;
    this.#lifetimeMs = lifetimeMs;
    this.#capacity = capacity;
  }

  /** True for a pair that was found right lately: costs next to nothing. */
  knows(username: string, password: string): boolean {
    const until = this.#right.get(this.#digest(username, password));
    return until !== undefined && this.#clock.monotonicMs() < until;
  }

  /** Tells whether the pair is right. Rejects when `verify` does. */
  async check(username: string, password: string): Promise<boolean> {
    const digest = this.#digest(username, password);
    const until = this.#right.get(digest);
    if (until !== undefined && this.#clock.monotonicMs() < until) return true;
    this.#right.delete(digest);
    let check = this.#underWay.get(digest);
    if (!check) {
      const mine = this.#verifyAndRemember(digest, username, password).finally(() => {
        if (this.#underWay.get(digest) === mine) this.#underWay.delete(digest);
      });
      this.#underWay.set(digest, mine);
      check = mine;
    }
    return check;
  }

  /** Forgets everything: to be called when a password was changed or an account removed. */
  clear(): void {
    this.#generation++;
    this.#right.clear();
    this.#underWay.clear();
  }

  async #verifyAndRemember(digest: string, username: string, password: string): Promise<boolean> {
    const generation = this.#generation;
    const right = await this.#verify(username, password);
    // An answer from before `clear` may be about the old password.
    if (!right || generation !== this.#generation) return right;
    this.#right.set(digest, this.#clock.monotonicMs() + this.#lifetimeMs);
    if (this.#right.size > this.#capacity) this.#right.delete(this.#right.keys().next().value!);
    return right;
  }

  #digest(username: string, password: string): string {
    // The length keeps `a` + `bc` and `ab` + `c` apart.
    return createHmac('sha256', this.#key).update(`${username.length}:${username}${password}`).digest('base64');
  }
}
