/**
 * The centre: takes the reports of all gateways, and of machines that talk to RabbitMQ themselves, and keeps them in the
 * database. As many copies as wanted may run; what they share stands in RabbitMQ and in the database.
 *
 * Invariants: everything is wired here and nowhere else; parts start in the order of their dependence and stop in the
 * reverse order. Nothing is acknowledged before the database has it (`central/queue-reader.ts`).
 * Failure behaviour: `start()` fails for a mistake of the configuration and a taken port only. A broker or a database
 * that is away, then or later, is waited for, and shown by `/healthz`.
 */
import { readFileSync } from 'node:fs';
import {
  AmqpConsumer,
  type CentralCounters,
  type CentralHealth,
  CentralHttp,
  centralIndexes,
  centralRegistry,
  channelSource,
  createCentralCounters,
  EmbeddedBroker,
  Ingest,
  mqttSource,
  Pauses,
} from './central/index.ts';
import type { GatewayConfig } from './config/index.ts';
import { describeError, HoldfastError } from './errors.ts';
import { type Clock, type Logger, SiteTime } from './platform/index.ts';
import {
  authorizationChannel,
  createChannels,
  defaultTexts,
  ReplyWriter,
  replaceTexts,
} from './protocols/machines/index.ts';
import { type DocumentStore, EmbeddedDocumentStore, MongoDocumentStore } from './store/index.ts';

/** What a centre is made of. */
export interface CentralOptions {
  readonly config: Pick<GatewayConfig, 'central' | 'site' | 'channels' | 'texts'>;
  readonly logger: Logger;
  readonly clock: Clock;
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
  readonly counters: Readonly<CentralCounters>;
  /** Where the documents are; for queries. */
  readonly store: DocumentStore;
}

const pingEveryMs = 5000;

/** Wires a centre; nothing is opened before `start()`. Throws `configuration-invalid`. */
export function createCentral(options: CentralOptions): Central {
  const { config, logger, clock, embeddedBroker } = options;
  const { central, site } = config;
  const store = openStore(options);
  const counters = createCentralCounters();
  const channels = new Map(createChannels(config.channels));
  // Answering queries is another part's work; until it is there nobody takes them from their queue.
  channels.delete(authorizationChannel);
  const texts =
    config.texts === undefined ? defaultTexts : replaceTexts(readFileSync(config.texts, 'utf8'), config.texts);
  const ingest = new Ingest({
    store,
    channels,
    siteTime: new SiteTime(site.timezone),
    replies: new ReplyWriter({ texts, language: site.language }),
    counters,
    clock,
    logger,
  });
  const shared = { ingest, counters, clock, logger, batchSize: central.batchSize };
  const names = new Set(channels.keys());
  const consumer =
    central.broker === undefined || embeddedBroker !== undefined
      ? undefined
      : new AmqpConsumer({
          ...shared,
          url: central.broker,
          tls: central.brokerTls,
          queueType: central.queueType,
          prefetch: central.prefetch,
          ping: () => store.ping(),
          sources: [...[...names].map((name) => channelSource(name, names)), mqttSource],
        });
  const broker = embeddedBroker && new EmbeddedBroker({ ...shared, ...embeddedBroker, maxInHand: central.prefetch });
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
        if (!indexesMade) await store.ensureIndexes(centralIndexes);
        else await store.ping();
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
      databaseUp() && (state === undefined || (state.connected && !state.blocked && !queues.includes('starting')));
    return {
      ok: true,
      status: fine ? 'ok' : 'degraded',
      database: databaseError ?? 'ok',
      indexes: indexesMade,
      ...(state && { broker: { ...state, lastError: state.lastError && describeError(state.lastError) } }),
      inHand: consumer?.inHand ?? broker?.inHand ?? 0,
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
    },
    options.processFigures ?? false,
  );
  const http = new CentralHttp({ ...central.http, health, metrics: registry });

  let watching: Promise<void> = Promise.resolve();
  const self: Central = {
    async start() {
      if (phase !== 'stopped') return;
      phase = 'starting';
      pauses = new Pauses(clock);
      try {
        await http.start();
        await store.start();
        watching = watchDatabase(pauses);
        await broker?.start();
        consumer?.start();
        phase = 'running';
      } catch (error) {
        await self.stop();
        throw error;
      }
    },
    async stop() {
      if (phase === 'stopped' || phase === 'stopping') return;
      phase = 'stopping';
      await consumer?.stop();
      await broker?.stop();
      pauses.endAll();
      await store.stop();
      await watching;
      await http.stop();
      phase = 'stopped';
    },
    get ports() {
      return { http: http.port, mqtt: broker?.port };
    },
    get health() {
      return health();
    },
    counters,
    store,
  };
  return self;
}

function openStore({ config: { central }, databasePrefix }: CentralOptions): DocumentStore {
  if (central.mongodb !== undefined) {
    return new MongoDocumentStore({ url: central.mongodb, ...(databasePrefix !== undefined && { databasePrefix }) });
  }
  if (central.embedded !== undefined) return new EmbeddedDocumentStore({ folder: central.embedded });
  throw new HoldfastError('configuration-invalid', 'central.mongodb or central.embedded is required');
}
