/**
 * The uplink over MQTT 3.1.1: RabbitMQ's MQTT plugin or any other broker, by mqtt.js under our own supervisor
 * (`link.ts`).
 *
 * - A report goes to `holdfast/<gateway>/up/<channel>/<message_id>` with QoS 1; it ends in confirmed (PUBACK) or in
 *   doubt. A PUBACK says nothing about a queue behind the broker, so only the centre's receipt settles a report.
 * - Receipts (`…/down/receipt/<message_id>`) and pushes (`…/down/control`) come on one subscription of a session that
 *   the broker keeps (clean session: false), so that a push waits for a gateway that is away. The gateway's own
 *   side of the session is empty at each connect: whatever was under way is sent again by the forwarder, as new.
 * - A push is acknowledged once it is applied; until then nothing else is read.
 * - A second gateway with the same id takes the session over, as MQTT wants it; the first is cut off.
 * - The broker's certificate is always verified. The password stands in no log and no error.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { HoldfastError } from '../errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import { parseBrokerUrl, type SocketOptions, socketOptions, type TlsSource } from './broker-socket.ts';
import { Link } from './link.ts';
import { type BrokerKeys, connectError } from './link-errors.ts';
import { MqttSession } from './mqtt-session.ts';
import type { UplinkTransport } from './transport.ts';

/** How to reach the broker and as whom. */
export interface MqttTransportOptions {
  /** `mqtt(s)://user:password@host:port`; for a virtual host of RabbitMQ the user is `vhost:user`, encoded. */
  readonly url: string;
  readonly tls: TlsSource;
  /** Where the configuration names the broker, for messages. */
  readonly keys?: BrokerKeys;
  readonly gatewayId: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Uniform in [0, 1); for the pauses between tries. */
  readonly random?: () => number;
}

const connectTimeoutMs = 10_000;

/** A transport over MQTT. Throws `configuration-invalid` for a URL of another kind; connects only at `start()`. */
export function createMqttTransport(options: MqttTransportOptions): UplinkTransport {
  const { url, tls, keys, gatewayId, logger, clock, random } = options;
  const address = parseBrokerUrl(url, keys);
  return new Link({
    logger,
    clock,
    ...(random && { random }),
    async open(listener, signal) {
      try {
        const socket = await openSocket(socketOptions(address, tls, signal), address.secure, clock);
        const session = new MqttSession(socket, listener, { address, gatewayId, clock });
        await Promise.race([session.open(), session.closed.then((error) => Promise.reject(error))]);
        return session;
      } catch (cause) {
        throw connectError(cause, address);
      }
    },
  });
}

/** Resolves when the socket, and TLS on it, stands. */
function openSocket(options: SocketOptions, secure: boolean, clock: Clock): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = secure ? connectTls(options) : connectTcp(options);
    const timer = clock.after(connectTimeoutMs, () => {
      socket.destroy(new HoldfastError('uplink-unreachable', 'the broker does not answer: check network and firewall'));
    });
    const fail = (error: Error) => {
      timer.cancel();
      reject(error);
    };
    socket.once('error', fail);
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      timer.cancel();
      socket.off('error', fail);
      // The session listens from now on; an error in between must not end the process.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}
