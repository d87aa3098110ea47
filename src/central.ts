/**
 * The centre: takes the reports of all gateways, and of machines that talk to RabbitMQ themselves, and keeps them in the
 * database. As many copies as wanted may run; what they share stands in RabbitMQ and in the database.
 *
 * Invariants: everything is wired here and nowhere else; parts start in the order of their dependence and stop in the
 * reverse order. Nothing is acknowledged before the database has it (`central/queue-reader.ts`).
 * Failure behaviour: `start()` fails for a mistake of the configuration and a taken port only. A broker or a database
 * that is away, then or later, is waited for, and shown by `/healthz`.
 */
import { type Accounts, administerAccounts, isAccountsRequest } from './accounts/index.ts';
import { Alarms } from './alarms.ts';
import {
  AmqpConsumer,
  AmqpCourier,
  type Authorizations,
  accountPublisher,
  administerEnrolment,
  type CentralCounters,
  type CentralHealth,
  CentralHttp,
  type ControlPush,
  centralBrokerKeys,
  centralIndexes,
  centralRegistry,
  channelSource,
  createAuthorization,
  createCentralCounters,
  EmbeddedBroker,
  EnrolmentDesk,
  enrolmentRoutes,
  Ingest,
  isEnrolmentRequest,
  mqttQuerySource,
  mqttSource,
  openCentralStore,
  Pauses,
  type SigningKey,
} from './central/index.ts';
import type { GatewayConfig } from './config/index.ts';
import { ControlSocket, controlSocketPath } from './control-socket.ts';
import { describeError, HoldfastError } from './errors.ts';
import { Certificates, type Clock, type Logger, nodeFileSystem, SiteTime, type Timer } from './platform/index.ts';
import { authorizationChannel, createChannels, LiveTexts, ReplyWriter } from './protocols/machines/index.ts';
import type { AuthorizationRecords } from './protocols/machines/queries/index.ts';
import { QueryService } from './query-service.ts';
import type { DocumentStore } from './store/index.ts';
import { textsAlarm } from './texts-alarm.ts';
import { watchedTls } from './uplink/index.ts';

/** What a centre is made of. */
export interface CentralOptions {
  readonly config: Pick<GatewayConfig, 'central' | 'site' | 'channels' | 'texts' | 'accounts' | 'queries' | 'http'>;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Holds `secrets/` with the key that grants are signed with; made at the first start. */
  readonly dataFolder: string;
  /** A broker of the centre's own in place of `central.broker`: MQTT, for these gateways only (the demo). */
  readonly embeddedBroker?: {
    readonly host: string;
    /** 0 takes a free one. */
    readonly port: number;
    readonly gateways: readonly { readonly id: string; readonly password: string }[];
  };
  /** Put before the name of each database: several centres on one server. */
  readonly databasePrefix?: string;
  /** Figures of the process in `/metrics`; they install a sampler. */
  readonly processFigures?: boolean;
  /** Shows the first administrator's password to a person; never a log. */
  readonly announce?: (line: string) => void;
}

/** A centre. */
export interface Central {
  /** Listens and begins to read. Rejects with `configuration-invalid` or `port-taken`. Idempotent. */
  start(): Promise<void>;
  /** Stores and answers what is being inserted, gives the rest back, closes. Idempotent. */
  stop(): Promise<void>;
  /** The ports that are listened on; undefined while stopped, and for the MQTT port of a centre without its own broker. */
  readonly ports: { readonly http: number | undefined; readonly mqtt: number | undefined };
  readonly health: CentralHealth;
  /** Looks at the files of certificates now, not only within the next seconds. */
  reloadCertificates(): Promise<void>;
  readonly counters: Readonly<CentralCounters>;
  /** Where the documents are; for queries. */
  readonly store: DocumentStore;
  readonly authorizations: Authorizations;
  readonly accounts: Accounts;
  /** Messages to gateways. */
  readonly controlPush: ControlPush;
  /** What grants are signed with; from `start()` on. */
  readonly signingKey: SigningKey;
}

/** More than the consumer takes to close by force. */
const partStopMs = 6000;
const pingEveryMs = 5000;
/** How often spent enrolment codes are removed. */
const sweepEveryMs = 600_000;

