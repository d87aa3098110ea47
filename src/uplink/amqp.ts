/**
 * The uplink over AMQP 0-9-1 (RabbitMQ), by amqplib under our own supervisor (`link.ts`).
 *
 * - A report is persistent, mandatory, and published to the default exchange; it ends in exactly one of confirmed,
 *   rejected, or in doubt because the connection ended. A returned report is rejected although the broker confirms it.
 * - Queues are looked for first and made when missing, on channels that may break (`amqp-topology.ts`).
 * - The control queue is read exclusively and before anything is sent: a second gateway with the same id stays out.
 * - The broker's certificate is always verified. The password stands in no log and no error.
 * - A dead connection is noticed by heartbeats within 30 s, an unanswered try to connect ends after 10 s.
 */
import type { Clock, Logger } from '../platform/index.ts';
import type { QueueType } from '../protocols/machines/index.ts';
import { connectAmqp } from './amqp-connect.ts';
import { amqpConnectError } from './amqp-errors.ts';
import { AmqpSession } from './amqp-session.ts';
import { parseBrokerUrl, type TlsSource } from './broker-socket.ts';
import { Link } from './link.ts';
import type { BrokerKeys } from './link-errors.ts';
import type { UplinkTransport } from './transport.ts';

/** How to reach RabbitMQ and as whom. */
export interface AmqpTransportOptions {
  /** `amqp(s)://user:password@host:port/vhost`. */
  readonly url: string;
  readonly tls: TlsSource;
  /** Where the configuration names the broker, for messages. */
  readonly keys?: BrokerKeys;
  readonly gatewayId: string;
  readonly replies: 'per-device' | 'per-gateway';
  /** How a missing channel queue is made. */
  readonly queueType: QueueType;
  /** Channels whose queues shall be there; one that is sent to beyond these is made at its first report. */
  readonly channels: readonly string[];
  readonly logger: Logger;
  readonly clock: Clock;
  /** Uniform in [0, 1); for the pauses between tries. */
  readonly random?: () => number;
}

/** A transport over AMQP. Throws `configuration-invalid` for a URL of another kind; connects only at `start()`. */
export function createAmqpTransport(options: AmqpTransportOptions): UplinkTransport {
  const { url, tls, keys, gatewayId, logger, clock, random } = options;
  const address = parseBrokerUrl(url, keys);
  return new Link({
    logger,
    clock,
    ...(random && { random }),
    async open(listener, signal) {
      try {
        const model = await connectAmqp(address, tls, gatewayId, signal);
        const session = new AmqpSession(model, listener, { ...options, where: address });
        // A session that ends while it is being opened fails with its own reason, not with that of the pending call.
        await Promise.race([session.open(), session.closed.then((error) => Promise.reject(error))]);
        return session;
      } catch (cause) {
        throw amqpConnectError(cause, address);
      }
    },
  });
}
