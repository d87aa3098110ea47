/**
 * Who may write and read what, for every door that takes devices' credentials (MQTT and HTTP).
 *
 * Invariants: a machine writes its own 序列号 and reads its own replies; wildcards are nobody's; a password is compared
 * in constant time and an unknown user takes as long as a known one; a failed login costs its address one of a bounded
 * number of attempts, checked before any hashing. Passwords never reach a log.
 * Failure behaviour: a refusal, never an exception; a broken hash in the configuration refuses that user.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../platform/index.ts';
import { isSerial } from '../protocols/machines/index.ts';
import { AddressWindow } from './token-bucket.ts';

/** A configured credential. */
export interface Credential {
  readonly username: string;
  /** Plain, or a hash that begins with `$`. */
  readonly password: string;
  /** 序列号 that it may act for, `*` for all; without it the user name itself. */
  readonly serials?: readonly string[] | undefined;
}

/** Who a connection or request acts for. */
export interface Identity {
  /** undefined: anonymous. */
  readonly username: string | undefined;
  /** Whether it may write reports of a 序列号 and read the replies to them. */
  mayActFor(serial: string): boolean;
}

/** Why a login was refused: `plain` without TLS from outside the networks allowed for that, `attempts` too many. */
export type LoginRefusal = 'credentials' | 'plain' | 'attempts';

/** A login as a door sees it. */
export interface Login {
  readonly username: string | undefined;
  readonly password: Buffer | undefined;
  /** The peer's address; logins are limited per address. */
  readonly address: string;
  /** Whether a password may be taken over this connection: it has TLS, or comes from `plainFrom`. */
  readonly mayCarryPassword: boolean;
}

/** What `Access` is made of. */
export interface AccessOptions {
  readonly clients: readonly Credential[];
  /** Anybody may write and read without a credential. A known user's password is still checked. */
  readonly anonymous: boolean;
  /** Compares a password with a hash (`src/accounts`); resolves to false for a broken hash. */
  readonly verifyHash: (password: string, hash: string) => Promise<boolean>;
  readonly clock: Clock;
  /** Failed logins per address and minute. */
  readonly maxFailuresPerMinute?: number;
}

const rememberedMs = 600_000;
const maxRemembered = 4096;

/** Decides on logins, and on topics to read. */
export class Access {
  readonly #options: AccessOptions;
  readonly #clients = new Map<string, { readonly password: string; readonly identity: Identity }>();
  readonly #failures: AddressWindow;
  readonly #key = randomBytes(32);
  readonly #anybody: Identity = { username: undefined, mayActFor: () => true };
  /** Successful hashed logins: a hash takes 50 ms and HTTP brings the password with every request. */
  readonly #remembered = new Map<string, number>();
  readonly #decoy: string | undefined;

  constructor(options: AccessOptions) {
    this.#options = options;
    for (const { username, password, serials = [username] } of options.clients) {
      const allowed = new Set(serials);
      const mayActFor = allowed.has('*') ? () => true : (serial: string) => allowed.has(serial);
      this.#clients.set(username, { password, identity: { username, mayActFor } });
    }
    this.#decoy = options.clients.find(({ password }) => password.startsWith('$'))?.password;
    const { clock, maxFailuresPerMinute = 20 } = options;
    this.#failures = new AddressWindow({ clock, windowMs: 60_000, most: maxFailuresPerMinute });
  }

  /** True when a connection without a credential is let in. */
  get isOpen(): boolean {
    return this.#options.anonymous;
  }

  /** Resolves to who logs in, or to why not. Never rejects. */
  async login({ username, password, address, mayCarryPassword }: Login): Promise<Identity | LoginRefusal> {
    const client = username === undefined ? undefined : this.#clients.get(username);
    if (this.isOpen && client === undefined) return this.#anybody;
    if (username === undefined || password === undefined) return 'credentials';
    if (!mayCarryPassword) return 'plain';
    const text = password.toString();
    const proof = this.#proof(JSON.stringify([username, text])).toString('base64');
    if (client !== undefined && this.#isRemembered(proof)) return client.identity;
    // Counted before the comparison, so that attempts at once are counted too.
    if (!this.#failures.take(address)) return 'attempts';
    if (!(await this.#matches(text, client?.password))) return 'credentials';
    this.#failures.giveBack(address);
    if (client === undefined) return 'credentials';
    if (client.password.startsWith('$')) this.#remember(proof);
    return client.identity;
  }

  /**
   * Whether somebody may read a topic: the reply topic of a machine's channel and a 序列号 that it may act for. Where
   * the name can be read in two ways (channels `a` and `a_b`), every reading must be allowed. Replies to messages
   * without a usable 序列号 (`<channel>_unknown_res`) carry nothing and are open to all.
   */
  mayRead(identity: Identity, topic: string, channels: Iterable<string>): boolean {
    let readings = 0;
    if (!topic.endsWith('_res')) return false;
    for (const channel of channels) {
      if (!topic.startsWith(`${channel}_`)) continue;
      const serial = topic.slice(channel.length + 1, -4);
      if (!isSerial(serial)) continue;
      if (serial !== 'unknown' && !identity.mayActFor(serial)) return false;
      readings++;
    }
    return readings > 0;
  }

  async #matches(given: string, stored: string | undefined): Promise<boolean> {
    if (stored === undefined) {
      if (this.#decoy !== undefined) await this.#verify(given, this.#decoy);
      return false;
    }
    if (stored.startsWith('$')) return this.#verify(given, stored);
    return timingSafeEqual(this.#proof(given), this.#proof(stored));
  }

  async #verify(given: string, hash: string): Promise<boolean> {
    try {
      return await this.#options.verifyHash(given, hash);
    } catch {
      return false;
    }
  }

  #proof(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }

  #isRemembered(proof: string): boolean {
    const sinceMs = this.#remembered.get(proof);
    return sinceMs !== undefined && this.#options.clock.monotonicMs() - sinceMs < rememberedMs;
  }

  #remember(proof: string): void {
    this.#remembered.delete(proof);
    this.#remembered.set(proof, this.#options.clock.monotonicMs());
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= maxRemembered) break;
      this.#remembered.delete(oldest);
    }
  }
}
