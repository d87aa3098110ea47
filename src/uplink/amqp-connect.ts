import type { ChannelModel } from 'amqplib';
import { type BrokerAddress, socketOptions, type TlsSource } from './broker-socket.ts';

const connectTimeoutMs = 10_000;
const heartbeatS = 10;

/**
 * Connects to RabbitMQ; `name` is shown in its list of connections. An unanswered try ends after 10 s, or with
 * `signal`; a connection that has died is noticed by heartbeats within 30 s. Rejects with what amqplib says.
 */
export async function connectAmqp(
  address: BrokerAddress,
  tls: TlsSource,
  name: string,
  signal: AbortSignal,
): Promise<ChannelModel> {
  // Whoever imports this room has this file; the library is for those who connect (decision 0016).
  const { default: amqp } = await import('amqplib');
  return amqp.connect(
    {
      protocol: address.secure ? 'amqps' : 'amqp',
      hostname: address.host,
      port: address.port,
      // The library unescapes it once more.
      vhost: encodeURIComponent(address.path || '/'),
      heartbeat: heartbeatS,
    },
    {
      ...socketOptions(address, tls, signal),
      timeout: connectTimeoutMs,
      credentials: amqp.credentials.plain(address.username ?? 'guest', address.password ?? 'guest'),
      clientProperties: { connection_name: name },
    },
  );
}
