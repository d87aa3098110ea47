import type { KeyObject } from 'node:crypto';
import type { Alarms } from './alarms.ts';
import {
  AuthorizationRecords,
  AuthorizationState,
  Authorizer,
  ControlRouter,
  type Leases,
  type PushHandler,
  Verdicts,
} from './authorization/index.ts';
import type { GatewayConfig } from './config/index.ts';
import type { Authority } from './intake/index.ts';
import type { Counters } from './metrics.ts';
import type { Clock, ClockSynchronization, FileSystem, Logger, SiteTime } from './platform/index.ts';
import { authorizationChannel, type ReplyWriter, replyTopic } from './protocols/machines/index.ts';
import type { Spool } from './spool/index.ts';
import { type Forwarder, type ReportTransport, shareLink, type UplinkTransport } from './uplink/index.ts';

/** What authorization needs of the gateway. */
export interface GatewayAuthorizationOptions {
  readonly config: GatewayConfig;
  readonly dataFolder: string;
  readonly gatewayId: string;
  readonly spool: Spool;
  readonly replies: ReplyWriter;
  readonly siteTime: SiteTime;
  /** What the system says about the wall clock. */
  readonly synchronization: () => ClockSynchronization;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly alarms: Alarms;
  readonly logger: Logger;
  /** Sends to whoever reads a machine's topic. */
  readonly publish: (topic: string, body: Buffer) => void;
}

type Question = Parameters<Authority['ask']>[0];

/** Queries that wait for `open` at most; HTTP takes them while the spool is still being read. */
const mostEarly = 256;

/**
 * Authorization as a part of the gateway. A query that comes before `open` waits for it: "not available" would be the
 * final answer of a machine that a lease lets print. After `close` it is answered "not available".
 */
export class GatewayAuthorization implements Authority {
  readonly #options: GatewayAuthorizationOptions;
  readonly #state: AuthorizationState;
  readonly #handlers = new Map<string, PushHandler>();
  #authorizer: Authorizer | undefined;
  #records: AuthorizationRecords | undefined;
  /** Resolves when it is open, or never will be. */
  readonly #settled = Promise.withResolvers<void>();
  #early = 0;

  constructor(options: GatewayAuthorizationOptions) {
    this.#options = options;
    const { config, spool } = options;
    const logger = options.logger.child({ part: 'authorization' });
    this.#state = new AuthorizationState({ ...options, logger, settings: config.authorization, boot: spool.boot });
  }

  /** For what the control socket is asked. */
  get state(): AuthorizationState {
    return this.#state;
  }

  /** The centre's public key, where it is pinned. */
  get centreKey(): KeyObject | undefined {
    return this.#state.centreKey;
  }

  get leases(): Leases {
    return this.#state.leases;
  }

  /** Questions of machines that are not answered yet. */
  get openCount(): number {
    return this.#authorizer?.state.open ?? 0;
  }

  /** For /healthz; undefined while it is not open. */
  get health(): object | undefined {
    const authorizer = this.#authorizer;
    if (authorizer === undefined) return undefined;
    const { hardwareSource, time, centreKey } = this.#state;
    const { open, mayUseLeases } = authorizer.state;
    return {
      waiting: open,
      leasesUsable: mayUseLeases && time.state !== 'set-back',
      clock: time.state,
      centreKey: centreKey === undefined ? 'none' : 'pinned',
      hardware: hardwareSource,
      ...(['machine-id', 'boot', 'none'].includes(hardwareSource) && { hardwareIsWeak: true }),
    };
  }

  /** Pushes of this 类型 go there; to be said before the link is started. */
  handlePushes(kind: string, handler: PushHandler): void {
    this.#handlers.set(kind, handler);
  }

  /**
   * Opens leases and audit log; from now on queries are answered. `link` is not started yet; `forwarder` is asked when a
   * query wants base information to go first. Errors as `AuthorizationState.open`.
   */
  async open(link: UplinkTransport | undefined, forwarder: () => Forwarder | undefined): Promise<void> {
    const { config, gatewayId, spool, clock, counters, alarms, logger: parent } = this.#options;
    const logger = parent.child({ part: 'authorization' });
    await this.#state.open();
    const { leases, time, audit } = this.#state;
    const records = new AuthorizationRecords({ audit, spool, gatewayId, clock, counters, alarms, logger });
    this.#records = records;
    const centreKey = () => this.#state.centreKey;
    this.#authorizer = new Authorizer({
      ...this.#options,
      logger,
      boot: spool.boot,
      link,
      base: {
        isWaiting: async (serial) => (await spool.pendingOf(serial)).length > 0,
        bringForward: async (serial, deadlineMs) => forwarder()?.bringForward(serial, deadlineMs),
      },
      verdicts: new Verdicts({ leases, records, alarms, counters, gatewayId, centreKey }),
      control: new ControlRouter({ leases, records, alarms, counters, logger, handlers: this.#handlers }),
      leaseClock: time,
      records,
      timing: { answerWithinMs: config.authorization.answerWithinMs },
    });
    this.#settled.resolve();
  }

  /** The link for reports, on which queries and pushes are heard here; after `open`. */
  share(link: UplinkTransport): ReportTransport {
    return shareLink(link, this.#authorizer!, authorizationChannel);
  }

  /** Part of `Authority`. */
  async ask(question: Question) {
    const query = this.#authorizer === undefined ? { ...question, payload: Buffer.from(question.payload) } : question;
    const authorizer = await this.#whenOpen();
    if (authorizer !== undefined) return authorizer.ask(query);
    const { replies, siteTime, clock } = this.#options;
    const time = siteTime.format(clock.wallMs());
    const body = replies.authorization({ serial: query.serial, text: 'not-available', time });
    const error = replies.words('not-available');
    const permission = { serial: query.serial, granted: false, source: 'nobody', error } as const;
    return { topic: replyTopic(authorizationChannel, query.serial), body, permission };
  }

  /** Part of `Authority`. */
  async refused(serial: string | undefined, reason: string): Promise<void> {
    const authorizer = await this.#whenOpen();
    await authorizer?.refused(serial, reason);
  }

  async #whenOpen(): Promise<Authorizer | undefined> {
    if (this.#authorizer !== undefined || this.#early >= mostEarly) return this.#authorizer;
    this.#early++;
    await this.#settled.promise;
    this.#early--;
    return this.#authorizer;
  }

  /** Answers all that wait, and closes. What was answered is on disk. Idempotent; also before `open`. */
  async close(): Promise<void> {
    this.#settled.resolve();
    await this.#authorizer?.stop();
    this.#authorizer = undefined;
    if (this.#records !== undefined) await this.#state.close();
    this.#records = undefined;
  }
}
