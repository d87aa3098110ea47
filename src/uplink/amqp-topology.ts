import type { Channel, ChannelModel } from 'amqplib';
import { HoldfastError } from '../errors.ts';
import type { QueueArguments } from '../protocols/machines/index.ts';

/** What stands in a queue, as its declaration answers. */
export interface QueueState {
  readonly messageCount: number;
  readonly consumerCount: number;
}

const notFound = 404;
const accessRefused = 403;
const preconditionFailed = 406;

/**
 * Looks for queues and makes the missing ones, on channels of its own: RabbitMQ closes the channel of a declaration
 * that fails, and with it everything else that the channel does. One such channel serves until it is closed that way.
 *
 * An existing queue is used as it is (passive declare), whatever it was made with.
 */
export class Topology {
  readonly #model: ChannelModel;
  #channel: Channel | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(model: ChannelModel) {
    this.#model = model;
  }

  /**
   * Resolves when the queue is there. Rejects with `uplink-refused` when this user may not make it, otherwise with the
   * error of the connection. Calls wait for each other.
   */
  ensure(queue: string, queueArguments: QueueArguments): Promise<QueueState> {
    const result = this.#last.then(() => this.#ensure(queue, queueArguments));
    this.#last = result.catch(() => {});
    return result;
  }

  async #ensure(queue: string, queueArguments: QueueArguments): Promise<QueueState> {
    try {
      return await this.#declare((channel) => channel.checkQueue(queue));
    } catch (error) {
      if (replyCode(error) !== notFound) throw readable(error, queue);
    }
    try {
      return await this.#declare((channel) =>
        channel.assertQueue(queue, { durable: true, arguments: { ...queueArguments } }),
      );
    } catch (error) {
      if (replyCode(error) !== preconditionFailed) throw readable(error, queue);
    }
    // Somebody else has made it in between, with other arguments: it is used as it is.
    return this.#declare((channel) => channel.checkQueue(queue));
  }

  async #declare(action: (channel: Channel) => Promise<QueueState>): Promise<QueueState> {
    const channel = this.#channel ?? (await this.#model.createChannel());
    if (!this.#channel) {
      this.#channel = channel;
      // The broker's reason comes with the rejected call; without a listener the event would end the process.
      channel.on('error', () => {});
      channel.on('close', () => {
        if (this.#channel === channel) this.#channel = undefined;
      });
    }
    try {
      return await action(channel);
    } catch (error) {
      if (this.#channel === channel) this.#channel = undefined;
      throw error;
    }
  }
}

/** The reply code of an error that closed a channel; undefined for others. */
export function replyCode(error: unknown): number | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'number' ? code : undefined;
}

function readable(error: unknown, queue: string): unknown {
  if (replyCode(error) !== accessRefused) return error;
  return new HoldfastError(
    'uplink-refused',
    `the broker's user may not declare the queue ${queue}: give it the right to configure it, or declare the queue beforehand`,
    error,
  );
}
