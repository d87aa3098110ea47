import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { HoldfastError } from '../errors.ts';
import { type CertificateMaterial, type Certificates, contextOptions } from '../platform/index.ts';
import { type BrokerKeys, type BrokerPlace, upstreamBrokerKeys } from './link-errors.ts';

/** Paths of PEM files. */
export interface TlsFiles {
  /** Authorities that may have signed the broker's certificate; without it, the well-known public ones. */
  readonly ca?: string | undefined;
  /** This gateway's certificate chain and its private key: both or none. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

/** Files that are read at each connect, or a function that is asked then for what stood in them. */
export type TlsSource = TlsFiles | (() => CertificateMaterial);

/** A broker's URL taken apart; the parts are decoded. */
export interface BrokerAddress extends BrokerPlace {
  readonly keys: BrokerKeys;
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

/**
 * Takes a URL apart. Throws `configuration-invalid` for one of another kind; its text never holds the URL. `keys` says
 * where the configuration names it.
 */
export function parseBrokerUrl(url: string, keys: BrokerKeys = upstreamBrokerKeys): BrokerAddress {
  const parts = URL.canParse(url) ? new URL(url) : undefined;
  const port = parts && defaultPorts[parts.protocol];
  if (!parts || port === undefined) {
    throw new HoldfastError('configuration-invalid', `${keys.url} is not an amqps, amqp, mqtts or mqtt URL`);
  }
  const host = parts.hostname.replace(/^\[(.*)\]$/, '$1');
  const actualPort = parts.port === '' ? port : Number(parts.port);
  return {
    keys,
    host,
    port: actualPort,
    place: `${parts.hostname}:${actualPort}`,
    secure: parts.protocol.endsWith('s:'),
    username: parts.username === '' ? undefined : decodeURIComponent(parts.username),
    password: parts.password === '' ? undefined : decodeURIComponent(parts.password),
    path: decodeURIComponent(parts.pathname.slice(1)),
  };
}

/**
 * Certificates that are looked after by `certificates`: each connect has the newest that could be used. While there has
 * never been anything usable, the files are read, so that the error says what is wrong with them.
 */
export function watchedTls(certificates: Certificates, url: string, files: TlsFiles, keys: BrokerKeys): TlsSource {
  const address = parseBrokerUrl(url, keys);
  if (!address.secure) return files;
  const watched = certificates.watch(keys.tls, files);
  return () => watched.current ?? readTls(files, address);
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
 * How to connect now. The certificates are asked for at each connect, so that a renewed one needs no restart. The
 * broker's is always verified, against the name or the IP address of the URL. Throws `uplink-tls-ca` or
 * `uplink-tls-client` for a file that cannot be read or used.
 */
export function socketOptions(address: BrokerAddress, tls: TlsSource, signal: AbortSignal): SocketOptions {
  const plain = { host: address.host, port: address.port, signal, noDelay: true } as const;
  if (!address.secure) return plain;
  return {
    ...plain,
    rejectUnauthorized: true,
    // An IP address may not stand in SNI; Node checks the certificate against `host` then.
    ...(isIP(address.host) === 0 && { servername: address.host }),
    secureContext: secureContext(typeof tls === 'function' ? tls() : readTls(tls, address), tls, address),
  };
}

/** Reads files as they are now. Throws `uplink-tls-ca` or `uplink-tls-client` for one that cannot be read. */
export function readTls({ ca, certificate, key }: TlsFiles, { keys: { tls } }: BrokerAddress): CertificateMaterial {
  return {
    ca: ca === undefined ? undefined : read(ca, 'uplink-tls-ca', `${tls}.ca`),
    certificate: certificate === undefined ? undefined : read(certificate, 'uplink-tls-client', `${tls}.certificate`),
    key: key === undefined ? undefined : read(key, 'uplink-tls-client', `${tls}.key`),
  };
}

function secureContext(material: CertificateMaterial, source: TlsSource, address: BrokerAddress): SecureContext {
  const section = address.keys.tls;
  try {
    // Alone first, so that a mistake is blamed on the right file.
    createSecureContext(contextOptions({ ca: material.ca }));
  } catch (cause) {
    const what = (typeof source === 'function' ? undefined : source.ca) ?? `${section}.ca`;
    throw new HoldfastError('uplink-tls-ca', `${what} is not a PEM certificate: check ${section}.ca`, cause);
  }
  try {
    return createSecureContext(contextOptions(material));
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
