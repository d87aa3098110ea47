/**
 * Reads one queue on one connection: takes messages over, has them stored, answers, and only then acknowledges.
 *
 * Invariants: one batch at a time and acknowledged in order, so a queue keeps its order; answers go out before the
 * acknowledgement on the same channel, so a crash in between costs a repeat and never an answer. One copy of the centre
 * reads a queue at a time: classic queues are read exclusively, a quorum queue's single active consumer is one that
 * nobody else waits behind; the other copies look every one to two seconds whether the queue is free. Authorization
 * queries have no order: every copy takes of them, also while it does not reach the database.
 * Failure behaviour: while the database is away nothing is acknowledged; the batch is tried again with growing pauses,
 * and after `handOverMs` the messages go back to the queue, so that a copy that does reach the database can take them.
 * Whatever closes the channel returns what is not acknowledged; it comes again and is found stored.
 */
import type { Channel, ChannelModel, ConsumeMessage, Message } from 'amqplib';
import { describeError, isHoldfastError } from '../errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import { type QueueArguments, replyQueueArguments } from '../protocols/machines/index.ts';
import { Backoff, replyCode, type Topology } from '../uplink/index.ts';
import { Batcher } from './batcher.ts';
import type { Answer, Arrival, Taker } from './ingest.ts';
import type { CentralCounters } from './metrics.ts';
import { Pauses } from './pauses.ts';
import type { Destination, Source } from './sources.ts';

/** What a reader is doing; `waiting`: another copy reads the queue. */
export type ReaderState = 'starting' | 'reading' | 'waiting' | 'database-away' | 'stopped';

/** What readers share, and their limits. */
export interface ReaderOptions {
  /** Stores reports. */
  readonly ingest: Taker;
  /** Answers authorization queries; while the database is away it decides itself how long one is worth a try. */
  readonly desk: Taker;
  /** Resolves when the database answers. */
  readonly ping: () => Promise<void>;
  readonly counters: CentralCounters;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Messages that the broker hands over before the first is acknowledged, 1 to 65535. */
  readonly prefetch: number;
  /** Most messages of a batch. */
  readonly batchSize: number;
  /** How long a batch is tried before its messages go back to the queue, in ms. */
  readonly handOverMs?: number;
  /** How long another copy is waited for before the next look, in ms: this to twice this. */
  readonly lookMs?: number;
}

interface Taken {
  readonly message: ConsumeMessage;
  readonly receivedMs: number;
}

/** The channel that messages came on; it ends, and the next one begins anew. */
interface Reading {
  readonly channel: Channel;
  readonly batcher: Batcher<Taken>;
  /** Resolves when the channel is of no use any more. */
  readonly ended: Promise<void>;
  readonly end: () => void;
  open: boolean;
}

const accessRefused = 403;
const batchBytes = 8 * 1024 * 1024;
const lingerMs = 2;
/** Most queries that one copy of the centre takes over at once: what it has nobody else can answer. */
const queryPrefetch = 200;
const queryRetryMs = 200;

export class QueueReader {
  readonly source: Source;
  readonly #options: ReaderOptions;
  readonly #model: ChannelModel;
  readonly #topology: Topology;
  readonly #queueArguments: QueueArguments;
  readonly #backoff: Backoff;
  readonly #pauses: Pauses;
  #reading: Reading | undefined;
  #state: ReaderState = 'starting';
  #inHand = 0;
  /** A channel that we close tells so once more, when the next may be open already. */
  readonly #ended = new WeakSet<Reading>();
  #work: Promise<void> = Promise.resolve();

  constructor(
    source: Source,
    model: ChannelModel,
    topology: Topology,
    queueArguments: QueueArguments,
    options: ReaderOptions,
  ) {
    this.source = source;
    this.#model = model;
    this.#topology = topology;
    this.#queueArguments = queueArguments;
    this.#options = options;
    this.#backoff = new Backoff({ firstMs: 200, maxMs: 5000, stableMs: 1000, clock: options.clock });
    this.#pauses = new Pauses(options.clock);
  }

  get state(): ReaderState {
    return this.#state;
  }

  /** Messages taken over and not yet acknowledged. */
  get inHand(): number {
    return this.#inHand;
  }

