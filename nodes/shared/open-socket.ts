import { readFile } from 'node:fs/promises';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, checkServerIdentity, connect as connectTls } from 'node:tls';
import type { Connection, TlsSettings } from './connection.ts';
import { deferred } from './deferred.ts';
import { NodeError, textOf } from './node-error.ts';

const timeoutMs = 10_000;

/** A socket that stands, with TLS where the connection wants it; rejects with a `NodeError` that says what to do. */
export async function openSocket(connection: Connection, signal: AbortSignal): Promise<Duplex> {
  const { where, target } = connection;
  // Read anew each time: certificates are renewed while a flow runs.
  const tls = 'tls' in target && target.tls ? await readTls(target.tls) : undefined;
  let socket: Socket;
  let event = 'connect';
  if ('path' in target) {
    socket = connectPlain({ path: target.path });
  } else if (tls) {
    event = 'secureConnect';
    const servername = target.tls?.servername || (isIP(target.host) ? '' : target.host);
    const name = target.tls?.servername || target.host;
    try {
      socket = connectTls({ host: target.host, port: target.port, servername, ...named(name), ...tls });
    } catch (cause) {
      throw new NodeError('certificate', `the certificate or key for ${where} cannot be used: ${textOf(cause)}`, {
        cause,
      });
    }
  } else {
    socket = connectPlain({ host: target.host, port: target.port });
  }
  socket.setNoDelay(true);
  try {
    await established(socket, event, signal);
  } catch (cause) {
    socket.on('error', () => undefined);
    socket.destroy();
    throw explained(cause, where);
  }
  return socket;
}

/** Where the name to expect is not the one to connect to, the certificate is checked against the former. */
function named(name: string): ConnectionOptions {
  return { checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate) };
}

async function readTls({ ca, certificate, key }: TlsSettings): Promise<ConnectionOptions> {
  return {
    ...(ca && { ca: await pem(ca, 'authority') }),
    ...(certificate && { cert: await pem(certificate, 'client certificate') }),
    ...(key && { key: await pem(key, 'private key') }),
  };
}

/** PEM text as it is; anything else names a file. */
async function pem(value: string, what: string): Promise<string | Buffer> {
  if (value.includes('-----BEGIN')) return value;
  try {
    return await readFile(value.trim());
  } catch (cause) {
    const text = `the file of the ${what} cannot be read (${textOf(cause)}): correct its path in the gateway node`;
    throw new NodeError('certificate', text, { cause });
  }
}

function established(socket: Socket, event: string, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = deferred<void>();
  const timer = setTimeout(() => reject(new Error(`no connection within ${timeoutMs / 1000} s`)), timeoutMs);
  const abort = () => reject(new Error('given up'));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  socket.once(event, resolve);
  socket.once('error', reject);
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    socket.off(event, resolve);
    socket.off('error', reject);
  });
}

const unknownAuthority = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

function explained(cause: unknown, where: string): NodeError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code !== undefined && unknownAuthority.has(code)) {
    const text = `the certificate of ${where} is not signed by a known authority: put the box's CA certificate into the gateway node`;
    return new NodeError('certificate', text, { cause });
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const text = `the certificate of ${where} is for another name (${message}): correct the host or the server name in the gateway node`;
    return new NodeError('certificate', text, { cause });
  }
  if (code?.startsWith('CERT_') || code?.startsWith('ERR_SSL') || code?.startsWith('ERR_TLS')) {
    return new NodeError('certificate', `no TLS with ${where}: ${message}`, { cause });
  }
  return new NodeError('unreachable', `${where} cannot be reached: ${message}`, { cause });
}
