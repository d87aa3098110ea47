/**
 * Authorizations of machines: read, changed by people, and told to the gateways that have seen the machine.
 *
 * Invariants: 版本 rises by one with each change, also when several copies of the centre and the command line change at
 * once, and goes on where a record was removed from the database. A change is in force (for queries), in the change log
 * and in the outbox of every gateway before it is answered.
 * Failure behaviour: rejects with `database-unreachable`; the change is then made or not. One that is made and not yet
 * logged or on its way (`_pending`: a crash in between, or the command line, which has no key to sign with) is completed
 * by `sweep` of any running copy.
 */

import type { MachineRegistry } from '../documents/index.ts';
import type { Clock, Logger, SiteTime } from '../platform/index.ts';
import { encodePush, type Identity, readIdentity, recordKeys, signGrant } from '../protocols/machines/index.ts';
import type { DocumentStore } from '../store/index.ts';
import { logChange, nextVersion } from './authorization-log.ts';
import {
  type AuthorizationRecord,
  authorizationCollection,
  identityDocument,
  readRecords,
  toRecord,
} from './authorization-record.ts';
import type { ControlPush } from './control-push.ts';
import type { Gateways } from './gateways.ts';
import type { SigningKey } from './signing-key.ts';

/** An authorization as people see it. */
export interface Authorization {
  readonly serial: string;
  /** 授权截止时间, site time. */
  readonly until: string;
}

/** What tells gateways; without it a change waits for a running centre. */
export interface Messenger {
  readonly key: SigningKey;
  readonly gateways: Pick<Gateways, 'gatewaysOf'>;
  readonly push: Pick<ControlPush, 'pushAll'>;
}

/** What the service is made of. */
export interface AuthorizationsOptions {
  readonly store: DocumentStore;
  readonly registry: Pick<MachineRegistry, 'read'>;
  readonly siteTime: SiteTime;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly messenger?: Messenger;
}

/** Most days that an authorization can be moved from now, either way. */
export const mostDays = 36_500;
const dayMs = 86_400_000;
const triesAtMost = 100;
const sweepAtOnce = 100;

export class Authorizations {
  readonly #options: AuthorizationsOptions;

  constructor(options: AuthorizationsOptions) {
    this.#options = options;
  }

  /** The authorization of a machine; undefined when it never had one. */
  async read(serial: string): Promise<Authorization | undefined> {
    const record = await this.#record(serial);
    return record && { serial, until: record.until };
  }

  /**
   * Sets 授权截止时间 to now + `wholeDays` (±36500, not 0; negative: in the past, a revocation) for `by`, an account or
   * a person. undefined when nothing is known of the machine: no base information and no record. Throws a RangeError for
   * other numbers.
   */
  async set(serial: string, wholeDays: number, by: string): Promise<Authorization | undefined> {
    if (!Number.isInteger(wholeDays) || wholeDays === 0 || Math.abs(wholeDays) > mostDays) {
      throw new RangeError(`an authorization is moved by 1 to ${mostDays} whole days, not by ${wholeDays}`);
    }
    for (let tries = 0; tries < triesAtMost; tries++) {
      const former = await this.#record(serial);
      // Each change gets its line in the log, also the one before this whose copy of the centre has died over it.
      if (former?.document._pending === true) await this.#complete(former);
      const identity = await this.#identityOf(serial, former);
      if (identity === undefined) return undefined;
      const changed = await this.#write(serial, wholeDays, by, identity, former);
      if (changed === undefined) continue;
      await this.#complete(changed);
      return { serial, until: changed.until };
    }
    throw new Error(`the authorization of ${serial} was changed by others ${triesAtMost} times while it was to be set`);
  }

  /** Completes changes whose process did not come to it. Resolves with how many there were. */
  async sweep(): Promise<number> {
    const { store, siteTime } = this.#options;
    const pending = await store.find(authorizationCollection, { filter: { _pending: true }, limit: sweepAtOnce });
    for (const document of pending) await this.#complete(toRecord(document, siteTime));
    return pending.length;
  }

