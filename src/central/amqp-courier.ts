import type { ChannelModel, ConfirmChannel, Message } from 'amqplib';
import { describeError } from '../errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import { gatewayControlQueue, replyQueueArguments } from '../protocols/machines/index.ts';
import { Topology } from '../uplink/index.ts';
import type { Courier } from './control-push.ts';
import type { Via } from './gateways.ts';
import { controlKey, topicExchange } from './sources.ts';

/** What a courier is made of. */
export interface AmqpCourierOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a confirm is waited for, in ms. */
  readonly confirmWithinMs?: number;
}

interface Post {
  readonly channel: ConfirmChannel;
  readonly topology: Topology;
  /** Messages that the broker has returned: the confirm that follows does not count. */
  readonly returned: Set<string>;
}

/**
 * Brings control messages by RabbitMQ: to the queue `gateway_<id>_control`, which is made when it is missing, or, to a
 * gateway that uses RabbitMQ's MQTT plugin, by the topic `holdfast/<id>/down/control`. Persistent, `mandatory`, and
 * delivered only with the broker's confirm; what no queue takes is not delivered (an MQTT session that is over).
 */
export class AmqpCourier implements Courier {
  readonly #options: AmqpCourierOptions;
  #model: ChannelModel | undefined;
  #post: Promise<Post> | undefined;
  #lost = Promise.withResolvers<void>();
  #count = 0;

  constructor(options: AmqpCourierOptions) {
    this.#options = options;
  }

  /** Uses a connection from now on, or none. */
  use(model: ChannelModel | undefined): void {
    this.#model = model;
    this.#forget();
  }

  /** Resolves with false, too, when the connection is taken away: the library leaves what was asked on it open for ever. */
  deliver(gateway: string, via: Via | undefined, body: Buffer): Promise<boolean> {
    const model = this.#model;
    if (model === undefined) return Promise.resolve(false);
    return Promise.race([this.#deliver(model, gateway, via, body), this.#lost.promise.then(() => false)]);
  }

  async #deliver(model: ChannelModel, gateway: string, via: Via | undefined, body: Buffer): Promise<boolean> {
    try {
      this.#post ??= this.#open(model);
      const post = await this.#post;
      const queue = gatewayControlQueue(gateway);
      if (via !== 'mqtt') await post.topology.ensure(queue, replyQueueArguments);
      const [exchange, key] = via === 'mqtt' ? [topicExchange, controlKey(gateway)] : ['', queue];
      return await this.#publish(post, exchange, key, body);
    } catch (error) {
      if (this.#model === model) this.#forget();
      this.#options.logger.warn({ gateway, error: describeError(error) }, 'a gateway cannot be told of a change now');
      return false;
    }
  }

  async #open(model: ChannelModel): Promise<Post> {
    const channel = await model.createConfirmChannel();
    const returned = new Set<string>();
    // The reason comes with the rejected call; without a listener the event would end the process.
    channel.on('error', () => {});
    channel.on('return', ({ properties }: Message) => returned.add(String(properties.messageId)));
    channel.on('close', () => this.#forget());
    return { channel, topology: new Topology(model), returned };
  }

  async #publish({ channel, returned }: Post, exchange: string, key: string, body: Buffer): Promise<boolean> {
    const { clock, confirmWithinMs = 10_000 } = this.#options;
    const messageId = `push-${++this.#count}`;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = clock.after(confirmWithinMs, () => resolve(false));
    const options = { persistent: true, mandatory: true, contentType: 'application/json', messageId };
    channel.publish(exchange, key, body, options, (error) => resolve(error === null));
    const confirmed = await promise;
    timer.cancel();
    return !returned.delete(messageId) && confirmed;
  }

  #forget(): void {
    this.#post = undefined;
    this.#lost.resolve();
    this.#lost = Promise.withResolvers<void>();
  }
}
