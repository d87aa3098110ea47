/**
 * Login and tokens, with the limits on guessing either.
 *
 * Invariants: whether an account exists shows neither in the answer nor in the time; each attempt counts before it is
 * checked. A limit on an account never shuts its owner out: it holds at most half a minute, and not at all at an address
 * from which this account logged in before; while a limit on an address, up to five minutes, is the guesser's own.
 * Failure behaviour: rejects with `database-unreachable` as the store does; such an attempt does not count.
 */
import type { Clock } from '../platform/index.ts';
import type { Account } from './account.ts';
import type { Accounts } from './accounts.ts';
import { type AttemptLimits, Attempts, addressKey } from './attempts.ts';
import type { Sessions } from './sessions.ts';

/** What became of a login. */
export type LoginOutcome =
  | { readonly kind: 'open'; readonly token: string; readonly account: Account }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'limited'; readonly waitMs: number };

/** What became of a token. */
export type TokenOutcome =
  | { readonly kind: 'account'; readonly account: Account }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'limited'; readonly waitMs: number };

/** Failures per address, per account, and tokens that nobody has per address. */
export interface LoginLimits {
  readonly perAddress: AttemptLimits;
  readonly perAccount: AttemptLimits;
  readonly tokens: AttemptLimits;
}

const minute = 60_000;
export const defaultLoginLimits: LoginLimits = {
  perAddress: { free: 5, firstDelayMs: 1000, maxDelayMs: 5 * minute, forgetMs: 15 * minute, capacity: 10_000 },
  perAccount: { free: 10, firstDelayMs: 1000, maxDelayMs: minute / 2, forgetMs: 15 * minute, capacity: 10_000 },
  tokens: { free: 20, firstDelayMs: 1000, maxDelayMs: 5 * minute, forgetMs: 15 * minute, capacity: 10_000 },
};

/** Logins that are checked or wait for it at once; each keeps a thread busy for a while. */
const maxUnderWay = 32;
const maxKnown = 10_000;
/** Stale tokens that are remembered, so that a page that goes on asking with one is no guesser. */
const maxStale = 10_000;

export class Login {
  readonly #accounts: Accounts;
  readonly #sessions: Sessions;
  readonly #perAddress: Attempts;
  readonly #perAccount: Attempts;
  readonly #tokens: Attempts;
  /** Address and account that belong together: a login from there was right. */
  readonly #known = new Set<string>();
  /** Address and token that was counted already. */
  readonly #stale = new Set<string>();
  /** Address and token that is being looked up: many requests with one token at once are one attempt. */
  readonly #checking = new Set<string>();
  #underWay = 0;

  constructor(options: { accounts: Accounts; sessions: Sessions; clock: Clock; limits?: LoginLimits }) {
    const { accounts, sessions, clock, limits = defaultLoginLimits } = options;
    this.#accounts = accounts;
    this.#sessions = sessions;
    this.#perAddress = new Attempts(clock, limits.perAddress);
    this.#perAccount = new Attempts(clock, limits.perAccount);
    this.#tokens = new Attempts(clock, limits.tokens);
  }

  /** Opens a session for a name and what arrived as 密码. */
  async login(name: string, password: string, address: string | undefined): Promise<LoginOutcome> {
    const from = addressKey(address);
    // Names may be as long as a URL: what is kept of one is bounded.
    const account = name.slice(0, 128);
    const pair = `${from} ${account}`;
    const isKnown = this.#known.has(pair);
    const waitMs = Math.max(this.#perAddress.waitMs(from), isKnown ? 0 : this.#perAccount.waitMs(account));
    if (waitMs > 0) return { kind: 'limited', waitMs };
    if (this.#underWay >= maxUnderWay) return { kind: 'limited', waitMs: 1000 };
    const attempts = [this.#perAddress.begin(from), ...(isKnown ? [] : [this.#perAccount.begin(account)])];
    const takeBack = () => {
      for (const attempt of attempts) attempt.takeBack();
    };
    this.#underWay++;
    try {
      const found = await this.#accounts.verify(name, password);
      if (found === undefined) return { kind: 'wrong' };
      const token = await this.#sessions.open(found);
      takeBack();
      remember(this.#known, pair, maxKnown);
      return { kind: 'open', token, account: found };
    } catch (error) {
      takeBack();
      throw error;
    } finally {
      this.#underWay--;
    }
  }

  /** The account of a token. A token that was right before is heard also while its address has to wait. */
  async account(token: string, address: string | undefined): Promise<TokenOutcome> {
    const from = addressKey(address);
    const waitMs = this.#tokens.waitMs(from);
    if (waitMs > 0 && !this.#sessions.isKnown(token)) return { kind: 'limited', waitMs };
    const stale = `${from} ${token.slice(0, 64)}`;
    // Known as stale, or none at all: not an attempt at anything new.
    const isCounted = token === '' || this.#stale.has(stale) || this.#checking.has(stale);
    const attempt = isCounted ? undefined : this.#tokens.begin(from);
    if (attempt !== undefined) this.#checking.add(stale);
    try {
      const account = await this.#sessions.use(token);
      if (account !== undefined) {
        attempt?.takeBack();
        return { kind: 'account', account };
      }
      if (token !== '') remember(this.#stale, stale, maxStale);
      return { kind: 'unknown' };
    } catch (error) {
      attempt?.takeBack();
      throw error;
    } finally {
      if (attempt !== undefined) this.#checking.delete(stale);
    }
  }

  /** Ends the session of a token. */
  logout(token: string): Promise<void> {
    return this.#sessions.close(token);
  }
}

function remember(set: Set<string>, entry: string, most: number): void {
  set.delete(entry);
  set.add(entry);
  if (set.size > most) set.delete(set.values().next().value!);
}