  async #record(serial: string): Promise<AuthorizationRecord | undefined> {
    const { store, siteTime } = this.#options;
    return (await readRecords(store, [serial], siteTime)).get(serial);
  }

  async #identityOf(serial: string, record: AuthorizationRecord | undefined): Promise<Identity | undefined> {
    const base = (await this.#options.registry.read([serial])).get(serial);
    const newest = base && readIdentity({ ...base });
    return newest ?? (record && readIdentity({ ...record.document }));
  }

  /** undefined when somebody else has changed it since `former` was read. */
  async #write(
    serial: string,
    wholeDays: number,
    by: string,
    identity: Identity,
    former: AuthorizationRecord | undefined,
  ): Promise<AuthorizationRecord | undefined> {
    const { store, siteTime, clock } = this.#options;
    const nowMs = clock.wallMs();
    const now = siteTime.format(nowMs);
    const untilMs = Math.floor(nowMs / 1000) * 1000 + wholeDays * dayMs;
    const set = {
      [recordKeys.until]: siteTime.format(untilMs),
      [recordKeys.changedAt]: now,
      _until: new Date(untilMs),
      _changed: new Date(nowMs),
      _by: by,
      _former: former?.until ?? null,
      _pending: true,
    };
    const present = former?.document._version;
    const isNumbered = typeof present === 'bigint';
    const number = isNumbered ? 1n : await nextVersion(store, serial);
    if (former?.document._id === serial) {
      const document = await store.update(
        authorizationCollection,
        serial,
        { set, add: { _version: number } },
        isNumbered ? { filter: { _version: present } } : {},
      );
      return document && toRecord(document, siteTime);
    }
    const createdAt = former?.document[recordKeys.createdAt];
    const document = {
      ...identityDocument(identity),
      ...set,
      _id: serial,
      _version: number,
      [recordKeys.createdAt]: typeof createdAt === 'string' ? createdAt : now,
    };
    const [outcome] = await store.insertBatch(authorizationCollection, [{ document, series: serial }]);
    if (outcome!.kind === 'error') throw new Error(`the database refused the authorization of ${serial}`);
    return outcome!.kind === 'inserted' ? toRecord(document, siteTime) : undefined;
  }

  /** Logs a change and puts it into the outbox of each gateway; again does no harm. */
  async #complete(record: AuthorizationRecord): Promise<void> {
    const { store, siteTime, clock, messenger } = this.#options;
    const { serial, until, untilMs, version, document } = record;
    const changedMs = document._changed instanceof Date ? document._changed.getTime() : clock.wallMs();
    const former = document._former;
    await logChange(
      store,
      {
        serial,
        version,
        until,
        formerUntil: typeof former === 'string' ? former : undefined,
        granted: untilMs > changedMs,
        by: typeof document._by === 'string' ? document._by : '',
        changedMs,
      },
      (wallMs) => siteTime.format(wallMs),
    );
    if (messenger === undefined) return;
    await this.#tell(messenger, record);
    const filter = { _version: BigInt(version) };
    await store.update(authorizationCollection, serial, { set: { _pending: false } }, { filter });
  }

  async #tell({ key, gateways, push }: Messenger, record: AuthorizationRecord): Promise<void> {
    const { siteTime, clock, logger } = this.#options;
    const { serial, until, version } = record;
    const identity = await this.#identityOf(serial, record);
    if (identity === undefined) return;
    const grantedAt = siteTime.format(clock.wallMs());
    const terms = { identity, until, grantedAt, version };
    try {
      const ids = await gateways.gatewaysOf(serial);
      await push.pushAll(
        ids.map((gateway) => ({
          gateway,
          key: serial,
          version: BigInt(version),
          body: encodePush(signGrant(terms, gateway, key.privateKey)),
        })),
      );
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      // Such a machine is never granted anything, so no gateway holds a lease of it.
      logger.warn({ serial }, 'the base information of a machine holds a line feed; its gateways are not told');
    }
  }
}
