/**
 * The RabbitMQ queues between gateways and centre: their names and the arguments they are made with
 * (contracts/machines.md, 'Gateway to centre'). Gateway, centre and deployment use this one table; two that made the
 * same queue differently would shut each other out (RabbitMQ answers 406).
 *
 * Every queue is durable, and everyone looks first (passive declare): an existing queue is used as it is, whatever it
 * was made with. A classic queue has no argument at all, so that a client which simply declares it durable, as the
 * examples of every AMQP library do, is welcome beside us.
 */

/** `upstream.queueType`: how a missing channel queue is made. */
export type QueueType = 'classic' | 'quorum';

/** Arguments of queue.declare, next to durable: true, exclusive: false and autoDelete: false. */
export type QueueArguments = Readonly<Record<string, string | number | boolean>>;

/** RabbitMQ takes -1, no limit, from 4.0 on; there a message is otherwise dropped after 20 deliveries. */
const unlimitedDeliveriesSince = 4;

/** How to make the queue of a channel on a server of that version (`3.10.8`; undefined when unknown). */
export function channelQueueArguments(queueType: QueueType, serverVersion?: string): QueueArguments {
  if (queueType === 'classic') return {};
  const major = Number.parseInt(serverVersion ?? '0', 10);
  return {
    'x-queue-type': 'quorum',
    'x-single-active-consumer': true,
    ...(major >= unlimitedDeliveriesSince && { 'x-delivery-limit': -1 }),
  };
}

/** How to make a reply, receipts or control queue: classic, without arguments, whatever `queueType` says. */
export const replyQueueArguments: QueueArguments = {};

/** How old an authorization query gets in a queue, in ms: later its answer is of no use to anybody. */
export const queryLifetimeMs = 10_000;

/** How to make the queue of the queries that come over RabbitMQ's MQTT plugin: MQTT 3.1.1 knows no expiration. */
export const queryQueueArguments: QueueArguments = { 'x-message-ttl': queryLifetimeMs };

/** The queue of all receipts of a gateway with `upstream.replies: per-gateway`; stands in `reply_to`. */
export const gatewayReceiptsQueue = (gatewayId: string): string => `gateway_${gatewayId}_receipts`;

/** The queue of what the centre pushes to a gateway; durable, never expires. */
export const gatewayControlQueue = (gatewayId: string): string => `gateway_${gatewayId}_control`;
