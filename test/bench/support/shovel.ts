import type { Rabbit } from '../../support/rabbitmq.ts';

/**
 * RabbitMQ's own way of bringing a queue to another server: a dynamic shovel on `from`, with 512 under way, which
 * acknowledges at the source when the destination has confirmed, so that it loses nothing either.
 */
export async function startShovel(options: {
  from: Rabbit;
  queue: string;
  to: Rabbit;
  toQueue: string;
}): Promise<() => Promise<unknown>> {
  const { from, queue, to, toQueue } = options;
  const name = 'bench';
  const definition = {
    'src-protocol': 'amqp091',
    'src-uri': from.url,
    'src-queue': queue,
    'src-prefetch-count': 512,
    'dest-protocol': 'amqp091',
    'dest-uri': to.url,
    'dest-queue': toQueue,
    'ack-mode': 'on-confirm',
  };
  await from.ctl('set_parameter', 'shovel', name, JSON.stringify(definition));
  return () => from.ctl('clear_parameter', 'shovel', name);
}
