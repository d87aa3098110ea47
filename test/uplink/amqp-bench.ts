import amqp, { type Channel, type ChannelModel, type GetMessage } from 'amqplib';
import type { Test } from 'uvu';
import { silentLogger, systemClock } from '../../src/platform/index.ts';
import { type AmqpTransportOptions, createAmqpTransport } from '../../src/uplink/amqp.ts';
import type { UplinkTransport } from '../../src/uplink/transport.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { RecordingListener } from '../support/recording-listener.ts';
import { testCertificates } from '../support/tls.ts';
import { until } from '../support/until.ts';

/** The queue of most reports. */
export const queue = 'device_process_info';

/** A RabbitMQ for the tests of a suite, transports that end with their test, and a plain client on the other side. */
export function amqpBench(test: Test) {
  let rabbit: Rabbit;
  let model: ChannelModel;
  let plain: Channel;
  const started: UplinkTransport[] = [];
  let gateways = 0;

  test.before(async () => {
    rabbit = await startRabbit({ tls: true });
    model = await amqp.connect(rabbit.url);
    plain = await model.createChannel();
  });
  test.after.each(async () => {
    await Promise.all(started.splice(0).map((transport) => transport.stop()));
    for (const name of [queue, 'device_error_info']) await plain.deleteQueue(name);
  });
  test.after(async () => {
    await model.close();
    await rabbit.remove();
  });

  async function connect(options: Partial<AmqpTransportOptions> = {}) {
    const listener = new RecordingListener();
    const gatewayId = options.gatewayId ?? `gw-${++gateways}`;
    const transport = createAmqpTransport({
      url: rabbit.tlsUrl!,
      tls: { ca: testCertificates().ca },
      gatewayId,
      replies: 'per-device',
      queueType: 'classic',
      channels: [queue, 'device_error_info'],
      logger: silentLogger,
      clock: systemClock(),
      random: () => 0.2,
      ...options,
    });
    started.push(transport);
    transport.start(listener);
    return { listener, transport, gatewayId };
  }

  async function take(name: string): Promise<GetMessage> {
    let message: GetMessage | false = false;
    await until(async () => {
      message = await plain.get(name, { noAck: true });
      return message !== false;
    }, `a message in ${name}`);
    return message as unknown as GetMessage;
  }

  /** Asks on a channel of its own, since a missing queue closes it. */
  async function exists(name: string): Promise<boolean> {
    const channel = await model.createChannel();
    channel.on('error', () => {});
    return channel.checkQueue(name).then(
      () => channel.close().then(() => true),
      () => false,
    );
  }

  return {
    connect,
    take,
    exists,
    get rabbit() {
      return rabbit;
    },
    /** The plain client. */
    get plain() {
      return plain;
    },
  };
}
