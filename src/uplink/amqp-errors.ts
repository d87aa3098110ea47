import type { HoldfastError } from '../errors.ts';
import { replyCode } from './amqp-topology.ts';
import type { BrokerAddress } from './broker-socket.ts';
import { connectError, lostError, refusedError } from './link-errors.ts';

/**
 * What a failed try to connect with amqplib means. The library reports a refusal during the handshake only as text:
 * `Handshake terminated by server: 403 (ACCESS-REFUSED) …` for user and password, `Expected ConnectionOpenOk; got <ConnectionClose …>` for the virtual host.
 */
export function amqpConnectError(cause: unknown, address: BrokerAddress): HoldfastError {
  const text = cause instanceof Error ? cause.message : '';
  if (/^Handshake terminated by server: 403/.test(text)) return refusedError(address, 'ACCESS_REFUSED', cause);
  if (/^Expected ConnectionOpenOk; got <ConnectionClose/.test(text)) {
    return refusedError(address, 'virtual host not found or not allowed', cause);
  }
  if (replyCode(cause) !== undefined) return lostError(cause, address);
  return connectError(cause, address);
}
