import type { Channel, ChannelModel, Message } from 'amqplib';
import { HoldfastError } from '../errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import {
  channelQueueArguments,
  gatewayReceiptsQueue,
  type QueueArguments,
  type QueueType,
} from '../protocols/machines/index.ts';
import { ControlReader } from './amqp-control.ts';
import { AmqpPublisher } from './amqp-publisher.ts';
import { QuerySender } from './amqp-queries.ts';
import { ReplyReader } from './amqp-replies.ts';
import { Topology } from './amqp-topology.ts';
import type { LinkSession } from './link.ts';
import { type BrokerPlace, lostError } from './link-errors.ts';
import { SendGate } from './send-gate.ts';
import type { OutgoingQuery, OutgoingReport, TransportListener } from './transport.ts';

/** What a session needs besides its connection. */
export interface AmqpSessionOptions {
  readonly where: BrokerPlace;
  readonly gatewayId: string;
  readonly replies: 'per-device' | 'per-gateway';
  readonly queueType: QueueType;
  /** Channels whose queues shall be there before the first report. */
  readonly channels: readonly string[];
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Bytes of bodies handed to the client library and not confirmed; beyond it `send` asks to wait. */
const underWayLimitBytes = 16 * 1024 * 1024;

/**
 * One AMQP connection: reports out on a confirm channel, receipts and pushes in on channels of their own. Anything that
 * closes one of them ends the session.
 */
export class AmqpSession implements LinkSession {
  readonly closed: Promise<HoldfastError>;
  readonly #model: ChannelModel;
  readonly #options: AmqpSessionOptions;
  readonly #listener: TransportListener;
  readonly #gate: SendGate;
  readonly #topology: Topology;
  readonly #channelArguments: QueueArguments;
  readonly #replyTo: string | undefined;
  /** Ids that the broker has returned and not yet confirmed: the return comes first, the confirm must not count. */
  readonly #returned = new Set<string>();
  readonly #declaring = new Set<string>();
  readonly #end: (error: HoldfastError) => void;
  #publisher!: AmqpPublisher;
  #asker!: QuerySender;
  #replies!: ReplyReader;
  readonly #control: ControlReader;
  #ended = false;

