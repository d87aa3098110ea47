/**
 * Takes over the accounts that the centre pushes, so that people can log in at the box while the centre is away.
 *
 * Invariants: nothing is taken over that the pinned centre did not sign for this gateway; an older version changes
 * nothing; accounts made here stay, and of two with one name the one made here counts, except for the first
 * administrator that this program made by itself. Who lost an account, or has a new password, is out at once.
 * Failure behaviour: a push that is not the centre's is refused with an alarm, and what was there stays. When the store
 * fails, `apply` rejects: the push must come again, and doing it twice is the same as once.
 */
import { createHash, type KeyObject } from 'node:crypto';
import type { Alarms } from '../alarms.ts';
import type { Logger } from '../platform/index.ts';
import { type PushedAccount, readAccountPush } from '../protocols/machines/index.ts';
import type { DocumentStore } from '../store/index.ts';
import { accountStateCollection, isLabel, maxCustomers, type StoredAccount } from './account.ts';
import type { Accounts } from './accounts.ts';

/** What became of a push; `unpinned`: there is no key of a centre to check it by. */
export type AccountPushOutcome = 'applied' | 'older' | 'refused' | 'unpinned';

/** What an AccountSync is made of. */
export interface AccountSyncOptions {
  readonly accounts: Accounts;
  readonly store: DocumentStore;
  readonly gatewayId: string;
  /** The pinned public key of the centre; undefined when there is none. */
  readonly centreKey: () => KeyObject | undefined;
  readonly alarms: Alarms;
  readonly logger: Logger;
}

const stateId = 'centre';

export class AccountSync {
  readonly #options: AccountSyncOptions;
  /** One push after the other, in the order in which they came. */
  #last: Promise<unknown> = Promise.resolve();
  #saidUnpinned = false;

  constructor(options: AccountSyncOptions) {
    this.#options = options;
  }

  /** Applies the body of a push with 类型 账号变更. Rejects with `database-unreachable`; then it must come again. */
  apply(body: Uint8Array): Promise<AccountPushOutcome> {
    const mine = this.#last.then(() => this.#apply(body));
    this.#last = mine.catch(() => {});
    return mine;
  }

  async #apply(body: Uint8Array): Promise<AccountPushOutcome> {
    const { store, gatewayId, centreKey, alarms, logger } = this.#options;
    const key = centreKey();
    if (key === undefined) {
      // Not a fault: such a site has local accounts only.
      if (!this.#saidUnpinned) logger.info({}, 'accounts of the centre are not taken over: no key of it is pinned');
      this.#saidUnpinned = true;
      return 'unpinned';
    }
    const push = readAccountPush(body, gatewayId, key);
    if (push === undefined) return this.#refuse('it is not signed by the centre for this gateway');
    if (!push.accounts.every(isSound)) return this.#refuse('an account in it cannot be one');
    const fingerprint = createHash('sha256')
      .update(key.export({ type: 'spki', format: 'der' }))
      .digest('hex');
    const [state] = await store.find(accountStateCollection, { filter: { _id: stateId }, limit: 1 });
    // Another centre counts its own versions.
    if (state?.key === fingerprint && Number(state.version) > push.version) return 'older';
    await this.#replace(push.accounts);
    await store.put(accountStateCollection, { _id: stateId, version: BigInt(push.version), key: fingerprint });
    alarms.clear('accounts-refused');
    logger.info({ version: push.version, accounts: push.accounts.length }, 'accounts of the centre were taken over');
    return 'applied';
  }

  async #replace(pushed: readonly PushedAccount[]): Promise<void> {
    const { accounts, logger } = this.#options;
    const present = new Map((await accounts.stored()).map((account) => [account.name, account]));
    const names = new Set(pushed.map(({ name }) => name));
    for (const { name, origin } of present.values()) {
      if (origin === 'centre' && !names.has(name)) await accounts.dropSynchronized(name);
    }
    for (const account of pushed) {
      const before = present.get(account.name);
      if (before?.origin === 'local') {
        logger.warn({ account: account.name }, 'an account of the centre is not used: one made here has its name');
        continue;
      }
      const now: StoredAccount = { ...account, origin: 'centre' };
      if (before === undefined || !isSame(before, now)) await accounts.putSynchronized(now, before);
    }
    if (pushed.length > 0 || [...present.values()].some(({ origin }) => origin === 'centre')) await accounts.changed();
  }

  #refuse(reason: string): AccountPushOutcome {
    this.#options.alarms.raise('accounts-refused', { reason });
    return 'refused';
  }
}

const isSound = ({ name, customers }: PushedAccount): boolean =>
  isLabel(name) && customers.length <= maxCustomers && customers.every(isLabel);

const isSame = (one: StoredAccount, other: StoredAccount): boolean =>
  one.origin === other.origin &&
  one.stamp === other.stamp &&
  one.hash === other.hash &&
  one.role === other.role &&
  one.updatedAt === other.updatedAt &&
  one.customers.join('\n') === other.customers.join('\n');
