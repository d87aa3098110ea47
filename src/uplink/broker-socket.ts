import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { HoldfastError } from '../errors.ts';
import type { BrokerPlace } from './link-errors.ts';

/** Paths of PEM files. */
export interface TlsFiles {
  /** Authorities that may have signed the broker's certificate; without it, the well-known public ones. */
  readonly ca?: string | undefined;
  /** This gateway's certificate chain and its private key: both or none. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

/** A broker's URL taken apart; the parts are decoded. */
export interface BrokerAddress extends BrokerPlace {
  /** Name or IP address, an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** What follows the host, without the slash; empty when there is nothing. */
  readonly path: string;
}

const defaultPorts: Readonly<Record<string, number>> = { 'amqp:': 5672, 'amqps:': 5671, 'mqtt:': 1883, 'mqtts:': 8883 };

/** Takes a URL apart. Throws `configuration-invalid` for one of another kind; its text never holds the URL. */
export function parseBrokerUrl(url: string): BrokerAddress {
  const parts = URL.canParse(url) ? new URL(url) : undefined;
  const port = parts && defaultPorts[parts.protocol];
  if (!parts || port === undefined) {
    throw new HoldfastError('configuration-invalid', 'upstream.url is not an amqps, amqp, mqtts or mqtt URL');
  }
  const host = parts.hostname.replace(/^\[(.*)\]$/, '$1');
  const actualPort = parts.port === '' ? port : Number(parts.port);
  return {
    host,
    port: actualPort,
    place: `${parts.hostname}:${actualPort}`,
    secure: parts.protocol.endsWith('s:'),
    username: parts.username === '' ? undefined : decodeURIComponent(parts.username),
    password: parts.password === '' ? undefined : decodeURIComponent(parts.password),
    path: decodeURIComponent(parts.pathname.slice(1)),
  };
}

/** Options for `net.connect` and `tls.connect`. */
export interface SocketOptions {
  readonly host: string;
  readonly port: number;
  readonly signal: AbortSignal;
  readonly noDelay: true;
  readonly rejectUnauthorized?: true;
  readonly servername?: string;
  readonly secureContext?: SecureContext;
}

/**
 * How to connect now. The files are read at each connect, so that a renewed certificate needs no restart. The broker's
 * certificate is always verified, against the name or the IP address of the URL. Throws `uplink-tls-ca` or
 * `uplink-tls-client` for a file that cannot be read or used; `section` is where the configuration names them.
 */
export function socketOptions(
  address: BrokerAddress,
  files: TlsFiles,
  signal: AbortSignal,
  section = 'upstream.tls',
): SocketOptions {
  const plain = { host: address.host, port: address.port, signal, noDelay: true } as const;
  if (!address.secure) return plain;
  return {
    ...plain,
    rejectUnauthorized: true,
    // An IP address may not stand in SNI; Node checks the certificate against `host` then.
    ...(isIP(address.host) === 0 && { servername: address.host }),
    secureContext: secureContext(files, section),
  };
}

function secureContext({ ca, certificate, key }: TlsFiles, section: string): SecureContext {
  const authority = ca === undefined ? {} : { ca: read(ca, 'uplink-tls-ca', `${section}.ca`) };
  const client = {
    ...(certificate !== undefined && { cert: read(certificate, 'uplink-tls-client', `${section}.certificate`) }),
    ...(key !== undefined && { key: read(key, 'uplink-tls-client', `${section}.key`) }),
  };
  try {
    // Alone first, so that a mistake is blamed on the right file.
    createSecureContext(authority);
  } catch (cause) {
    throw new HoldfastError('uplink-tls-ca', `${ca} is not a PEM certificate: check ${section}.ca`, cause);
  }
  try {
    return createSecureContext({ ...authority, ...client });
  } catch (cause) {
    throw new HoldfastError(
      'uplink-tls-client',
      `the client certificate and its key cannot be used: check that ${section}.certificate and ${section}.key are PEM and belong together`,
      cause,
    );
  }
}

function read(path: string, code: 'uplink-tls-ca' | 'uplink-tls-client', name: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new HoldfastError(code, `cannot read ${path}: check ${name} and the rights of the file`, cause);
  }
}
