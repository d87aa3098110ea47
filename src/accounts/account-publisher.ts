/**
 * Brings accounts from the centre to the gateways that may know them: those that see everything, and those with a
 * customer of a machine that was seen there.
 *
 * Invariants: the number of the last change is read before the accounts, so a push holds at least what its version
 * says; a gateway is sent to only when what it should have differs from what it was sent last, and that is remembered in
 * the database, so that a restart of the centre sends nothing. Changes made elsewhere (`holdfast user` beside a running
 * centre, another copy) are found within `pollMs`.
 * Failure behaviour: what fails is logged once and tried again at the next look; a push sent twice is harmless.
 */
import { createHash, type KeyObject } from 'node:crypto';
import { describeError } from '../errors.ts';
import type { Clock, Logger, Timer } from '../platform/index.ts';
import { accountPushText, encodeAccountPush, type PushedAccount } from '../protocols/machines/index.ts';
import type { CollectionName, DocumentStore } from '../store/index.ts';
import type { StoredAccount } from './account.ts';
import type { Accounts } from './accounts.ts';

/** What an AccountPublisher is made of. */
export interface AccountPublisherOptions {
  readonly accounts: Accounts;
  readonly store: DocumentStore;
  /** The centre's Ed25519 key. */
  readonly privateKey: () => KeyObject;
  /** Every gateway that this centre knows. */
  gateways(): Promise<readonly string[]>;
  /** Customers of the machines that a gateway has seen. */
  customersAt(gateway: string): Promise<readonly string[]>;
  /** Sends to a gateway's control queue; resolves once it will arrive, also after a restart of the centre. */
  send(gateway: string, version: number, body: Buffer): Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often is looked for changes made elsewhere (2 s). */
  readonly pollMs?: number;
  /** How often every gateway is looked at, whatever was heard: a machine may have another customer now (5 min). */
  readonly fullMs?: number;
}

/** What each gateway was sent last: `_id` the gateway, `digest` of the accounts. */
const sentCollection: CollectionName = { database: 'gateway', collection: 'account_push' };

export class AccountPublisher {
  readonly #options: AccountPublisherOptions;
  /** Version that every gateway was looked at for, and when (monotonic ms). */
  #seen = -1;
  #seenAtMs = 0;
  /** Gateways that saw a machine, or a base information, that they had not seen before. */
  readonly #touched = new Set<string>();
  #timer: Timer | undefined;
  #work: Promise<void> | undefined;
  #failed = false;

  constructor(options: AccountPublisherOptions) {
    this.#options = options;
  }

  /** Begins to look for changes. Idempotent. */
  start(): void {
    this.#timer ??= this.#options.clock.every(this.#options.pollMs ?? 2000, () => void this.look());
  }

  /** Ends; resolves when nothing is under way. Idempotent. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#work;
  }

  /** To be called when a gateway is new, or sees a machine of a customer for the first time. */
  touch(gateway: string): void {
    this.#touched.add(gateway);
  }

  /** Looks for changes and sends them; never rejects. One at a time: a call meanwhile joins it. */
  look(): Promise<void> {
    this.#work ??= this.#look()
      .then(
        () => {
          this.#failed = false;
        },
        (error: unknown) => {
          if (!this.#failed) {
            this.#options.logger.warn({ error: describeError(error) }, 'accounts could not be brought to the gateways');
          }
          this.#failed = true;
        },
      )
      .finally(() => {
        this.#work = undefined;
      });
    return this.#work;
  }

  async #look(): Promise<void> {
    const { accounts, gateways, clock, fullMs = 300_000 } = this.#options;
    let version = await accounts.version();
    const nowMs = clock.monotonicMs();
    const isNew = version !== this.#seen || nowMs - this.#seenAtMs >= fullMs;
    if (!isNew && this.#touched.size === 0) return;
    const touched = [...this.#touched];
    let stored = await accounts.stored();
    for (const gateway of new Set(isNew ? [...(await gateways()), ...touched] : touched)) {
      // Before: what touches it from now on is looked at the next time.
      const wasTouched = this.#touched.delete(gateway);
      try {
        if (!(await this.#bring(gateway, version, stored))) {
          // The same accounts, another selection: a gateway must be able to tell the newer one.
          version = await accounts.changed();
          stored = await accounts.stored();
          await this.#bring(gateway, version, stored);
        }
      } catch (error) {
        if (wasTouched) this.#touched.add(gateway);
        throw error;
      }
    }
    this.#seen = version;
    if (isNew) this.#seenAtMs = nowMs;
  }

  /** False when other accounts than these were sent with this version. */
  async #bring(gateway: string, version: number, stored: readonly StoredAccount[]): Promise<boolean> {
    const { store, privateKey, customersAt, send } = this.#options;
    const customers = new Set(await customersAt(gateway));
    const selected = stored.filter((account) => account.customers.some((one) => one === '*' || customers.has(one)));
    const digest = createHash('sha256').update(
      accountPushText({ gateway, version: 0, accounts: selected.map(pushed) }),
    );
    const text = digest.digest('hex');
    const [sent] = await store.find(sentCollection, { filter: { _id: gateway }, limit: 1 });
    if (sent?.digest === text) return true;
    if (sent !== undefined && Number(sent.version) >= version) return false;
    await send(gateway, version, encodeAccountPush({ gateway, version, accounts: selected.map(pushed) }, privateKey()));
    await store.put(sentCollection, { _id: gateway, digest: text, version: BigInt(version) });
    return true;
  }
}

const pushed = ({ origin: _origin, ...account }: StoredAccount): PushedAccount => account;
