import { HoldfastError } from '../errors.ts';

/** Where the broker is, for messages: never the URL, which holds the password. */
export interface BrokerPlace {
  /** `host:port`. */
  readonly place: string;
  /** Where the configuration names the broker; without it, the gateway's upstream. */
  readonly keys?: BrokerKeys;
}

/** Names of keys of the configuration, or of the file that stands for it. */
export interface BrokerKeys {
  readonly url: string;
  /** Before `.ca`, `.certificate` and `.key`. */
  readonly tls: string;
}

/** The keys of the gateway's upstream. */
export const upstreamBrokerKeys: BrokerKeys = { url: 'upstream.url', tls: 'upstream.tls' };

const authorityCodes = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_CHAIN_TOO_LONG',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
]);
const timeCodes = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);
/** Alerts that a server sends when it dislikes the client's certificate, or misses one. */
const clientAlerts =
  /ALERT_(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|UNKNOWN_CA|ACCESS_DENIED|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_(EXPIRED|UNKNOWN|REVOKED))$/;
const notTls = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'EPROTO']);

/** What an error of a socket or of the TLS handshake means; undefined when it is neither. */
export function tlsError(cause: unknown, { place, keys = upstreamBrokerKeys }: BrokerPlace): HoldfastError | undefined {
  const code = codeOf(cause);
  const own = (name: 'ca' | 'expired' | 'host' | 'client', next: string) =>
    new HoldfastError(`uplink-tls-${name}`, next, cause);
  if (authorityCodes.has(code)) {
    return own(
      'ca',
      `the certificate of ${place} is not signed by a trusted authority: name the file of the right authority in ${keys.tls}.ca`,
    );
  }
  if (timeCodes.has(code)) {
    return own(
      'expired',
      `the certificate of ${place} has expired or is not yet valid: renew it at the broker, or correct the clock of this computer`,
    );
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return own(
      'host',
      `the certificate of ${place} is for another host: write the name that it is for into ${keys.url}, or have it issued for this one`,
    );
  }
  if (clientAlerts.test(code)) {
    return own(
      'client',
      `${place} does not accept our client certificate, or wants one: check ${keys.tls}.certificate and ${keys.tls}.key`,
    );
  }
  if (notTls.has(code)) {
    return new HoldfastError(
      'uplink-unreachable',
      `${place} does not speak TLS: check the port in ${keys.url}, or whether amqp:// or mqtt:// is meant`,
      cause,
    );
  }
  return undefined;
}

/** What a failed try to connect means; the sentence names what to do next. */
export function connectError(cause: unknown, where: BrokerPlace): HoldfastError {
  if (cause instanceof HoldfastError) return cause;
  const { place, keys = upstreamBrokerKeys } = where;
  const known = tlsError(cause, where);
  if (known) return known;
  switch (codeOf(cause)) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new HoldfastError(
        'uplink-unreachable',
        `${place} is not known: check the host in ${keys.url} and DNS`,
        cause,
      );
    case 'ECONNREFUSED':
      return new HoldfastError(
        'uplink-unreachable',
        `${place} refuses connections: check that the broker runs there`,
        cause,
      );
    default:
      return new HoldfastError(
        'uplink-unreachable',
        `${place} cannot be reached: check the network and ${keys.url}`,
        cause,
      );
  }
}

/** The broker does not let this gateway in; `reason` is the broker's word. */
export function refusedError(
  { place, keys = upstreamBrokerKeys }: BrokerPlace,
  reason: string,
  cause?: unknown,
): HoldfastError {
  return new HoldfastError(
    'uplink-refused',
    `${place} refuses the user, the password or the virtual host of ${keys.url} (${reason}): correct them, or the rights at the broker`,
    cause,
  );
}

/** A connection that stood has ended. */
export function lostError(cause: unknown, where: BrokerPlace): HoldfastError {
  if (cause instanceof HoldfastError) return cause;
  return (
    tlsError(cause, where) ??
    new HoldfastError('uplink-closed', `the connection to ${where.place} has ended; it is made again`, cause)
  );
}

/** Another consumer holds a queue that only this gateway reads. */
export function idTakenError(queue: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'uplink-gateway-id-taken',
    `somebody else reads the queue ${queue}: give each gateway its own gateway.id (after a cut network it may be this gateway's own former connection; the broker ends that within 30 s)`,
    cause,
  );
}

/** The `code` of an error of Node's, or an empty string. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