  constructor(model: ChannelModel, listener: TransportListener, options: AmqpSessionOptions) {
    this.#model = model;
    this.#listener = listener;
    this.#options = options;
    this.#gate = new SendGate(underWayLimitBytes, () => {
      if (!this.#ended) listener.onDrain();
    });
    this.#topology = new Topology(model);
    this.#channelArguments = channelQueueArguments(
      options.queueType,
      (model.connection.serverProperties as { version?: string }).version,
    );
    this.#replyTo = options.replies === 'per-gateway' ? gatewayReceiptsQueue(options.gatewayId) : undefined;
    this.#control = new ControlReader({
      topology: this.#topology,
      gatewayId: options.gatewayId,
      clock: options.clock,
      logger: options.logger,
      onControl: (body) => listener.onControl(body),
      onFailure: (error) => this.#fail(error),
      isEnded: () => this.#ended,
    });
    const { promise, resolve } = Promise.withResolvers<HoldfastError>();
    this.closed = promise;
    this.#end = resolve;
    model.on('error', (error) => this.#fail(error));
    model.on('close', (error) => this.#fail(error));
    model.on('blocked', (reason) => {
      options.logger.warn({ code: 'uplink-blocked', reason }, 'the broker has stopped taking messages');
      this.#gate.setBlocked(true);
    });
    model.on('unblocked', () => {
      options.logger.info({}, 'the broker takes messages again');
      this.#gate.setBlocked(false);
    });
  }

  get blocked(): boolean {
    return this.#gate.blocked;
  }

  /** Opens everything; to be awaited before use. The control queue comes first: it tells whether the id is ours. */
  async open(): Promise<void> {
    await this.#control.open(await this.#channel());
    for (const channel of this.#options.channels) await this.#topology.ensure(channel, this.#channelArguments);
    this.#replies = new ReplyReader({
      consumer: await this.#channel(),
      topology: this.#topology,
      clock: this.#options.clock,
      onReceipt: (receipt) => {
        if (!this.#ended) this.#listener.onReceipt(receipt);
      },
      onFailure: (error) => this.#fail(error),
    });
    if (this.#replyTo !== undefined) await this.#replies.open(this.#replyTo);
    const publisher = await this.#model.createConfirmChannel();
    this.#guard(publisher);
    this.#publisher = new AmqpPublisher(publisher, {
      appId: this.#options.gatewayId,
      replyTo: this.#replyTo,
      onSettled: (messageId, bytes, taken) => this.#settle(messageId, bytes, !taken),
    });
    publisher.on('drain', () => this.#gate.bufferDrained());
    publisher.on('return', (message) => this.#onReturn(message));
    const asker = await this.#model.createConfirmChannel();
    this.#guard(asker);
    this.#asker = new QuerySender({
      channel: asker,
      gatewayId: this.#options.gatewayId,
      replyTo: this.#replyTo,
      onConfirmed: (messageId) => {
        if (!this.#ended) this.#listener.onConfirmed(messageId);
      },
      onRejected: (messageId, isReturned) => {
        if (!this.#ended) this.#listener.onRejected(messageId, isReturned ? unroutable() : refusedByBroker());
      },
      onReturned: (channel) => this.#declareAgain(channel),
    });
  }

  get controlDrained(): Promise<void> {
    return this.#control.drained;
  }

  ask(query: OutgoingQuery): void {
    this.#asker.ask(query);
  }

  send(report: OutgoingReport): boolean {
    return this.#gate.taken(report.body.length, this.#publisher.publish(report));
  }

  watchReplies(channel: string, serial: string): Promise<void> | undefined {
    return this.#replyTo === undefined ? this.#replies.watch(channel, serial) : undefined;
  }

  async close(): Promise<void> {
    this.#ended = true;
    await this.#model.close();
  }

  #settle(messageId: string, bytes: number, refused: boolean): void {
    // When the channel closes, the library calls back for all that was under way; that is doubt, not an answer.
    if (this.#ended) return;
    this.#gate.settled(bytes);
    if (this.#returned.size > 0 && this.#returned.delete(messageId)) {
      this.#listener.onRejected(messageId, unroutable());
    } else if (refused) {
      this.#listener.onRejected(messageId, refusedByBroker());
    } else {
      this.#listener.onConfirmed(messageId);
    }
  }

  #onReturn(message: Message): void {
    this.#returned.add(message.properties.messageId as string);
    this.#declareAgain(message.fields.routingKey);
  }

  #declareAgain(channel: string): void {
    if (this.#declaring.has(channel)) return;
    this.#declaring.add(channel);
    this.#options.logger.warn(
      { code: 'uplink-unroutable', channel },
      'the queue of a channel is missing; making it again',
    );
    this.#topology
      .ensure(channel, this.#channelArguments)
      .catch((error) => this.#fail(error))
      .finally(() => this.#declaring.delete(channel));
  }

  async #channel(): Promise<Channel> {
    const channel = await this.#model.createChannel();
    this.#guard(channel);
    return channel;
  }

  #guard(channel: Channel): void {
    channel.on('error', (error) => this.#fail(error));
    // Before the library's own listener, which calls back for everything under way.
    channel.prependListener('close', () => this.#fail(undefined));
  }

  #fail(cause: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#end(lostError(cause, this.#options.where));
    // The link destroys the socket next; this only lets a live broker clear up at once.
    this.#model.close().catch(() => {});
  }
}

const unroutable = () =>
  new HoldfastError('uplink-unroutable', 'the broker has no queue for the channel; it is being made again');

const refusedByBroker = () =>
  new HoldfastError(
    'uplink-blocked',
    'the broker did not take a report (negative confirm): look whether the queue is full or the broker in trouble',
  );
