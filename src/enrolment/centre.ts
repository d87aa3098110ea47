import { isLoopbackHost } from '../config/index.ts';
import { HoldfastError } from '../errors.ts';

/** How the centre is known. */
export interface Trust {
  /** PEM of the authority that signed its certificate, in place of the system's. */
  readonly ca?: string | Buffer | undefined;
  /** SHA-256 of its certificate, 64 lower-case hex digits; then nothing else of the certificate matters. */
  readonly fingerprint?: string | undefined;
}

/** An answer: the status and what it says, when that is JSON. */
export interface CentreAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Reads the address of a centre. Throws `usage`. */
export function centreUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
    throw new HoldfastError('usage', `${url.origin}: enrolment needs https, since the answer holds a password`);
  }
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new HoldfastError('usage', "the centre's address begins with https://, as in https://centre.example:8090");
  }
  return url;
}

/** Reads a fingerprint: 64 hex digits, colons do not matter. Throws `usage`. */
export function readFingerprint(text: string): string {
  const plain = text.replaceAll(':', '').toLowerCase();
  if (/^[0-9a-f]{64}$/.test(plain)) return plain;
  throw new HoldfastError('usage', '--fingerprint takes the SHA-256 of a certificate: 64 hexadecimal digits');
}
