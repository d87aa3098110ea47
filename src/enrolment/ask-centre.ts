/**
 * One question to the centre over HTTPS.
 *
 * Invariants: not a byte of the question leaves the box before the centre's certificate was found right: by the system's
 * authorities, by the one that was named, or by its fingerprint. Plain HTTP goes to this computer only.
 * Failure behaviour: throws `enrolment-untrusted` for a certificate, `enrolment-unreachable` for everything else that
 * keeps an answer from coming. The code stands in no error.
 */
import { request as httpRequest } from 'node:http';
import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { HoldfastError } from '../errors.ts';
import { minimumTlsVersion } from '../platform/index.ts';
import type { CentreAnswer, Trust } from './centre.ts';

const timeoutMs = 15_000;
const largestAnswerBytes = 1_048_576;

/** Posts JSON to a path of the centre. */
export async function askCentre(url: URL, path: string, body: object, trust: Trust = {}): Promise<CentreAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  const socket = await connectTo(url, trust, signal);
  try {
    return await post(socket, url, path, body, signal);
  } catch (cause) {
    throw unreachable(url, cause);
  } finally {
    socket.destroy();
  }
}

/** Resolves with a connection to somebody who has shown to be the centre. */
async function connectTo(url: URL, { ca, fingerprint }: Trust, signal: AbortSignal): Promise<Socket> {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const secure = url.protocol === 'https:';
  const place = { host, port: url.port === '' ? (secure ? 443 : 80) : Number(url.port) };
  if (!secure) return await opened(tcpConnect(place), 'connect', url, signal);
  const options: ConnectionOptions = {
    ...place,
    minVersion: minimumTlsVersion,
    ...(isIP(host) === 0 && { servername: host }),
    ...(ca !== undefined && { ca }),
    // With a fingerprint, who signed it for whom until when says nothing more.
    rejectUnauthorized: fingerprint === undefined,
  };
  let socket: TLSSocket;
  try {
    socket = tlsConnect(options);
  } catch (cause) {
    throw new HoldfastError('enrolment-untrusted', '--ca is no PEM certificate', cause);
  }
  await opened(socket, 'secureConnect', url, signal);
  const shown = socket.getPeerX509Certificate()?.fingerprint256.replaceAll(':', '').toLowerCase();
  if (fingerprint === undefined || shown === fingerprint) return socket;
  socket.destroy();
  throw new HoldfastError(
    'enrolment-untrusted',
    `${url.host} shows a certificate with the fingerprint ${shown}, not the expected one: nothing was sent to it. If its certificate was renewed, have another code made; if not, somebody stands in between`,
  );
}

function opened<S extends Socket>(socket: S, event: string, url: URL, signal: AbortSignal): Promise<S> {
  return new Promise((resolve, reject) => {
    const late = () => socket.destroy(new Error(`no answer within ${timeoutMs / 1000} s`));
    signal.addEventListener('abort', late, { once: true });
    socket.once('error', (error) => reject(connectError(url, error)));
    socket.once(event, () => {
      signal.removeEventListener('abort', late);
      socket.removeAllListeners('error');
      // From now on the request listens; an error in between must not end the process.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

function post(socket: Socket, url: URL, path: string, body: object, signal: AbortSignal): Promise<CentreAnswer> {
  return new Promise((resolve, reject) => {
    const content = Buffer.from(JSON.stringify(body));
    const prefix = url.pathname.replace(/\/$/, '');
    const request = httpRequest({
      method: 'POST',
      host: url.hostname,
      path: `${prefix}${path}`,
      headers: { host: url.host, 'content-type': 'application/json', 'content-length': content.length },
      createConnection: () => socket,
      signal,
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on('data', (part: Buffer) => {
        size += part.length;
        if (size > largestAnswerBytes) request.destroy(new Error('the answer is too large'));
        else parts.push(part);
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: parse(Buffer.concat(parts).toString('utf8')) });
      });
    });
    request.end(content);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function connectError(url: URL, cause: Error & { code?: string }): HoldfastError {
  const untrusted = (text: string) =>
    new HoldfastError('enrolment-untrusted', `${text}; nothing was sent to it`, cause);
  switch (cause.code) {
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return untrusted(
        `the certificate of ${url.host} has expired or is not yet valid: renew it at the centre, correct this box's clock, or give its --fingerprint`,
      );
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return untrusted(`the certificate of ${url.host} is for another host: use the name that it is for`);
    case undefined:
    case 'ECONNREFUSED':
    case 'ECONNRESET':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EPIPE':
      return unreachable(url, cause);
    default:
      if (cause.code.startsWith('ERR_SSL') || cause.code === 'EPROTO') return unreachable(url, cause);
      return untrusted(
        `the certificate of ${url.host} is not signed by a trusted authority: name the right one with --ca FILE, or its --fingerprint`,
      );
  }
}

function unreachable(url: URL, cause: unknown): HoldfastError {
  if (cause instanceof HoldfastError) return cause;
  return new HoldfastError(
    'enrolment-unreachable',
    `${url.origin} did not answer: check the address, then try again`,
    cause,
  );
}
