/**
 * The centre's connection to RabbitMQ, kept up for ever, with a reader for each queue.
 *
 * Invariants: nothing is kept here; what the broker has handed over and we have not acknowledged goes back to its queue
 * when the connection ends. One queue that cannot be read does not hold back the others.
 * Failure behaviour: reconnects with growing, jittered pauses until `stop`; a queue whose declaration or reading fails
 * is tried again with pauses of its own. A dead connection is noticed by heartbeats within 30 s.
 */
import type { ChannelModel } from 'amqplib';
import { describeError, HoldfastError } from '../errors.ts';
import { channelQueueArguments, type QueueType } from '../protocols/machines/index.ts';
import {
  amqpConnectError,
  Backoff,
  type BrokerKeys,
  connectAmqp,
  parseBrokerUrl,
  type TlsSource,
  Topology,
} from '../uplink/index.ts';
import type { AmqpCourier } from './amqp-courier.ts';
import { Pauses } from './pauses.ts';
import { QueueReader, type ReaderOptions, type ReaderState } from './queue-reader.ts';
import type { Source } from './sources.ts';

/** How to reach RabbitMQ, and what to read. */
export interface ConsumerOptions extends ReaderOptions {
  /** `amqp(s)://user:password@host:port/vhost`. */
  readonly url: string;
  readonly tls: TlsSource;
  readonly queueType: QueueType;
  readonly sources: readonly Source[];
  /** Uses the connection too, as long as it lasts. */
  readonly courier?: Pick<AmqpCourier, 'use'>;
  /** Shown in RabbitMQ's list of connections. */
  readonly name?: string;
}

/** How the connection stands. */
export interface ConsumerState {
  readonly connected: boolean;
  /** True while a RabbitMQ alarm holds back our answers. */
  readonly blocked: boolean;
  readonly lastError: HoldfastError | undefined;
  readonly queues: Readonly<Record<string, ReaderState>>;
}

/** Where the centre's configuration names the broker. */
export const centralBrokerKeys: BrokerKeys = { url: 'central.broker', tls: 'central.brokerTls' };
const stopDeadlineMs = 5_000;

