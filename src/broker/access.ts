/**
 * Who may write and read what, for every door that takes devices' credentials (MQTT and HTTP).
 *
 * Invariants: a machine writes its own 序列号 and reads its own replies; wildcards are nobody's; a password is compared
 * in constant time and an unknown user takes as long as a known one; a name at an address has a bounded number of
 * failed logins, and an address of all names together, checked before any hashing. Behind one address there may be a whole
 * site: one machine with a wrong password must not shut the others out. An address (IPv6: a /64) has two passwords checked
 * at a time: many guesses at once are no more than one after the other, and hold up nobody elsewhere. Passwords never
 * reach a log.
 * Failure behaviour: a refusal, never an exception; a broken hash in the configuration refuses that user.
 */
import { addressKey, CredentialCache, verifyPassword } from '../accounts/index.ts';
import { type Clock, Turns } from '../platform/index.ts';
import { isSerial } from '../protocols/machines/index.ts';
import { AddressWindow } from './token-bucket.ts';

/** A configured credential. */
export interface Credential {
  readonly username: string;
  /** Plain, or as `hashPassword` of `src/accounts` writes it. */
  readonly password: string;
  /** 序列号 that it may act for, `*` for all; without it the user name itself. */
  readonly serials?: readonly string[] | undefined;
  /** What it may ask for on the topics of flows; nothing when it is a machine's. */
  readonly allow?: readonly FlowRight[] | undefined;
}

/** What flows may do (docs/nodes-protocol.md). */
export type FlowRight = 'report' | 'authorize' | 'query';

/** Who a connection or request acts for. */
export interface Identity {
  /** undefined: anonymous. */
  readonly username: string | undefined;
  /** Whether it may write reports of a 序列号 and read the replies to them. */
  mayActFor(serial: string): boolean;
  readonly allow: ReadonlySet<FlowRight>;
}

/** Why a login was refused: `plain` without TLS from outside the networks allowed for that, `attempts` too many. */
export type LoginRefusal = 'credentials' | 'plain' | 'attempts';

/** A login as a door sees it. */
export interface Login {
  readonly username: string | undefined;
  readonly password: Buffer | undefined;
  /** The peer's address; logins are limited per address (IPv6: per /64). */
  readonly address: string;
  /** Whether a password may be taken over this connection: it has TLS, or comes from `plainFrom`. */
  readonly mayCarryPassword: boolean;
}

/** What `Access` is made of. */
export interface AccessOptions {
  readonly clients: readonly Credential[];
  /** Anybody may write and read without a credential. A known user's password is still checked. */
  readonly anonymous: boolean;
  readonly clock: Clock;
  /** Failed logins per minute of one name at one address (20). */
  readonly maxFailuresPerMinute?: number;
  /** The same of all names at one address (100). */
  readonly maxFailuresPerAddress?: number;
}

const checksAtOnce = 2;

/** Decides on logins, and on topics to read. */
export class Access {
  readonly #options: AccessOptions;
  readonly #clients = new Map<string, { readonly password: string; readonly identity: Identity }>();
  /** By address, and by address and name. */
  readonly #failures: { readonly all: AddressWindow; readonly named: AddressWindow };
  readonly #anybody: Identity = { username: undefined, mayActFor: () => true, allow: new Set() };
  readonly #turns = new Turns(checksAtOnce);
  /** A hash takes 50 ms and more, and HTTP brings the password with every request. */
  readonly #checked: CredentialCache;

  constructor(options: AccessOptions) {
    const { clock, clients, maxFailuresPerMinute = 20, maxFailuresPerAddress = 100 } = options;
    this.#options = options;
    for (const client of clients) this.grant(client);
    this.#failures = {
      all: new AddressWindow({ clock, windowMs: 60_000, most: maxFailuresPerAddress }),
      named: new AddressWindow({ clock, windowMs: 60_000, most: maxFailuresPerMinute }),
    };
    // An unknown user is compared with somebody's hash, if there is one, and refused.
    const decoy = clients.find(({ password }) => password.startsWith('$scrypt$'))?.password ?? '';
    this.#checked = new CredentialCache({
      clock,
      verify: async (username, password) => {
        const stored = this.#clients.get(username)?.password;
        return (await verifyPassword(password, stored ?? decoy)) && stored !== undefined;
      },
    });
  }

  /** True when a connection without a credential is let in. */
  get isOpen(): boolean {
    return this.#options.anonymous;
  }

  /** Lets one more client in, or one of that name with another password from now on. */
  grant({ username, password, serials = [username], allow = [] }: Credential): void {
    const allowed = new Set(serials);
    const mayActFor = allowed.has('*') ? () => true : (serial: string) => allowed.has(serial);
    this.#clients.set(username, { password, identity: { username, mayActFor, allow: new Set(allow) } });
  }

  /** Resolves to who logs in, or to why not. Never rejects. */
  async login({ username, password, address, mayCarryPassword }: Login): Promise<Identity | LoginRefusal> {
    const client = username === undefined ? undefined : this.#clients.get(username);
    if (this.isOpen && client === undefined) return this.#anybody;
    if (username === undefined || password === undefined) return 'credentials';
    if (!mayCarryPassword) return 'plain';
    const place = addressKey(address);
    const name = `${place} ${username.slice(0, 128)}`;
    if (this.#isFull(place, name)) return 'attempts';
    const text = password.toString();
    if (client !== undefined && this.#checked.knows(username, text)) return client.identity;
    return this.#turns.take(place, async () => {
      // Those in front have failed meanwhile.
      if (this.#isFull(place, name)) return 'attempts';
      const isRight = await this.#checked.check(username, text).catch(() => false);
      if (isRight && client !== undefined) return client.identity;
      this.#failures.all.count(place);
      this.#failures.named.count(name);
      return 'credentials';
    });
  }

  #isFull(place: string, name: string): boolean {
    return this.#failures.all.isFull(place) || this.#failures.named.isFull(name);
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
}
