/**
 * Sessions: a token that stands for an account for 24 h from its last use.
 *
 * Invariants: what is stored of a token is its SHA-256, so that who reads the database cannot use one; a session counts
 * only while the account's stamp is the one that it was opened under, so that a new password or a removal ends it in
 * that instant, in every copy and also when removing the sessions fails. An account has at most `perAccount` sessions.
 * Failure behaviour: rejects with `database-unreachable` as the store does.
 *
 * Time: 失效时间 is wall time. On a box whose clock is wrong and jumps forward a session ends early; where it jumps back,
 * the monotonic time since the last use in this process ends it.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { Clock, SiteTime } from '../platform/index.ts';
import { sessionKeys } from '../protocols/machines/index.ts';
import type { DocumentStore, StoredDocument } from '../store/index.ts';
import { type Account, type StoredAccount, sessionCollection } from './account.ts';
import type { Accounts } from './accounts.ts';

/** What sessions are made of. */
export interface SessionsOptions {
  readonly store: DocumentStore;
  readonly accounts: Accounts;
  readonly clock: Clock;
  readonly siteTime: SiteTime;
  /** From the last use (24 h). */
  readonly lifetimeMs?: number;
  /** Sessions of one account at once (32); the one that expires first makes room. */
  readonly perAccount?: number;
}

/** A use is written down only when so much of the lifetime has passed: not one write for each query. */
const renewAfterMs = 60_000;
/** Sessions whose last use is remembered in memory; a forgotten one is judged by wall time alone. */
const maxRemembered = 10_000;

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #lifetimeMs: number;
  readonly #perAccount: number;
  /** SHA-256 of a token that was right → monotonic ms of its last use, oldest first. */
  readonly #lastUse = new Map<string, number>();

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#lifetimeMs = options.lifetimeMs ?? 86_400_000;
    this.#perAccount = options.perAccount ?? 32;
  }

  /** Opens a session and resolves with its token: the last 12 characters of a random uuid, 48 random bits. */
  async open(account: StoredAccount): Promise<string> {
    const { store, clock, siteTime } = this.#options;
    const filter = { [sessionKeys.account]: account.name };
    const present = await store.find(sessionCollection, { filter, sort: [['_expires', 1]] });
    const surplus = present.slice(0, Math.max(0, present.length - this.#perAccount + 1)).map(({ _id }) => _id);
    if (surplus.length > 0) await store.remove(sessionCollection, { _id: { oneOf: surplus } });
    for (;;) {
      const token = randomUUID().slice(-12);
      const id = digestOf(token);
      const document: StoredDocument = {
        _id: id,
        [sessionKeys.account]: account.name,
        [sessionKeys.token]: id,
        [sessionKeys.createdAt]: siteTime.format(clock.wallMs()),
        ...this.#expiry(),
        _stamp: account.stamp,
      };
      const [outcome] = await store.insertBatch(sessionCollection, [{ document, series: id }]);
      if (outcome?.kind === 'error') throw new Error(outcome.reason);
      if (outcome?.kind !== 'inserted') continue;
      this.#remember(id);
      return token;
    }
  }

  /** The account that a token stands for; undefined when it stands for none. Counts as a use. */
  async use(token: string): Promise<Account | undefined> {
    if (!isToken(token)) return undefined;
    const { store, accounts, clock } = this.#options;
    const id = digestOf(token);
    const lastUse = this.#lastUse.get(id);
    const [session] = await store.find(sessionCollection, { filter: { _id: id }, limit: 1 });
    if (session === undefined) return this.#forget(id);
    const expires = session._expires;
    const leftMs = expires instanceof Date ? expires.getTime() - clock.wallMs() : 0;
    const isUnused = lastUse !== undefined && clock.monotonicMs() - lastUse >= this.#lifetimeMs;
    if (leftMs <= 0 || isUnused) return this.#forget(id);
    const name = session[sessionKeys.account];
    const account = typeof name === 'string' ? await accounts.find(name) : undefined;
    if (account === undefined || account.stamp !== session._stamp) return this.#forget(id);
    this.#remember(id);
    // `update` makes nothing new: a session that was ended meanwhile stays ended.
    if (this.#lifetimeMs - leftMs >= Math.min(renewAfterMs, this.#lifetimeMs / 10)) {
      await store.update(sessionCollection, id, { set: this.#expiry() });
    }
    return account;
  }

  /** True for a token that was right when this process saw it last: who guesses does not have one. */
  isKnown(token: string): boolean {
    return isToken(token) && this.#lastUse.has(digestOf(token));
  }

  /** Ends a session; one that is not there is no error. */
  async close(token: string): Promise<void> {
    if (!isToken(token)) return;
    const id = digestOf(token);
    this.#lastUse.delete(id);
    await this.#options.store.remove(sessionCollection, { _id: id });
  }

  /** Removes the expired ones and resolves with how many. */
  sweep(): Promise<number> {
    return this.#options.store.remove(sessionCollection, {
      _expires: { atMost: new Date(this.#options.clock.wallMs()) },
    });
  }

  #expiry(): { _expires: Date; [key: string]: Date | string } {
    const expiresMs = this.#options.clock.wallMs() + this.#lifetimeMs;
    return { [sessionKeys.expiresAt]: this.#options.siteTime.format(expiresMs), _expires: new Date(expiresMs) };
  }

  #remember(id: string): void {
    this.#lastUse.delete(id);
    this.#lastUse.set(id, this.#options.clock.monotonicMs());
    if (this.#lastUse.size > maxRemembered) this.#lastUse.delete(this.#lastUse.keys().next().value!);
  }

  #forget(id: string): undefined {
    this.#lastUse.delete(id);
  }
}

/** Of a token only its digest is kept and looked for: comparing takes no time that would tell anything of it. */
const digestOf = (token: string): string => createHash('sha256').update(token).digest('hex');
const isToken = (text: string): boolean => /^[0-9a-f]{12}$/.test(text);
