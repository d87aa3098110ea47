import type { Channel, ConsumeMessage } from 'amqplib';
import type { Clock } from '../platform/index.ts';
import { replyQueueArguments, replyTopic } from '../protocols/machines/index.ts';
import type { Topology } from './amqp-topology.ts';
import { idTakenError } from './link-errors.ts';
import type { Receipt } from './transport.ts';

/** Whose answers come on a queue; nothing for a queue that serves the whole gateway. */
export interface ReplySource {
  readonly channel: string;
  readonly serial: string;
}

/** What the reader of replies is made of. */
export interface ReplyReaderOptions {
  /** Only for this reader's consumers. */
  readonly consumer: Channel;
  readonly topology: Topology;
  readonly clock: Clock;
  readonly onReceipt: (receipt: Receipt) => void;
  /** A queue could not be read any more: the connection is of no use. */
  readonly onFailure: (error: unknown) => void;
}

/** Another connection's consumers vanish one by one when it ends; so long a queue may still seem taken. */
const takenTries = 10;
const takenPauseMs = 200;
/** Waiting messages may expire or be purged before they are handed over; then they are not waited for any longer. */
const quietMs = 2_000;

/**
 * Reads reply queues on one connection, each exclusively. Receipts are taken without acknowledgement to the broker: one
 * that is lost with the connection costs a repeat of its report, which the centre answers again.
 */
export class ReplyReader {
  readonly #options: ReplyReaderOptions;
  /** `true` once the queue is read, a promise while it is being opened. */
  readonly #queues = new Map<string, true | Promise<void>>();

  constructor(options: ReplyReaderOptions) {
    this.#options = options;
  }

  /** The reply queue of one channel of one machine; undefined when it is already read. */
  watch(channel: string, serial: string): Promise<void> | undefined {
    const queue = replyTopic(channel, serial);
    const present = this.#queues.get(queue);
    if (present !== undefined) return present === true ? undefined : present;
    return this.open(queue, { channel, serial });
  }

  /**
   * Declares the queue if need be, reads it, and resolves when all that was waiting in it has been handed over, marked
   * stale. Rejects with `uplink-gateway-id-taken` when another connection reads it.
   */
  open(queue: string, source?: ReplySource): Promise<void> {
    const opening = this.#open(queue, source).then(
      () => {
        this.#queues.set(queue, true);
      },
      (error) => {
        this.#queues.delete(queue);
        throw error;
      },
    );
    this.#queues.set(queue, opening);
    return opening;
  }

  async #open(queue: string, source: ReplySource | undefined): Promise<void> {
    let waiting = await this.#freeQueue(queue);
    const { consumer, clock, onReceipt } = this.#options;
    const handedOver = Promise.withResolvers<void>();
    let quiet = { cancel() {} };
    const heard = () => {
      quiet.cancel();
      if (waiting > 0) quiet = clock.after(quietMs, handedOver.resolve);
      else handedOver.resolve();
    };
    const take = (message: ConsumeMessage | null) => {
      if (!message) {
        this.#gone(queue, source);
        return;
      }
      const stale = waiting > 0;
      onReceipt({
        messageId: message.properties.correlationId as string | undefined,
        channel: source?.channel,
        serial: source?.serial,
        body: message.content,
        stale,
      });
      if (stale) {
        waiting--;
        heard();
      }
    };
    await consumer.consume(queue, take, { noAck: true, exclusive: true });
    heard();
    await handedOver.promise;
  }

  /** How many messages wait in the queue, once nobody else reads it. Asked first, because a refused consumer closes the channel. */
  async #freeQueue(queue: string): Promise<number> {
    const { topology, clock } = this.#options;
    for (let tries = 1; ; tries++) {
      const { messageCount, consumerCount } = await topology.ensure(queue, replyQueueArguments);
      if (consumerCount === 0) return messageCount;
      if (tries === takenTries) throw idTakenError(queue);
      await clock.sleep(takenPauseMs);
    }
  }

  /** The queue was deleted while it was read: it is made again at once, since reports may be under way. */
  #gone(queue: string, source: ReplySource | undefined): void {
    this.open(queue, source).catch(this.#options.onFailure);
  }
}
