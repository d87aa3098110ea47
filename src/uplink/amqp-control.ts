import type { Channel, ConsumeMessage } from 'amqplib';
import { HoldfastError } from '../errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import { gatewayControlQueue, replyQueueArguments } from '../protocols/machines/index.ts';
import { replyCode, type Topology } from './amqp-topology.ts';
import { idTakenError } from './link-errors.ts';

/** What the reader of the control queue is made of. */
export interface ControlReaderOptions {
  readonly topology: Topology;
  readonly gatewayId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onControl: (body: Buffer) => Promise<void>;
  /** The queue could not be read any more: the connection is of no use. */
  readonly onFailure: (error: unknown) => void;
  /** True once the connection has ended. */
  readonly isEnded: () => boolean;
}

/** So long after a failed `onControl` the message is asked for again. */
const retryMs = 5_000;
/** Waiting pushes may be purged before they are handed over: after such a silence the broker is asked what waits. */
const quietMs = 2_000;
const accessRefused = 403;

/**
 * Reads what the centre pushes to this gateway, exclusively and one by one, so that pushes are applied in their order.
 * A push leaves the queue when it is applied; one that could not be applied is asked for again.
 */
export class ControlReader {
  /** Resolves when all that waited in the queue when it was opened is applied. */
  readonly drained: Promise<void>;
  readonly #options: ControlReaderOptions;
  readonly #queue: string;
  readonly #resolve: () => void;
  #waiting = 0;
  #inHand = 0;
  #isDrained = false;

  constructor(options: ControlReaderOptions) {
    this.#options = options;
    this.#queue = gatewayControlQueue(options.gatewayId);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.drained = promise;
    this.#resolve = resolve;
  }

  /**
   * Reads the queue from now on, over a channel that serves nothing else. Rejects with `uplink-gateway-id-taken` when
   * another connection reads it.
   */
  async open(channel: Channel): Promise<void> {
    const queue = this.#queue;
    const { messageCount, consumerCount } = await this.#options.topology.ensure(queue, replyQueueArguments);
    if (consumerCount > 0) throw idTakenError(queue);
    this.#waiting = messageCount;
    await channel.prefetch(1);
    try {
      await channel.consume(queue, (message) => this.#onMessage(channel, message), { exclusive: true });
    } catch (error) {
      throw replyCode(error) === accessRefused ? idTakenError(queue, error) : error;
    }
    if (this.#waiting <= 0) this.#drained();
    else this.#lookLater();
  }

  #onMessage(channel: Channel, message: ConsumeMessage | null): void {
    const { clock, logger, isEnded, onControl, onFailure } = this.#options;
    if (isEnded()) return;
    if (!message) {
      onFailure(
        new HoldfastError('uplink-closed', 'the control queue was deleted; it is made again with a new connection'),
      );
      return;
    }
    this.#inHand++;
    onControl(message.content).then(
      () => {
        this.#inHand--;
        if (isEnded()) return;
        channel.ack(message);
        if (--this.#waiting === 0) this.#drained();
      },
      (error) => {
        logger.error({ error: String(error) }, 'a push of the centre could not be applied; asking again');
        clock.after(retryMs, () => {
          this.#inHand--;
          if (!isEnded()) channel.nack(message);
        });
      },
    );
  }

  #drained(): void {
    this.#isDrained = true;
    this.#resolve();
  }

  #lookLater(): void {
    const { clock, topology, isEnded, onFailure } = this.#options;
    const before = this.#waiting;
    clock.after(quietMs, () => {
      if (this.#isDrained || isEnded()) return;
      if (this.#inHand > 0 || this.#waiting !== before) return this.#lookLater();
      topology.ensure(this.#queue, replyQueueArguments).then(
        ({ messageCount }) => {
          if (this.#isDrained || isEnded()) return;
          if (messageCount === 0 && this.#inHand === 0) this.#drained();
          else this.#lookLater();
        },
        (error) => onFailure(error),
      );
    });
  }
}
