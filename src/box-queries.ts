/**
 * Accounts and queries on the box: over the newest reports that passed through it, with accounts made here and those of
 * the centre.
 *
 * Failure behaviour: never stands in the way of reports. A store that does not open is tried again, with an alarm, and
 * queries say what is wrong; the reports' cache and the accounts are two files, and one is there without the other.
 */
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import {
  AccountSync,
  type Accounts,
  accountIndexes,
  administerAccounts,
  isAccountsRequest,
  type Login,
} from './accounts/index.ts';
import type { Alarms } from './alarms.ts';
import type { GatewayConfig } from './config/index.ts';
import { describeError, isHoldfastError } from './errors.ts';
import type { AcceptedReport } from './intake/index.ts';
import type { Counters } from './metrics.ts';
import type { Clock, FileSystem, Logger, SiteTime, Timer } from './platform/index.ts';
import type { TextSource } from './protocols/machines/index.ts';
import type { AskWithin, AuthorizationRecords } from './protocols/machines/queries/index.ts';
import { QueryService } from './query-service.ts';
import { RecentReports, type RecentState } from './recent/index.ts';
import { SqliteDocumentStore, SqliteHost } from './store/index.ts';

/** What the box's queries are made of. */
export interface BoxQueriesOptions {
  readonly config: GatewayConfig;
  readonly dataFolder: string;
  readonly gatewayId: string;
  /** The spool's, for this start of the process. */
  readonly boot: string;
  /** The centre's pinned key; undefined while there is none. */
  readonly centreKey: () => KeyObject | undefined;
  /** 授权截止时间 by the lease of a machine; undefined when there is none. */
  readonly leaseUntil: (serial: string) => string | undefined;
  readonly texts: TextSource;
  readonly siteTime: SiteTime;
  readonly alarms: Alarms;
  readonly counters: Counters;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly announce?: ((line: string) => void) | undefined;
}

/** How it stands, for /healthz. `resting`: nobody asked for a minute, and the thread of the documents is not there. */
export interface BoxQueriesState extends RecentState {
  readonly state: 'resting' | 'awake' | 'closed';
}

/** Where a box with this data folder keeps its accounts. */
export const boxAccountsFolder = (dataFolder: string): string => join(dataFolder, 'store', 'accounts');

const retryMs = 5000;
/** A box that hears nothing for so long gives the thread of its documents back; it takes some 30 ms to have it again. */
const threadIdleMs = 10_000;

export class BoxQueries {
  readonly #options: BoxQueriesOptions;
  readonly #host: SqliteHost;
  readonly #accountStore: SqliteDocumentStore;
  readonly #recent: RecentReports;
  readonly #service: QueryService;
  readonly #sync: AccountSync;
  #isStopped = false;
  #retry: Timer | undefined;
  #opening: Promise<void> | undefined;

  constructor(options: BoxQueriesOptions) {
    this.#options = options;
    const { config, dataFolder, logger, fileSystem, leaseUntil, centreKey } = options;
    this.#host = new SqliteHost({ clock: options.clock, idleMs: threadIdleMs });
    const shared = { logger, fileSystem, host: this.#host };
    this.#accountStore = new SqliteDocumentStore({ folder: boxAccountsFolder(dataFolder), ...shared });
    const folder = join(dataFolder, 'store', 'recent');
    const store = new SqliteDocumentStore({ folder, durable: false, ...shared });
    this.#recent = new RecentReports({ ...options, store, ...config.queries });
    const authorizations: AuthorizationRecords = {
      read: async (serial) => leaseUntil(serial),
      // The centre alone knows what an authorization was, and signs what it becomes.
      set: async () => ({ kind: 'offline' }),
    };
    this.#service = new QueryService({
      ...options,
      accountStore: this.#accountStore,
      documentStore: this.#recent.documents,
      authorizations,
      isStoreAwake: () => this.#host.isRunning,
    });
    this.#sync = new AccountSync({ ...options, accounts: this.accounts, store: this.#accountStore, centreKey });
  }

  get accounts(): Accounts {
    return this.#service.accounts;
  }

  /** Asks without HTTP. */
  get ask(): AskWithin {
    return this.#service.ask;
  }

  /** Logins and tokens of people. */
  get login(): Login {
    return this.#service.login;
  }

  /** Adds the routes to a server. */
  get routes(): (app: FastifyInstance) => void {
    return this.#service.routes;
  }

  /** For /healthz. */
  get state(): BoxQueriesState {
    const { state } = this.#recent;
    return { state: !state.ready ? 'closed' : this.#host.isRunning ? 'awake' : 'resting', ...state };
  }

  /** Keeps a report for queries; returns at once. */
  note(report: AcceptedReport): void {
    this.#recent.note(report);
  }

  /** A push of the centre with 类型 账号变更. Rejects when it must come again. */
  async applyAccountPush(body: Buffer): Promise<void> {
    await this.#sync.apply(body);
  }

  /** What `holdfast user` asks of a running gateway; undefined for a request to another room. */
  administer(request: object): AsyncIterable<object> | undefined {
    return isAccountsRequest(request) ? administerAccounts(this.accounts, request) : undefined;
  }

  /**
   * Opens the accounts, which makes the first administrator, and looks whether both files are sound. Never rejects; what
   * fails is tried again, with an alarm.
   */
  async start(): Promise<void> {
    // Without the thread: a few pages are read, and a box that nobody asks anything never needs it.
    await this.#host.here(() => Promise.all([this.#recent.start(), this.#tryAccounts()]));
    this.#service.start();
  }

  /** Writes what waits and closes. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#retry?.cancel();
    this.#service.stop();
    await this.#opening;
    await Promise.all([this.#recent.stop(), this.#accountStore.stop()]);
  }

  #tryAccounts(): Promise<void> {
    this.#opening = this.#openAccounts();
    return this.#opening;
  }

  async #openAccounts(): Promise<void> {
    const { alarms, logger, clock } = this.#options;
    try {
      await this.#accountStore.start();
      await this.#accountStore.ensureIndexes(accountIndexes);
      await this.#service.prepare();
      alarms.clear('database-unreachable', 'accounts');
    } catch (error) {
      if (this.#isStopped) return;
      const cause = describeError(error);
      if (!isHoldfastError(error)) logger.error({ err: error }, 'accounts could not be opened');
      alarms.raise('database-unreachable', { cause }, 'accounts');
      this.#retry = clock.after(retryMs, () => void this.#tryAccounts());
    }
  }
}
