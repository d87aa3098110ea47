import { type Channel, type ConfirmChannel, connect } from 'amqplib';
import { replyTopic } from '../protocols/machines/index.ts';
import { replyQueueArguments } from '../protocols/machines/queues.ts';
import { Topology } from '../uplink/amqp-topology.ts';
import type { DoorListener, DoorOptions } from './door.ts';
import type { DoorSession } from './lasting-door.ts';

const connectTimeoutMs = 10_000;
const heartbeatS = 10;

/**
 * Connects a machine to the centre's RabbitMQ itself, as in the seed: reports to the queues named like the channels,
 * without message_id; replies from `<channel>_<sn>_res`. Missing queues are made, and what an earlier connection left
 * in the reply queues is thrown away.
 */
export async function connectAmqp(options: DoorOptions, listener: DoorListener): Promise<DoorSession> {
  const { serial, channels } = options;
  const model = await connect(addressOf(options), { timeout: connectTimeoutMs });
  const { promise: closed, resolve: end } = Promise.withResolvers<Error>();
  let reason = new Error('RabbitMQ closed the connection');
  model.on('error', (error: Error) => {
    reason = error;
  });
  model.on('close', () => end(reason));
  let confirming: ConfirmChannel;
  try {
    const topology = new Topology(model);
    confirming = await model.createConfirmChannel();
    endWith(confirming);
    const replies = await model.createChannel();
    endWith(replies);
    for (const channel of channels) {
      await topology.ensure(channel, {});
      const queue = replyTopic(channel, serial);
      await topology.ensure(queue, replyQueueArguments);
      await replies.purgeQueue(queue);
      await replies.consume(
        queue,
        (message) => {
          if (message !== null) listener.onReply(channel, message.content);
          else close(new Error(`the queue ${queue} was deleted`));
        },
        { noAck: true },
      );
    }
  } catch (error) {
    await model.close().catch(() => {});
    throw error;
  }

  /** A channel that RabbitMQ closes is of no use any more, and neither is the connection without it. */
  function endWith(channel: Channel): void {
    channel.on('error', close);
  }
  function close(error: Error): void {
    reason = error;
    model.close().catch(() => {});
  }
  return {
    closed,
    send: (channel, body) =>
      new Promise((resolve, reject) => {
        const properties = { persistent: true, contentType: 'application/json' };
        confirming.sendToQueue(channel, body, properties, (error) => (error ? reject(error) : resolve()));
      }),
    close: async () => {
      await model.close().catch(() => {});
      end(reason);
    },
  };
}

function addressOf({ url, credential }: DoorOptions): string {
  const address = new URL(url);
  if (credential !== undefined) {
    address.username = encodeURIComponent(credential.username);
    address.password = encodeURIComponent(credential.password);
  }
  address.searchParams.set('heartbeat', String(heartbeatS));
  return address.href;
}
