import type { AmqpTransportOptions } from './amqp.ts';
import type { UplinkTransport } from './transport.ts';

/**
 * The transport that `url` asks for: `amqp(s)://` or `mqtt(s)://`. Only that protocol's library is loaded.
 *
 * @throws HoldfastError `configuration-invalid` for a URL that cannot be used.
 */
export async function createTransport(options: AmqpTransportOptions): Promise<UplinkTransport> {
  if (options.url.startsWith('mqtt')) return (await import('./mqtt.ts')).createMqttTransport(options);
  return (await import('./amqp.ts')).createAmqpTransport(options);
}
