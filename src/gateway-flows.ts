/**
 * Flows as a part of the gateway: the door that they report and ask at, what they read, and the engine that runs those
 * of the box. Nothing of it stands in the way of machines' reports.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Alarms } from './alarms.ts';
import type { BoxQueries } from './box-queries.ts';
import type { Access, Broker, LocalRequests } from './broker/index.ts';
import { flowEngineClient, type GatewayConfig, networkMatcher } from './config/index.ts';
import { editorAccounts } from './editor-accounts.ts';
import { FlowEngine, type FlowEngineLimits } from './flow-engine/index.ts';
import type { AcceptedReport, Intake } from './intake/index.ts';
import { Feed, isLocalTopic, LocalDoor } from './local/index.ts';
import type { Counters } from './metrics.ts';
import type { CertificateMaterial, Certificates, Clock, Logger } from './platform/index.ts';
import type { Spool } from './spool/index.ts';

/** What flows need of the gateway. */
export interface GatewayFlowsOptions {
  readonly config: GatewayConfig;
  readonly dataFolder: string;
  /** For the editor's head. */
  readonly gatewayId: string;
  readonly access: Access;
  readonly certificates: Certificates;
  readonly alarms: Alarms;
  readonly intake: Intake;
  readonly spool: Spool;
  readonly queries: BoxQueries;
  readonly leaseUntil: (serial: string) => string | undefined;
  readonly isUplinkConnected: () => boolean;
  readonly broker: () => Broker | undefined;
  readonly limits: Partial<FlowEngineLimits>;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The Unix socket of the broker, for flows of the box. */
export const flowSocketPath = (dataFolder: string): string => join(dataFolder, 'secrets', 'flows.sock');

export class GatewayFlows {
  readonly door: LocalDoor;
  readonly engine: FlowEngine;
  readonly #options: GatewayFlowsOptions;
  readonly #feed: Feed;

  constructor(options: GatewayFlowsOptions) {
    this.#options = options;
    const { spool, queries, broker, isUplinkConnected, clock } = options;
    const deliver = (topic: string, body: Buffer) => broker()?.deliverLocal(topic, body);
    this.door = new LocalDoor({
      ...options,
      ask: queries.ask,
      deliver,
      logger: options.logger.child({ part: 'flows' }),
    });
    this.#feed = new Feed({
      uplink: () => ({ connected: isUplinkConnected(), pending: spool.status.pending }),
      hasReaders: () => broker()?.hasFeedReaders ?? false,
      deliver,
      deliverState: (topic, body) => broker()?.deliverState(topic, body),
      clock,
    });
    this.engine = this.#createEngine();
  }

  /** Where the broker listens for flows of the box; undefined when there are none. */
  get socketPath(): string | undefined {
    const { config, dataFolder } = this.#options;
    return config.flows.enabled ? flowSocketPath(dataFolder) : undefined;
  }

  /** For the broker. */
  get requests(): LocalRequests {
    return {
      isMine: isLocalTopic,
      mayRead: (identity, filter) => this.door.mayRead(identity, filter),
      accept: (request) => this.door.accept(request),
      refuse: (request, text) => this.door.refuse(request, text),
      greeting: (topic) => this.#feed.greeting(topic),
    };
  }

  /** A report is on disk. */
  note(report: AcceptedReport): void {
    this.#feed.note(report);
  }

  /** Once the spool is open. */
  start(): void {
    this.#feed.start();
  }

  stop(): void {
    this.#feed.stop();
  }

  #createEngine(): FlowEngine {
    const { config, dataFolder, gatewayId, access, certificates, queries } = this.#options;
    const { flows, site, http, log, accounts } = config;
    // Nobody else learns it: it is drawn for this run and goes to the engine's process alone.
    const password = randomBytes(24).toString('base64url');
    const client = { username: flowEngineClient, password };
    access.grant({ ...client, serials: ['*'], allow: ['report', 'authorize', 'query'] });
    const { tls } = flows.editor;
    const isServed = flows.enabled && flows.editor.enabled && tls !== undefined;
    const renew = (renewed: CertificateMaterial) => this.engine.setCertificate(pemOf(renewed));
    const material = isServed ? certificates.watch('flows.editor.tls', tls, renew).current : undefined;
    // The box starts without its editor, never with one in the clear; the certificates' alarm says what is wrong.
    const editor = { ...flows.editor, enabled: flows.editor.enabled && (tls === undefined || material !== undefined) };
    return new FlowEngine({
      ...this.#options,
      config: { ...flows, editor },
      timezone: site.timezone,
      language: site.language,
      logLevel: log.level,
      title: `Holdfast ${gatewayId}`,
      box: () => ({ socket: flowSocketPath(dataFolder), ...client }),
      accounts: editorAccounts({ login: queries.login, machineHash: accounts.machineHash }),
      mayBePlain: networkMatcher(http.plainFrom),
      tls: material && pemOf(material),
    });
  }
}

const pemOf = ({ certificate, key }: CertificateMaterial) => ({ certificate: `${certificate}`, key: `${key}` });
