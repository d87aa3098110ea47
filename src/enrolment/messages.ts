/**
 * What box and centre say to each other at `POST /enrol`: one request, one answer, JSON.
 *
 * Invariants: a request is signed with the box's own key, so that nobody else is answered in its name; an answer is
 * signed with the centre's key over the request's nonce, so that one of another time or for another box is not taken.
 * The signed texts begin with words that hold spaces, which no grant does, so that neither passes for the other.
 */
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { namePattern } from '../config/index.ts';
import { isLookup, lookupHash } from './code.ts';

/** Asks for what a code stands for. */
export interface EnrolmentRequest {
  readonly lookup: string;
  /** The box's id. */
  readonly gateway: string;
  /** True when the box cannot take another id. */
  readonly fixed: boolean;
  /** The box's public key: Ed25519, SPKI in DER, base64. */
  readonly box: string;
  /** 128 random bits, base64. */
  readonly nonce: string;
  /** Ed25519, base64. */
  readonly signature: string;
}

/** What the centre answers to a good one. */
export interface EnrolmentAnswer {
  readonly gateway: string;
  /** `sealSettings`. */
  readonly sealed: string;
  /** The centre's public key, PEM. */
  readonly key: string;
  readonly signature: string;
}

/** Why the centre does not: codes of its answers, `{error}`. */
export const refusals = [
  'malformed',
  'https-required',
  'refused',
  'other-gateway',
  'gateway-taken',
  'too-many',
  'unavailable',
] as const;
export type EnrolmentRefusal = (typeof refusals)[number];

/** A new key pair of a box. */
export const newBoxKey = (): KeyObject => generateKeyPairSync('ed25519').privateKey;

/** Makes a request. */
export function signRequest(
  request: Pick<EnrolmentRequest, 'lookup' | 'gateway' | 'fixed'>,
  boxKey: KeyObject,
): EnrolmentRequest {
  const whole = {
    ...request,
    box: createPublicKey(boxKey).export({ format: 'der', type: 'spki' }).toString('base64'),
    nonce: randomBytes(16).toString('base64'),
  };
  return { ...whole, signature: sign(null, requestText(whole), boxKey).toString('base64') };
}

/** A request from parsed JSON; undefined when it is none, or not signed by the box that it names. */
export function readRequest(value: unknown): EnrolmentRequest | undefined {
  const { lookup, gateway, fixed, box, nonce, signature } = (value ?? {}) as Record<string, unknown>;
  if (!isLookup(lookup) || typeof gateway !== 'string' || !namePattern.test(gateway)) return undefined;
  if (typeof fixed !== 'boolean' || typeof nonce !== 'string' || !/^[A-Za-z0-9+/]{22}==$/.test(nonce)) return undefined;
  // An Ed25519 key in this form is always 44 bytes long.
  if (typeof box !== 'string' || !/^[A-Za-z0-9+/]{59}=$/.test(box)) return undefined;
  if (typeof signature !== 'string' || !/^[A-Za-z0-9+/]{86}==$/.test(signature)) return undefined;
  const request = { lookup, gateway, fixed, box, nonce, signature };
  try {
    const key = createPublicKey({ key: Buffer.from(box, 'base64'), format: 'der', type: 'spki' });
    if (key.asymmetricKeyType !== 'ed25519') return undefined;
    return verify(null, requestText(request), key, Buffer.from(signature, 'base64')) ? request : undefined;
  } catch {
    return undefined;
  }
}

/** Makes the answer to a request. */
export function signAnswer(
  answer: Omit<EnrolmentAnswer, 'signature'>,
  request: EnrolmentRequest,
  centreKey: KeyObject,
): EnrolmentAnswer {
  return { ...answer, signature: sign(null, answerText(answer, request), centreKey).toString('base64') };
}

/** An answer from parsed JSON; undefined when it is none, or not signed for this request by the key that it names. */
export function readAnswer(value: unknown, request: EnrolmentRequest): EnrolmentAnswer | undefined {
  const { gateway, sealed, key, signature } = (value ?? {}) as Record<string, unknown>;
  if (typeof gateway !== 'string' || !namePattern.test(gateway)) return undefined;
  if (typeof sealed !== 'string' || typeof key !== 'string' || typeof signature !== 'string') return undefined;
  const answer = { gateway, sealed, key, signature };
  try {
    const centreKey = createPublicKey(key);
    if (centreKey.asymmetricKeyType !== 'ed25519') return undefined;
    return verify(null, answerText(answer, request), centreKey, Buffer.from(signature, 'base64')) ? answer : undefined;
  } catch {
    return undefined;
  }
}

/** A centre's public key as PEM, in the one form that it is compared in; undefined when it is no Ed25519 key. */
export function normalPublicKey(pem: string): string | undefined {
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === 'ed25519' ? (key.export({ format: 'pem', type: 'spki' }) as string) : undefined;
  } catch {
    return undefined;
  }
}

function requestText({ lookup, gateway, fixed, box, nonce }: Omit<EnrolmentRequest, 'signature'>): Buffer {
  return Buffer.from(['holdfast enrolment request 1', lookup, gateway, String(fixed), box, nonce].join('\n'));
}

function answerText({ gateway, sealed, key }: Omit<EnrolmentAnswer, 'signature'>, request: EnrolmentRequest): Buffer {
  const { lookup, box, nonce } = request;
  const digest = (text: string) => createHash('sha256').update(text).digest('hex');
  return Buffer.from(
    ['holdfast enrolment answer 1', lookupHash(lookup), box, nonce, gateway, digest(sealed), digest(key)].join('\n'),
  );
}
