import amqp, { type Channel, type ChannelModel } from 'amqplib';

/** A durable queue of a RabbitMQ, seen through its own connection. */
export class Queue {
  readonly name: string;
  readonly #model: ChannelModel;
  readonly #channel: Channel;

  constructor(model: ChannelModel, channel: Channel, name: string) {
    this.#model = model;
    this.#channel = channel;
    this.name = name;
  }

  /** Makes the queue; `topic` binds it to the exchange that the MQTT plugin publishes to. */
  static async open(url: string, name: string, topic?: string): Promise<Queue> {
    const model = await amqp.connect(url);
    const channel = await model.createChannel();
    await channel.assertQueue(name);
    if (topic !== undefined) await channel.bindQueue(name, 'amq.topic', topic);
    return new Queue(model, channel, name);
  }

  /** Messages that wait to be consumed. */
  async length(): Promise<number> {
    return (await this.#channel.checkQueue(this.name)).messageCount;
  }

  async purge(): Promise<void> {
    await this.#channel.purgeQueue(this.name);
  }

  async close(): Promise<void> {
    await this.#model.close();
  }
}