  /** Reads until `stop`; rejects when the connection is of no use. */
  async run(): Promise<void> {
    await this.#declare();
    while (!this.#pauses.over) {
      if (!this.source.isQueries) await this.#databaseBack();
      if (this.#pauses.over) break;
      if (this.source.isQueries || (await this.#isFree())) {
        const reading = await this.#open();
        if (reading !== undefined) {
          await reading.ended;
          await this.#pauses.pause(this.#backoff.next());
          continue;
        }
      }
      this.#state = 'waiting';
      const lookMs = this.#options.lookMs ?? 1000;
      await this.#pauses.pause(lookMs * (1 + Math.random()));
    }
  }

  /** Takes no more, finishes the batch under way, and leaves the rest to the queue. */
  async stop(): Promise<void> {
    this.#pauses.endAll();
    this.#state = 'stopped';
    const reading = this.#reading;
    reading?.batcher.stop();
    await this.#work;
    reading?.end();
  }

  async #databaseBack(): Promise<void> {
    for (;;) {
      try {
        await this.#options.ping();
        return;
      } catch {
        this.#state = 'database-away';
        await this.#pauses.pause(200 + this.#backoff.next());
        if (this.#pauses.over) return;
      }
    }
  }

  /** Makes the queue at once, also while the database is away: what a machine sends must find it. */
  async #declare(): Promise<void> {
    const { queue, bindings } = this.source;
    await this.#topology.ensure(queue, this.#queueArguments);
    if (bindings.length === 0) return;
    const channel = await this.#model.createChannel();
    // The reason comes with the rejected call; without a listener the event would end the process.
    channel.on('error', () => {});
    for (const { exchange, pattern } of bindings) await channel.bindQueue(queue, exchange, pattern);
    await channel.close();
  }

  async #isFree(): Promise<boolean> {
    return (await this.#topology.ensure(this.source.queue, this.#queueArguments)).consumerCount === 0;
  }

  /** Begins to read; undefined when another copy was faster. */
  async #open(): Promise<Reading | undefined> {
    const { prefetch, batchSize, clock, counters, logger } = this.#options;
    const { queue } = this.source;
    const channel = await this.#model.createChannel();
    const ended = Promise.withResolvers<void>();
    const batcher = new Batcher<Taken>({
      maxItems: batchSize,
      maxBytes: batchBytes,
      lingerMs,
      clock,
      work: (batch) => this.#take(reading, batch),
      onFailure: (error) => {
        logger.warn({ queue, error: describeError(error) }, 'messages go back to the queue');
        reading.end();
      },
    });
    const reading: Reading = {
      channel,
      batcher,
      ended: ended.promise,
      open: true,
      end: () => {
        if (this.#ended.has(reading)) return;
        this.#ended.add(reading);
        if (reading.open) channel.close().catch(() => {});
        this.#closed(reading);
        ended.resolve();
      },
    };
    channel.on('error', (error) => logger.warn({ queue, error: describeError(error) }, 'the broker closed a channel'));
    channel.on('close', () => {
      reading.open = false;
      reading.end();
    });
    channel.on('return', (message: Message) => this.#returned(reading, message));
    let verified = false;
    const early: Taken[] = [];
    try {
      await channel.prefetch(this.source.isQueries ? Math.min(prefetch, queryPrefetch) : prefetch);
      await channel.consume(
        queue,
        (message) => {
          if (message === null) return reading.end();
          this.#inHand++;
          counters.received++;
          const taken = { message, receivedMs: clock.wallMs() };
          if (verified) batcher.add(taken, message.content.length);
          else early.push(taken);
        },
        { exclusive: !this.source.isQueries },
      );
    } catch (error) {
      reading.end();
      if (replyCode(error) === accessRefused) return undefined;
      throw error;
    }
    // A quorum queue knows no exclusive consumer: of two copies that found it free at once, both let go.
    if (!this.source.isQueries && (await this.#isShared(reading))) {
      reading.end();
      return undefined;
    }
    verified = true;
    for (const taken of early) batcher.add(taken, taken.message.content.length);
    this.#reading = reading;
    this.#state = 'reading';
    this.#backoff.succeeded();
    counters.takeovers++;
    logger.info({ queue }, 'this copy reads the queue');
    return reading;
  }

  async #isShared(reading: Reading): Promise<boolean> {
    try {
      return (await this.#topology.ensure(this.source.queue, this.#queueArguments)).consumerCount > 1;
    } catch (error) {
      reading.end();
      throw error;
    }
  }

  #closed(reading: Reading): void {
    reading.open = false;
    reading.batcher.stop();
    this.#options.counters.returned += this.#inHand;
    this.#inHand = 0;
    if (this.#reading === reading) this.#reading = undefined;
    if (!this.#pauses.over) this.#state = 'starting';
  }

  #take(reading: Reading, batch: readonly Taken[]): Promise<void> {
    this.#work = this.#storeAndAnswer(reading, batch);
    return this.#work.catch((error) => {
      this.#work = Promise.resolve();
      throw error;
    });
  }

  async #storeAndAnswer(reading: Reading, batch: readonly Taken[]): Promise<void> {
    const arrivals: Arrival[] = [];
    const messages: ConsumeMessage[] = [];
    for (const { message, receivedMs } of batch) {
      const arrival = this.source.read(message, receivedMs);
      if (arrival === undefined) this.#options.counters.unknownChannel++;
      else if (arrival === 'skip') this.#options.counters.skipped++;
      else {
        arrivals.push(arrival);
        messages.push(message);
      }
    }
    const answers = await this.#store(reading, arrivals);
    if (!reading.open) return;
    let room = true;
    for (const [index, answer] of answers.entries()) {
      room = this.#answer(reading.channel, messages[index]!, arrivals[index]!, answer);
    }
    reading.channel.ack(batch.at(-1)!.message, true);
    this.#inHand -= batch.length;
    // Answers must not pile up in memory when the broker is slow to take them.
    if (!room)
      await Promise.race([new Promise<void>((go) => reading.channel.once('drain', () => go())), reading.ended]);
  }

