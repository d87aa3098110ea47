/**
 * What a centre vouches for when it grants: who may print, until when, at which gateway (contracts/machines.md,
 * 'Leases'). Made and signed by the centre, checked by the gateway, in this one place.
 *
 * Invariants: a signature covers every field and the gateway's id, so that it proves nothing about another machine or
 * another box. No field holds a LF, so two different grants never have the same text.
 * Failure behaviour: `verifyGrant` answers false for whatever is not right; it never throws on bad input.
 */
import { type KeyObject, sign, verify } from 'node:crypto';
import { type JsonObject, parseBody } from './parse.ts';
import { isSerial } from './values.ts';
import { authorizationFields, grantKeys, pushKinds } from './wire.ts';

/** The five fields that say which machine it is; they are compared with the base information. */
export interface Identity {
  readonly serial: string;
  readonly model: string;
  readonly name: string;
  readonly address: string;
  readonly customer: string;
}

/** The terms of a grant, as they are sent. */
export interface Grant {
  readonly identity: Identity;
  /** 授权截止时间, site time; in the past it is a revocation. */
  readonly until: string;
  /** 授予时间, site time of the centre. */
  readonly grantedAt: string;
  /** 版本: rises with each change of a machine's authorization. */
  readonly version: number;
  /** Ed25519, base64. */
  readonly signature: string;
}

/** The identity's fields, in the order of the signed text. */
export const identityFields = ['serial', 'model', 'name', 'address', 'customer'] as const;

/** True when all five fields are the same, byte for byte. */
export const sameIdentity = (one: Identity, other: Identity): boolean =>
  identityFields.every((field) => one[field] === other[field]);

/** Signs a grant for one gateway with the centre's Ed25519 key. Throws a RangeError for a field that holds a LF. */
export function signGrant(grant: Omit<Grant, 'signature'>, gatewayId: string, privateKey: KeyObject): Grant {
  const text = signedText(grant, gatewayId);
  if (text === undefined) throw new RangeError('a field of a grant holds a line feed');
  return { ...grant, signature: sign(null, text, privateKey).toString('base64') };
}

/** True when the centre with this public key signed exactly this grant for exactly this gateway. */
export function verifyGrant(grant: Grant, gatewayId: string, publicKey: KeyObject): boolean {
  const text = signedText(grant, gatewayId);
  if (text === undefined || !/^[A-Za-z0-9+/]{86}==$/.test(grant.signature)) return false;
  return verify(null, text, publicKey, Buffer.from(grant.signature, 'base64'));
}

/** The keys that the centre adds to its answer for a gateway, after the seed's four. */
export const grantFields = (grant: Grant): JsonObject => ({
  [grantKeys.until]: grant.until,
  [grantKeys.grantedAt]: grant.grantedAt,
  [grantKeys.version]: grant.version,
  [grantKeys.signature]: grant.signature,
});

/** A grant as it is pushed to a gateway after a change, JSON in UTF-8. */
export function encodePush(grant: Grant): Buffer {
  const identity = identityFields.map((field) => [authorizationFields[field].key, grant.identity[field]]);
  return Buffer.from(
    JSON.stringify({
      [grantKeys.kind]: pushKinds.authorization,
      ...Object.fromEntries(identity),
      ...grantFields(grant),
    }),
  );
}

/** Reads a pushed change; undefined for anything else, and for one that lacks a field. */
export function readPush(payload: Uint8Array): Grant | undefined {
  const body = parseBody(payload);
  if (typeof body === 'string' || body[grantKeys.kind] !== pushKinds.authorization) return undefined;
  const identity = readIdentity(body);
  return identity && readGrant(body, identity);
}

/** Reads what was added to an answer about this identity; undefined when it was not (a centre that does not sign). */
export function readGrant(body: JsonObject, identity: Identity): Grant | undefined {
  const until = body[grantKeys.until];
  const grantedAt = body[grantKeys.grantedAt];
  const version = body[grantKeys.version];
  const signature = body[grantKeys.signature];
  if (typeof until !== 'string' || typeof grantedAt !== 'string' || typeof signature !== 'string') return undefined;
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 0) return undefined;
  return { identity, until, grantedAt, version, signature };
}

/** The five fields of a body, all strings that are not empty and the serial a usable one; else undefined. */
export function readIdentity(body: JsonObject): Identity | undefined {
  const identity: Partial<Record<(typeof identityFields)[number], string>> = {};
  for (const field of identityFields) {
    const value = body[authorizationFields[field].key];
    if (typeof value !== 'string' || value === '') return undefined;
    identity[field] = value;
  }
  return isSerial(identity.serial) ? (identity as Identity) : undefined;
}

function signedText({ identity, until, grantedAt, version }: Omit<Grant, 'signature'>, gatewayId: string) {
  const fields = [...identityFields.map((field) => identity[field]), until, grantedAt, String(version), gatewayId];
  return fields.some((field) => field.includes('\n')) ? undefined : Buffer.from(fields.join('\n'));
}
