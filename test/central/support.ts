import amqp, { type Channel, type ChannelModel, type ConsumeMessage, type Options } from 'amqplib';
import { type Central, type CentralOptions, createCentral } from '../../src/central.ts';
import { loadConfig } from '../../src/config/index.ts';
import { createLogger, silentLogger, systemClock } from '../../src/platform/index.ts';
import { temporaryFolder } from '../support/temporary.ts';

/** A centre on a free HTTP port, started; `HOLDFAST_TEST_LOG=debug` shows its log. */
export async function startCentral(
  environment: Readonly<Record<string, string | undefined>>,
  more: Partial<CentralOptions> = {},
): Promise<Central> {
  const { config } = loadConfig({ environment });
  const level = process.env.HOLDFAST_TEST_LOG;
  const central = createCentral({
    // The configuration has no port 0: an appliance's ports are known.
    config: { ...config, central: { ...config.central, http: { ...config.central.http, host: '127.0.0.1', port: 0 } } },
    logger: level === undefined ? silentLogger : createLogger('debug'),
    clock: systemClock(),
    dataFolder: more.dataFolder ?? temporaryFolder('holdfast-central-').path,
    ...more,
  });
  await central.start();
  return central;
}

/** An AMQP client as a machine's operation software would be, in the way of pika's examples. */
export class Machine {
  readonly answers: { queue: string; message: ConsumeMessage; body: Record<string, string> }[] = [];
  readonly #model: ChannelModel;
  readonly #channel: Channel;

  constructor(model: ChannelModel, channel: Channel) {
    this.#model = model;
    this.#channel = channel;
  }

  static async connect(url: string): Promise<Machine> {
    const model = await amqp.connect(url);
    model.on('error', () => {});
    return new Machine(model, await model.createChannel());
  }

  /** Declares the queue durable, without arguments, and reads it. */
  async listen(queue: string): Promise<void> {
    await this.#channel.assertQueue(queue, { durable: true });
    await this.#channel.consume(
      queue,
      (message) => {
        if (message) this.answers.push({ queue, message, body: JSON.parse(message.content.toString()) });
      },
      { noAck: true },
    );
  }

  async declare(queue: string): Promise<void> {
    await this.#channel.assertQueue(queue, { durable: true });
  }

  send(queue: string, body: Buffer | object, properties: Options.Publish = {}): void {
    const content = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    this.#channel.sendToQueue(queue, content, { persistent: true, ...properties });
  }

  /** Resolves when the broker has seen everything sent before. */
  async flush(queue: string): Promise<void> {
    await this.#channel.checkQueue(queue);
  }

  async close(): Promise<void> {
    await this.#model.close();
  }
}