  async #store(reading: Reading, arrivals: readonly Arrival[]): Promise<Answer[]> {
    const { ingest, desk, clock, counters, handOverMs = 10_000 } = this.#options;
    const { isQueries } = this.source;
    const begunMs = clock.monotonicMs();
    for (;;) {
      try {
        const answers = await (isQueries ? desk : ingest).take(arrivals);
        if (this.#state === 'database-away') this.#state = 'reading';
        return answers;
      } catch (error) {
        if (!isHoldfastError(error, 'database-unreachable')) throw error;
        counters.databaseFailures++;
        this.#state = 'database-away';
        if (!reading.open || this.#pauses.over) throw error;
        if (!isQueries && clock.monotonicMs() - begunMs > handOverMs) throw error;
        await this.#pauses.pause(isQueries ? queryRetryMs : 100 + this.#backoff.next());
      }
    }
  }

  /** Publishes an answer; false when the next batch should wait until there is room. */
  #answer(channel: Channel, message: ConsumeMessage, arrival: Arrival, answer: Answer): boolean {
    const destination = this.source.destination(message, arrival, answer);
    if (destination === undefined || answer.body === undefined) return true;
    this.#options.counters.receipts++;
    // A machine that calls as in RabbitMQ's own examples looks for the correlation that it gave.
    const correlationId = arrival.messageId ?? (message.properties.correlationId as string | undefined);
    return publish(channel, destination, answer.body, correlationId);
  }

  /** The broker had no queue for an answer: it is made, as the machine would make it, and the answer sent again. */
  #returned(reading: Reading, { fields, properties, content }: Message): void {
    const { counters, logger } = this.#options;
    counters.receiptsReturned++;
    if (properties.type !== 'receipt') return;
    const { routingKey } = fields;
    this.#topology.ensure(routingKey, replyQueueArguments).then(
      () => {
        if (!reading.open) return;
        const again = { exchange: '', routingKey, declare: false };
        publish(reading.channel, again, content, properties.correlationId as string | undefined);
      },
      (error) => logger.warn({ queue: routingKey, error: describeError(error) }, 'a reply queue could not be made'),
    );
  }
}

/** Not persistent: an answer that a broken broker loses is given again when the report is repeated. */
function publish(channel: Channel, destination: Destination, body: Buffer, correlationId: string | undefined): boolean {
  return channel.publish(destination.exchange, destination.routingKey, body, {
    contentType: 'application/json',
    mandatory: destination.exchange === '',
    ...(correlationId !== undefined && { correlationId }),
    // Comes back with a returned answer.
    ...(destination.declare && { type: 'receipt' }),
  });
}
