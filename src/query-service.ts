/**
 * Accounts and HTTP queries, as the centre and the gateway both have them; they differ in where the documents are and in
 * who knows about authorizations.
 *
 * Failure behaviour: `prepare` rejects while the database is away and is called again; queries say so in their answers.
 */
import type { FastifyInstance } from 'fastify';
import { Accounts, Login, makeFirstAdministrator, Sessions } from './accounts/index.ts';
import { type GatewayConfig, networkMatcher } from './config/index.ts';
import { describeError } from './errors.ts';
import type { Clock, FileSystem, Logger, SiteTime, Timer } from './platform/index.ts';
import type { TextSource } from './protocols/machines/index.ts';
import {
  type AskWithin,
  type AuthorizationRecords,
  askWithin,
  createAsks,
  defaultQueryLimits,
  Gate,
  type QueriedStore,
  queryRoutes,
} from './protocols/machines/queries/index.ts';
import type { DocumentStore } from './store/index.ts';

/** What a service is made of. */
export interface QueryServiceOptions {
  readonly config: Pick<GatewayConfig, 'accounts' | 'queries' | 'http' | 'site'>;
  /** Where accounts and sessions are. */
  readonly accountStore: DocumentStore;
  /** Where machines and reports are. */
  readonly documentStore: QueriedStore;
  readonly authorizations: AuthorizationRecords;
  readonly texts: TextSource;
  readonly siteTime: SiteTime;
  readonly dataFolder: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Shows the first administrator's password to a person; never a log. */
  readonly announce?: ((line: string) => void) | undefined;
  /** False while the store of the accounts has to be woken for a call (always true without). */
  readonly isStoreAwake?: () => boolean;
}

const sweepEveryMs = 600_000;
/** A store is woken for it only so often: a session that is over lets nobody in, removed or not. */
const sweepAtLeastMs = 86_400_000;

export class QueryService {
  readonly accounts: Accounts;
  /** Adds the routes to a server. */
  readonly routes: (app: FastifyInstance) => void;
  /** Asks without HTTP. */
  readonly ask: AskWithin;
  /** Logins and tokens of people, with one set of limits for all doors. */
  readonly login: Login;
  readonly #options: QueryServiceOptions;
  readonly #sessions: Sessions;
  #sweeping: Timer | undefined;
  /** Monotonic. */
  #sweptMs = 0;

  constructor(options: QueryServiceOptions) {
    this.#options = options;
    const { config, accountStore: store, documentStore, clock, siteTime, logger } = options;
    this.accounts = new Accounts({ store, clock, siteTime });
    this.#sessions = new Sessions({ store, accounts: this.accounts, clock, siteTime });
    this.login = new Login({ accounts: this.accounts, sessions: this.#sessions, clock });
    const shared = {
      asks: createAsks({ store: documentStore, authorizations: options.authorizations }),
      gate: new Gate(clock, { ...defaultQueryLimits, ratePerSecond: config.queries.ratePerSecond }),
      texts: options.texts,
      language: config.site.language,
      logger: logger.child({ part: 'queries' }),
    };
    this.routes = queryRoutes({
      ...shared,
      login: this.login,
      mayBePlain: networkMatcher(config.http.plainFrom),
    });
    this.ask = askWithin(shared);
  }

  /** Once the store has its indexes: makes the first administrator where there is no account. May be called again. */
  async prepare(): Promise<void> {
    const { config, dataFolder, fileSystem, logger, announce } = this.#options;
    const { accounts } = this;
    const { machineHash } = config.accounts;
    await makeFirstAdministrator({ accounts, machineHash, dataFolder, fileSystem, logger, announce });
  }

  /** Begins to remove sessions that are over. Idempotent. */
  start(): void {
    if (this.#sweeping !== undefined) return;
    const { clock } = this.#options;
    this.#sweptMs = clock.monotonicMs();
    this.#sweeping = clock.every(sweepEveryMs, () => this.#sweep());
  }

  /** Ends that. Idempotent. */
  stop(): void {
    this.#sweeping?.cancel();
    this.#sweeping = undefined;
  }

  #sweep(): void {
    const { clock, logger, isStoreAwake } = this.#options;
    const nowMs = clock.monotonicMs();
    if (isStoreAwake?.() === false && nowMs - this.#sweptMs < sweepAtLeastMs) return;
    this.#sweptMs = nowMs;
    this.#sessions.sweep().catch((error: unknown) => {
      logger.debug({ error: describeError(error) }, 'sessions could not be swept');
    });
  }
}
