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

/** RabbitMQ takes some ms to make a durable queue, and makes several side by side. */
const maxLanes = 4;

/**
 * Looks for queues and makes the missing ones, on channels of its own: RabbitMQ closes the channel of a declaration
 * that fails, and with it everything else that the channel does.
 *
 * An existing queue is used as it is (passive declare), whatever it was made with. To find out that a queue is missing
 * costs a channel: so after one that was, the next are declared at once, until RabbitMQ refuses that. Declaring changes
 * nothing of a queue that is there.
 */
export class Topology {
  readonly #model: ChannelModel;
  readonly #lanes: Lane[] = [];
  /** The last one was missing: new machines come in a row. */
  #isMaking = false;

  constructor(model: ChannelModel) {
    this.#model = model;
  }

  /**
   * Resolves when the queue is there. Rejects with `uplink-refused` when this user may not make it, otherwise with the
   * error of the connection. A few calls go side by side, further ones wait.
   */
  ensure(queue: string, queueArguments: QueueArguments): Promise<QueueState> {
    return this.#lane().run((declare) => this.#ensure(declare, queue, queueArguments));
  }

  /** One that has nothing to do; else a new one, or the one with the least to do. */
  #lane(): Lane {
    const idlest = this.#lanes.toSorted((one, other) => one.waiting - other.waiting)[0];
    if (idlest !== undefined && (idlest.waiting === 0 || this.#lanes.length === maxLanes)) return idlest;
    const lane = new Lane(this.#model);
    this.#lanes.push(lane);
    return lane;
  }

  async #ensure(declare: Declare, queue: string, queueArguments: QueueArguments): Promise<QueueState> {
    const look = () => declare((channel) => channel.checkQueue(queue));
    const make = () =>
      declare((channel) => channel.assertQueue(queue, { durable: true, arguments: { ...queueArguments } }));
    if (this.#isMaking) {
      try {
        return await make();
      } catch (error) {
        this.#isMaking = false;
        if (!isRefusal(error)) throw error;
      }
    }
    try {
      return await look();
    } catch (error) {
      if (replyCode(error) !== notFound) throw readable(error, queue);
    }
    try {
      const made = await make();
      this.#isMaking = true;
      return made;
    } catch (error) {
      if (replyCode(error) !== preconditionFailed) throw readable(error, queue);
    }
    // Somebody else has made it in between, with other arguments: it is used as it is.
    return look();
  }
}

/** Makes one declaration; rejects when RabbitMQ refuses it, which closes the channel. */
type Declare = (action: (channel: Channel) => Promise<QueueState>) => Promise<QueueState>;

/** Declarations one after the other, on one channel as long as none fails. */
class Lane {
  readonly #model: ChannelModel;
  #channel: Channel | undefined;
  #last: Promise<unknown> = Promise.resolve();
  /** Declarations that are not done. */
  waiting = 0;

  constructor(model: ChannelModel) {
    this.#model = model;
  }

  run(work: (declare: Declare) => Promise<QueueState>): Promise<QueueState> {
    this.waiting++;
    const result = this.#last
      .then(() => work((action) => this.#declare(action)))
      .finally(() => {
        this.waiting--;
      });
    this.#last = result.catch(() => {});
    return result;
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

/** RabbitMQ's word that this queue may not be declared so, by anybody or by this user. */
const isRefusal = (error: unknown): boolean =>
  replyCode(error) === preconditionFailed || replyCode(error) === accessRefused;

function readable(error: unknown, queue: string): unknown {
  if (replyCode(error) !== accessRefused) return error;
  return new HoldfastError(
    'uplink-refused',
    `the broker's user may not declare the queue ${queue}: give it the right to configure it, or declare the queue beforehand`,
    error,
  );
}