/** Wires a centre; nothing is opened before `start()`. Throws `configuration-invalid`. */
export function createCentral(options: CentralOptions): Central {
  const { config, logger, clock, embeddedBroker } = options;
  const { central, site } = config;
  const store = openCentralStore(central, { databasePrefix: options.databasePrefix, logger });
  const counters = createCentralCounters();
  const channels = new Map(createChannels(config.channels));
  const names = new Set(channels.keys());
  // Queries are answered, never stored.
  channels.delete(authorizationChannel);
  const alarms = new Alarms({ clock, logger });
  const texts = new LiveTexts({ path: config.texts, clock, logger, onProblem: textsAlarm(alarms) });
  const siteTime = new SiteTime(site.timezone);
  const replies = new ReplyWriter({ texts, language: site.language });
  const amqpCourier = new AmqpCourier({ clock, logger });
  const authorization = createAuthorization({
    store,
    configuredKey: central.signingKey,
    dataFolder: options.dataFolder,
    courier: () => broker ?? amqpCourier,
    siteTime,
    replies,
    counters,
    clock,
    logger,
  });
  const { registry: machines, gateways, key, push, desk } = authorization;
  const ingest = new Ingest({
    store,
    registry: machines,
    gateways,
    channels,
    siteTime,
    replies,
    counters,
    clock,
    logger,
  });
  const certificates = new Certificates({ clock, logger, alarms });
  const shared = { ingest, desk, counters, clock, logger, batchSize: central.batchSize };
  const consumer =
    central.broker === undefined || embeddedBroker !== undefined
      ? undefined
      : new AmqpConsumer({
          ...shared,
          url: central.broker,
          tls: watchedTls(certificates, central.broker, central.brokerTls, centralBrokerKeys),
          queueType: central.queueType,
          prefetch: central.prefetch,
          ping: () => store.ping(),
          sources: [...[...names].map((name) => channelSource(name, names)), mqttSource, mqttQuerySource],
          courier: amqpCourier,
        });
  const broker =
    embeddedBroker &&
    new EmbeddedBroker({
      ...shared,
      ...embeddedBroker,
      maxInHand: central.prefetch,
      onListening: (gatewayId) => push.wake(gatewayId),
    });
  if (consumer === undefined && broker === undefined) {
    throw new HoldfastError('configuration-invalid', 'central.broker is required: the URL of RabbitMQ');
  }

  let phase: 'stopped' | 'starting' | 'running' | 'stopping' = 'stopped';
  let databaseError: string | undefined;
  let indexesMade = false;
  let pauses = new Pauses(clock);
  const databaseUp = () => databaseError === undefined;

  /** Makes the indexes as soon as the database is there, and goes on looking whether it is. */
  async function watchDatabase(running: Pauses): Promise<void> {
    while (!running.over) {
      try {
        if (indexesMade) await store.ping();
        else {
          await store.ensureIndexes(centralIndexes);
          await queries.prepare();
        }
        indexesMade = true;
        databaseError = undefined;
      } catch (error) {
        if (databaseUp()) logger.warn({ error: describeError(error) }, 'the database is away');
        databaseError = describeError(error);
      }
      await running.pause(indexesMade ? pingEveryMs : 1000);
    }
  }

  function health(): CentralHealth {
    if (phase !== 'running') return { ok: false, status: phase === 'stopping' ? 'stopping' : 'starting' };
    const state = consumer?.state;
    const queues = Object.values(state?.queues ?? {});
    const fine =
      databaseUp() &&
      alarms.active.length === 0 &&
      (state === undefined || (state.connected && !state.blocked && !queues.includes('starting')));
    return {
      ok: true,
      status: fine ? 'ok' : 'degraded',
      database: databaseError ?? 'ok',
      indexes: indexesMade,
      ...(state && { broker: { ...state, lastError: state.lastError && describeError(state.lastError) } }),
      inHand: consumer?.inHand ?? broker?.inHand ?? 0,
      alarms: alarms.active.map(({ code, subject, details }) => ({ code, subject, ...details })),
      counters: { ...counters },
    };
  }

  const registry = centralRegistry(
    counters,
    {
      inHand: () => consumer?.inHand ?? broker?.inHand ?? 0,
      lagSeconds: () => ingest.lagMs / 1000,
      databaseUp: () => (databaseUp() ? 1 : 0),
      brokerConnected: () => (broker !== undefined || consumer?.state.connected ? 1 : 0),
      queuesRead: () => Object.values(consumer?.state.queues ?? {}).filter((state) => state === 'reading').length,
      certificateSeconds: () => certificates.secondsLeft,
    },
    options.processFigures ?? false,
  );
  const queries = new QueryService({
    config,
    accountStore: store,
    documentStore: store,
    authorizations: recordsOf(authorization.authorizations),
    texts,
    siteTime,
    dataFolder: options.dataFolder,
    fileSystem: nodeFileSystem,
    clock,
    logger,
    announce: options.announce,
  });
  const publisher = accountPublisher({
    accounts: queries.accounts,
    store,
    gateways,
    push,
    privateKey: () => key.privateKey,
    clock,
    logger,
  });
  const enrolment = new EnrolmentDesk({ store, clock, logger, signingKey: key });
  const http: CentralHttp = new CentralHttp({
    ...central.http,
    tls:
      central.http.tls &&
      certificates.watchServer('central.http.tls', central.http.tls, (renewed) => http.setCertificate(renewed)),
    health,
    metrics: registry,
    routes: [(app) => enrolmentRoutes(app, { desk: enrolment, clock, logger }), queries.routes],
  });

  // Documents in a folder are this process's alone, so commands ask it; a server of databases they ask themselves.
  const control =
    central.embedded === undefined
      ? undefined
      : new ControlSocket({
          path: controlSocketPath(options.dataFolder),
          answer(request) {
            if (isAccountsRequest(request)) return administerAccounts(queries.accounts, request);
            if (isEnrolmentRequest(request)) return administerEnrolment({ store, clock }, request);
            throw new HoldfastError('usage', 'the centre has nothing that would answer this');
          },
        });

  /** A part that does not end in time keeps no other from ending: what it was doing is done again after the next start. */
  async function ended(part: string, ending: Promise<void> | void): Promise<void> {
    const late = Promise.withResolvers<'late'>();
    const timer = clock.after(partStopMs, () => late.resolve('late'));
    const outcome = await Promise.race([ending, late.promise]);
    timer.cancel();
    if (outcome === 'late') logger.warn({ part }, 'a part of the centre does not end; going on without it');
  }

  let watching: Promise<void> = Promise.resolve();
  let sweeping: Timer | undefined;
  const self: Central = {
    async start() {
      if (phase !== 'stopped') return;
      phase = 'starting';
      pauses = new Pauses(clock);
      try {
        await key.load();
        await http.start();
        certificates.start();
        await store.start();
        await control?.start();
        watching = watchDatabase(pauses);
        sweeping = clock.every(sweepEveryMs, () => {
          // Whatever is over is refused anyway; a database that is away is told elsewhere.
          enrolment.sweep().catch(() => {});
        });
        await broker?.start();
        consumer?.start();
        push.start();
        texts.start();
        queries.start();
        publisher.start();
        phase = 'running';
      } catch (error) {
        await self.stop();
        throw error;
      }
    },
    async stop() {
      if (phase === 'stopped' || phase === 'stopping') return;
      phase = 'stopping';
      await ended('consumer', consumer?.stop());
      await ended('broker', broker?.stop());
      texts.stop();
      queries.stop();
      await ended('accounts', publisher.stop());
      await ended('pushes', push.stop());
      pauses.endAll();
      sweeping?.cancel();
      await ended('control', control?.stop());
      await ended('store', store.stop());
      await ended('watch', watching);
      await ended('http', http.stop());
      await ended('certificates', certificates.stop());
      phase = 'stopped';
    },
    get ports() {
      return { http: http.port, mqtt: broker?.port };
    },
    get health() {
      return health();
    },
    reloadCertificates: () => certificates.check(),
    counters,
    store,
    authorizations: authorization.authorizations,
    accounts: queries.accounts,
    controlPush: push,
    signingKey: key,
  };
  return self;
}

/** The centre's authorizations as the queries see them. */
function recordsOf(authorizations: Authorizations): AuthorizationRecords {
  return {
    read: async (serial) => (await authorizations.read(serial))?.until,
    async set(serial, days, by) {
      const changed = await authorizations.set(serial, days, by);
      return changed === undefined ? { kind: 'unknown' } : { kind: 'changed', until: changed.until };
    },
  };
}
