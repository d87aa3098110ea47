/**
 * The accounts of the HTTP queries, at the centre and on the box (contracts/README.md, 'People').
 *
 * Invariants: what is kept of a password is scrypt of the value that arrives as 密码; an unknown account costs as much
 * time as a known one; each change raises `version`, after it is in the store, so that whoever reads the version first
 * and the accounts then has at least what that version had.
 * Failure behaviour: rejects with `database-unreachable` as the store does; a change may then have happened or not.
 */
import { randomBytes } from 'node:crypto';
import { HoldfastError } from '../errors.ts';
import type { Clock, SiteTime } from '../platform/index.ts';
import { accountKeys, type RoleName, sessionKeys } from '../protocols/machines/index.ts';
import type { DocumentStore } from '../store/index.ts';
import {
  type Account,
  type AccountOrigin,
  accountCollection,
  accountStateCollection,
  fromDocument,
  isLabel,
  maxCustomers,
  newStamp,
  type StoredAccount,
  sessionCollection,
  toDocument,
} from './account.ts';
import { hashPassword, verifyPassword } from './password.ts';
import { normalWirePassword } from './wire-password.ts';

/** What accounts are made of. */
export interface AccountsOptions {
  readonly store: DocumentStore;
  readonly clock: Clock;
  readonly siteTime: SiteTime;
}

/** A new account. `password` is the value that arrives as 密码, never the plain one. */
export interface NewAccount {
  readonly name: string;
  readonly password: string;
  readonly customers: readonly string[];
  readonly role: RoleName;
  readonly origin?: AccountOrigin;
}

const stateId = 'accounts';

/** Parameters of a hash as `hashPassword` makes it, of a password that nobody has. */
const nobodysHash = `$scrypt$ln=14,r=8,p=1$${text(16)}$${text(32)}`;

export class Accounts {
  readonly #options: AccountsOptions;

  constructor(options: AccountsOptions) {
    this.#options = options;
  }

  /** Makes an account. Rejects with `usage` for a name or customer that cannot be one, `account-exists` for a taken name. */
  async add({ name, password, customers, role, origin = 'local' }: NewAccount): Promise<Account> {
    checkName(name);
    checkCustomers(customers);
    const hash = await hashPassword(normalWirePassword(password));
    const now = this.#now();
    const account: StoredAccount = {
      name,
      customers: [...new Set(customers)],
      role,
      createdAt: now,
      updatedAt: now,
      origin,
      hash,
      stamp: newStamp(),
    };
    const [outcome] = await this.#options.store.insertBatch(accountCollection, [
      { document: toDocument(account), series: name },
    ]);
    if (outcome?.kind === 'error') throw new HoldfastError('database-unreachable', outcome.reason);
    if (outcome?.kind !== 'inserted') {
      throw new HoldfastError('account-exists', `there is an account ${name} already; passwd changes its password`);
    }
    await this.changed();
    return account;
  }

  /** All accounts, by name. */
  async list(): Promise<Account[]> {
    return (await this.stored()).map(({ hash: _hash, stamp: _stamp, ...account }) => account);
  }

  /** Sets another password, and ends the account's sessions. Rejects with `not-found`. */
  async setPassword(name: string, password: string): Promise<void> {
    const hash = await hashPassword(normalWirePassword(password));
    const { store } = this.#options;
    const before = await this.find(name);
    if (before === undefined) throw noAccount(name);
    if (before.origin === 'centre') throw fromCentre(name);
    const set = {
      [accountKeys.password]: hash,
      [accountKeys.updatedAt]: this.#now(),
      _stamp: newStamp(),
      _origin: 'local',
    };
    if ((await store.update(accountCollection, name, { set })) === undefined) throw noAccount(name);
    await this.#endSessions(name);
    await this.changed();
  }

  /** Removes an account and its sessions. Rejects with `not-found`. */
  async remove(name: string): Promise<void> {
    const before = await this.find(name);
    if (before?.origin === 'centre') throw fromCentre(name);
    if ((await this.#options.store.remove(accountCollection, { _id: name })) === 0) throw noAccount(name);
    await this.#endSessions(name);
    await this.changed();
  }

  /** True when there is any account. */
  async hasAny(): Promise<boolean> {
    return (await this.#options.store.find(accountCollection, { limit: 1 })).length > 0;
  }

  /** The account whose password this is; as slow for one that is not there. */
  async verify(name: string, password: string): Promise<StoredAccount | undefined> {
    const account = isLabel(name) ? await this.find(name) : undefined;
    const isRight = await verifyPassword(normalWirePassword(password), account?.hash ?? nobodysHash);
    return isRight ? account : undefined;
  }

  /** An account with its hash; for this room only. */
  async find(name: string): Promise<StoredAccount | undefined> {
    const [document] = await this.#options.store.find(accountCollection, { filter: { _id: name }, limit: 1 });
    return document && fromDocument(document);
  }

  /** Every account with its hash, by name: what the centre pushes to its gateways. */
  async stored(): Promise<StoredAccount[]> {
    const documents = await this.#options.store.find(accountCollection, { sort: [['_id', 1]] });
    return documents.map(fromDocument).filter((account) => account !== undefined);
  }

  /** Number of the last change; 0 before the first. */
  async version(): Promise<number> {
    const [state] = await this.#options.store.find(accountStateCollection, { filter: { _id: stateId }, limit: 1 });
    return Number(state?.version ?? 0);
  }

  /** Raises the number of the last change, for every copy of the centre to see. */
  async changed(): Promise<number> {
    const change = { add: { version: 1n } };
    const state = await this.#options.store.update(accountStateCollection, stateId, change, { insert: true });
    return Number(state?.version ?? 0);
  }

  /** Puts an account that the centre sent in the place of the one here. Its sessions end when the password is another. */
  async putSynchronized(account: StoredAccount, before: StoredAccount | undefined): Promise<void> {
    await this.#options.store.put(accountCollection, toDocument(account));
    if (before !== undefined && before.stamp !== account.stamp) await this.#endSessions(account.name);
  }

  /** Removes an account that the centre no longer sends, with its sessions. */
  async dropSynchronized(name: string): Promise<void> {
    await this.#options.store.remove(accountCollection, { _id: name });
    await this.#endSessions(name);
  }

  /** Housekeeping: by its stamp, a session is over already. */
  async #endSessions(name: string): Promise<void> {
    await this.#options.store.remove(sessionCollection, { [sessionKeys.account]: name });
  }

  #now(): string {
    return this.#options.siteTime.format(this.#options.clock.wallMs());
  }
}

function checkName(name: string): void {
  if (isLabel(name)) return;
  throw new HoldfastError('usage', 'an account has a name of 1 to 128 characters without control characters');
}

function checkCustomers(customers: readonly string[]): void {
  if (customers.length > maxCustomers)
    throw new HoldfastError('usage', `an account has at most ${maxCustomers} customers`);
  for (const customer of customers) {
    if (!isLabel(customer)) throw new HoldfastError('usage', `${JSON.stringify(customer)} is no name of a customer`);
  }
}

const noAccount = (name: string) =>
  new HoldfastError('not-found', `there is no account ${name}; 'holdfast user list' shows them`);
const fromCentre = (name: string) =>
  new HoldfastError('account-of-centre', `the account ${name} comes from the centre; change it there`);

function text(bytes: number): string {
  return randomBytes(bytes).toString('base64').replace(/=+$/, '');
}
