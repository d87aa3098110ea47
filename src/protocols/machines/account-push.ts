/**
 * Accounts on their way from the centre to a gateway: one signed message with everything that the gateway may know
 * (contracts/machines.md, 'At the gateway: accounts are synchronized').
 *
 * Invariants: the signature covers the exact bytes of `内容`, which names the kind, the gateway and the version, so that
 * it proves nothing at another gateway and nothing of another kind: a grant's signed text is lines, this one JSON.
 * Failure behaviour: `readAccountPush` answers undefined for whatever is not right; it never throws on bad input.
 */
import { type KeyObject, sign, verify } from 'node:crypto';
import { parseBody } from './parse.ts';
import { accountKeys, accountPushKeys, grantKeys, pushKinds, type RoleName, roles } from './wire.ts';

/** An account as it is pushed. */
export interface PushedAccount {
  readonly name: string;
  /** `$scrypt$…`. */
  readonly hash: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly customers: readonly string[];
  readonly role: RoleName;
  /** Another one with each password. */
  readonly stamp: string;
}

/** All accounts that a gateway may know; what it had from the centre before is replaced. */
export interface AccountPush {
  readonly gateway: string;
  /** Rises with each change; an older one is ignored. */
  readonly version: number;
  readonly accounts: readonly PushedAccount[];
}

const gatewayKey = 'gateway';
const accountsKey = 'accounts';
const stampKey = 'stamp';

/** The signed text of a push: equal for equal accounts and version. */
export function accountPushText({ gateway, version, accounts }: AccountPush): string {
  return JSON.stringify({
    [grantKeys.kind]: pushKinds.accounts,
    [gatewayKey]: gateway,
    [grantKeys.version]: version,
    [accountsKey]: accounts.map((account) => ({
      [accountKeys.name]: account.name,
      [accountKeys.password]: account.hash,
      [accountKeys.createdAt]: account.createdAt,
      [accountKeys.updatedAt]: account.updatedAt,
      [accountKeys.customers]: account.customers,
      [accountKeys.role]: roles[account.role],
      [stampKey]: account.stamp,
    })),
  });
}

/** The message of a push, signed with the centre's Ed25519 key. JSON in UTF-8. */
export function encodeAccountPush(push: AccountPush, privateKey: KeyObject): Buffer {
  const content = accountPushText(push);
  return Buffer.from(
    JSON.stringify({
      [accountPushKeys.kind]: pushKinds.accounts,
      [accountPushKeys.content]: content,
      [accountPushKeys.signature]: sign(null, Buffer.from(content), privateKey).toString('base64'),
    }),
  );
}

/** Reads a push that this centre signed for this gateway; undefined for anything else. */
export function readAccountPush(payload: Uint8Array, gateway: string, publicKey: KeyObject): AccountPush | undefined {
  const envelope = parseBody(payload);
  if (typeof envelope === 'string' || envelope[accountPushKeys.kind] !== pushKinds.accounts) return undefined;
  const content = envelope[accountPushKeys.content];
  const signature = envelope[accountPushKeys.signature];
  if (typeof content !== 'string' || typeof signature !== 'string') return undefined;
  if (!/^[A-Za-z0-9+/]{86}==$/.test(signature)) return undefined;
  if (!verify(null, Buffer.from(content), publicKey, Buffer.from(signature, 'base64'))) return undefined;
  const body = parseBody(Buffer.from(content));
  if (typeof body === 'string' || body[grantKeys.kind] !== pushKinds.accounts) return undefined;
  const version = body[grantKeys.version];
  const accounts = body[accountsKey];
  if (body[gatewayKey] !== gateway || !Array.isArray(accounts)) return undefined;
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 0) return undefined;
  const read = accounts.map(readAccount);
  return read.every((account) => account !== undefined) ? { gateway, version, accounts: read } : undefined;
}

function readAccount(value: unknown): PushedAccount | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Record<string, unknown>;
  const customers = fields[accountKeys.customers];
  const role = (Object.keys(roles) as RoleName[]).find((name) => roles[name] === fields[accountKeys.role]);
  const { [accountKeys.name]: name, [accountKeys.password]: hash, [stampKey]: stamp } = fields;
  const { [accountKeys.createdAt]: createdAt, [accountKeys.updatedAt]: updatedAt } = fields;
  if (typeof name !== 'string' || name === '' || typeof hash !== 'string' || !hash.startsWith('$scrypt$')) {
    return undefined;
  }
  if (typeof stamp !== 'string' || typeof createdAt !== 'string' || typeof updatedAt !== 'string') return undefined;
  if (role === undefined || !Array.isArray(customers)) return undefined;
  if (!customers.every((one): one is string => typeof one === 'string')) return undefined;
  return { name, hash, createdAt, updatedAt, customers, role, stamp };
}
