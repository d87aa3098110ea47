import type { ConfirmChannel } from 'amqplib';
import type { OutgoingQuery } from './transport.ts';

/** A query that nobody has taken from its queue by then is worth nothing: the broker drops it. */
const expirationMs = 10_000;

/**
 * Asks the centre on a channel of its own: the client library writes its channels in turn, so that a query does not
 * wait behind the megabytes of reports that may be under way on theirs.
 */
export class QuerySender {
  readonly #channel: ConfirmChannel;
  readonly #gatewayId: string;
  readonly #replyTo: string | undefined;
  readonly #onConfirmed: (messageId: string) => void;
  readonly #onRejected: (messageId: string, isReturned: boolean) => void;
  /** Ids that the broker has returned and not yet confirmed: the return comes first, the confirm must not count. */
  readonly #returned = new Set<string>();

  constructor(options: {
    /** Only for queries. */
    channel: ConfirmChannel;
    gatewayId: string;
    /** The queue of all answers of the gateway; undefined when they come on one for each machine. */
    replyTo: string | undefined;
    onConfirmed: (messageId: string) => void;
    onRejected: (messageId: string, isReturned: boolean) => void;
    /** There is no queue of that name. */
    onReturned: (queue: string) => void;
  }) {
    this.#channel = options.channel;
    this.#gatewayId = options.gatewayId;
    this.#replyTo = options.replyTo;
    this.#onConfirmed = options.onConfirmed;
    this.#onRejected = options.onRejected;
    this.#channel.on('return', ({ properties, fields }) => {
      this.#returned.add(properties.messageId as string);
      options.onReturned(fields.routingKey);
    });
  }

  /** Publishes a query: not persistent, mandatory, dropped by the broker after 10 s. */
  ask({ messageId, channel, body }: OutgoingQuery): void {
    this.#channel.publish(
      '',
      channel,
      Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.length),
      {
        mandatory: true,
        persistent: false,
        expiration: expirationMs,
        contentType: 'application/json',
        messageId,
        appId: this.#gatewayId,
        type: channel,
        ...(this.#replyTo !== undefined && { replyTo: this.#replyTo }),
      },
      (error) => {
        const isReturned = this.#returned.delete(messageId);
        if (isReturned || error !== null) this.#onRejected(messageId, isReturned);
        else this.#onConfirmed(messageId);
      },
    );
  }
}