export class AmqpConsumer {
  readonly #options: ConsumerOptions;
  readonly #backoff: Backoff;
  #pauses: Pauses | undefined;
  #ended: Promise<void> = Promise.resolve();
  #readers: QueueReader[] = [];
  #model: ChannelModel | undefined;
  /** Ends the present connection's loop. */
  #cut: (() => void) | undefined;
  #blocked = false;
  #lastError: HoldfastError | undefined;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ firstMs: 500, maxMs: 10_000, stableMs: 10_000, clock: options.clock });
  }

  get state(): ConsumerState {
    const queues = Object.fromEntries(
      this.#options.sources.map(({ queue }) => [
        queue,
        this.#readers.find(({ source }) => source.queue === queue)?.state ?? ('stopped' as const),
      ]),
    );
    return { connected: this.#model !== undefined, blocked: this.#blocked, lastError: this.#lastError, queues };
  }

  /** Messages taken over and not yet acknowledged. */
  get inHand(): number {
    return this.#readers.reduce((sum, { inHand }) => sum + inHand, 0);
  }

  /** Begins to connect; returns at once. Throws `configuration-invalid` for a URL of another kind. */
  start(): void {
    if (this.#pauses !== undefined) return;
    const pauses = new Pauses(this.#options.clock);
    parseBrokerUrl(this.#options.url, centralBrokerKeys);
    this.#pauses = pauses;
    this.#ended = this.#keepUp(pauses);
  }

  /** Stores and answers the batches under way, gives the rest back, and closes; by force after 5 s. */
  async stop(): Promise<void> {
    const pauses = this.#pauses;
    if (pauses === undefined) return;
    pauses.endAll();
    const { clock } = this.#options;
    const model = this.#model;
    const orderly = (async () => {
      await Promise.all(this.#readers.map((reader) => reader.stop().catch(() => {})));
      await model?.close().catch(() => {});
    })();
    const late = Promise.withResolvers<void>();
    const timer = clock.after(stopDeadlineMs, late.resolve);
    await Promise.race([orderly, late.promise]);
    timer.cancel();
    destroy(model);
    // A socket that is destroyed does not tell the library.
    this.#cut?.();
    await this.#ended;
    this.#pauses = undefined;
  }

  async #keepUp(pauses: Pauses): Promise<void> {
    const { logger } = this.#options;
    while (!pauses.over) {
      const error = await this.#oneConnection(pauses);
      if (pauses.over) return;
      this.#lastError = error;
      const pauseMs = this.#backoff.next();
      logger.warn({ code: error.code, pauseMs: Math.round(pauseMs) }, describeError(error));
      await pauses.pause(pauseMs);
    }
  }

  /** Connects, reads as long as the connection lasts, and resolves with why it does not last longer. */
  async #oneConnection(pauses: Pauses): Promise<HoldfastError> {
    const abort = new AbortController();
    const address = parseBrokerUrl(this.#options.url, centralBrokerKeys);
    let model: ChannelModel;
    try {
      model = await this.#connect(abort.signal);
    } catch (cause) {
      abort.abort();
      return amqpConnectError(cause, address);
    }
    if (pauses.over) {
      destroy(model);
      return new HoldfastError('uplink-closed', 'the centre was stopped');
    }
    const closed = Promise.withResolvers<unknown>();
    this.#cut = () => closed.resolve(undefined);
    model.on('error', (error) => closed.resolve(error));
    model.on('close', (error) => closed.resolve(error));
    model.on('blocked', () => {
      this.#blocked = true;
    });
    model.on('unblocked', () => {
      this.#blocked = false;
    });
    this.#model = model;
    this.#backoff.succeeded();
    this.#options.logger.info({ broker: address.place }, 'connected to the broker');
    this.#options.courier?.use(model);
    this.#read(model, pauses);
    const cause = await closed.promise;
    this.#options.courier?.use(undefined);
    this.#model = undefined;
    this.#blocked = false;
    for (const reader of this.#readers) reader.stop().catch(() => {});
    this.#readers = [];
    abort.abort();
    return new HoldfastError('uplink-closed', `the connection to ${address.place} (central.broker) has ended`, cause);
  }

  #connect(signal: AbortSignal): Promise<ChannelModel> {
    const { url, tls, name = 'holdfast-central' } = this.#options;
    const address = parseBrokerUrl(url, centralBrokerKeys);
    return connectAmqp(address, tls, name, signal);
  }

  #read(model: ChannelModel, pauses: Pauses): void {
    const { sources, queueType } = this.#options;
    const topology = new Topology(model);
    const version = (model.connection.serverProperties as { version?: string }).version;
    const channelArguments = channelQueueArguments(queueType, version);
    this.#readers = sources.map(
      (source) => new QueueReader(source, model, topology, source.queueArguments ?? channelArguments, this.#options),
    );
    for (const reader of this.#readers) this.#keepReading(reader, model, pauses);
  }

  /** A reader fails with its connection, or alone: no right to its queue, or a queue that is gone. */
  async #keepReading(reader: QueueReader, model: ChannelModel, pauses: Pauses): Promise<void> {
    const { clock, logger } = this.#options;
    const backoff = new Backoff({ firstMs: 1000, maxMs: 30_000, stableMs: 10_000, clock });
    while (this.#model === model && !pauses.over) {
      try {
        await reader.run();
        return;
      } catch (error) {
        if (this.#model !== model) return;
        logger.error(
          { queue: reader.source.queue, error: describeError(error) },
          'a queue cannot be read; trying again',
        );
        await pauses.pause(500 + backoff.next());
      }
    }
  }
}

/**
 * Cuts the socket, for a broker that does not answer a close. With an error, since the library takes no notice of a socket
 * that is merely destroyed: its heartbeat would keep the process alive.
 */
function destroy(model: ChannelModel | undefined): void {
  const { stream } = (model?.connection ?? {}) as unknown as { stream?: { destroy(error: Error): void } };
  stream?.destroy(new Error('the centre was stopped'));
}
