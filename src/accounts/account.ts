import { randomBytes } from 'node:crypto';
import { accountKeys, type RoleName, roles } from '../protocols/machines/index.ts';
import type { CollectionName, IndexDefinition, StoredDocument } from '../store/index.ts';

/** Where accounts, their sessions and the number of the last change are. */
export const accountCollection: CollectionName = { database: 'user', collection: 'user_account' };
export const sessionCollection: CollectionName = { database: 'user', collection: 'user_session' };
export const accountStateCollection: CollectionName = { database: 'user', collection: 'account_state' };

/** The indexes of these collections. Accounts are looked for by `_id`, which is the 账号名. */
export const accountIndexes: readonly IndexDefinition[] = [
  {
    ...sessionCollection,
    name: 'account_expires',
    keys: [
      [accountKeys.name, 1],
      ['_expires', 1],
    ],
  },
  { ...sessionCollection, name: 'expires', keys: [['_expires', 1]] },
];

/**
 * Who made an account: `local`, a person here; `first`, this program at its first start; `centre`, the centre, which
 * may change and remove it.
 */
export type AccountOrigin = 'local' | 'first' | 'centre';

/** An account, without its password. */
export interface Account {
  readonly name: string;
  /** Customers whose machines it may see; `*` for all. */
  readonly customers: readonly string[];
  readonly role: RoleName;
  /** Site time. */
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly origin: AccountOrigin;
}

/** An account with what only this room sees. */
export interface StoredAccount extends Account {
  /** `$scrypt$…` of what arrives as 密码. */
  readonly hash: string;
  /** Another one with each password: a session that was opened under an older one is over. */
  readonly stamp: string;
}

/** What an account may see: everything, or these customers. */
export type Visible = 'all' | readonly string[];

export const visibleTo = ({ customers }: Account): Visible => (customers.includes('*') ? 'all' : customers);

/** A stamp that no other password has. */
export const newStamp = (): string => randomBytes(12).toString('base64url');

/** A name or a customer: 1 to 128 characters, none of which is a control character, no white space around it. */
export const isLabel = (text: string): boolean =>
  text.length >= 1 && text.length <= 128 && text.trim() === text && !/\p{Cc}/u.test(text);

/** Most customers of one account. */
export const maxCustomers = 1000;

export function toDocument(account: StoredAccount): StoredDocument {
  return {
    _id: account.name,
    [accountKeys.name]: account.name,
    [accountKeys.password]: account.hash,
    [accountKeys.createdAt]: account.createdAt,
    [accountKeys.updatedAt]: account.updatedAt,
    [accountKeys.customers]: [...account.customers],
    [accountKeys.role]: roles[account.role],
    _stamp: account.stamp,
    _origin: account.origin,
  };
}

/** The account of a document; undefined for one that is not as it should be: it lets nobody in. */
export function fromDocument(document: StoredDocument): StoredAccount | undefined {
  const customers = document[accountKeys.customers];
  const hash = document[accountKeys.password];
  const { _stamp: stamp = '', _origin: origin = 'local' } = document;
  const role = roleOf(document[accountKeys.role]);
  // A hash that was written in by hand could be one that is sent as it is: whoever reads the database could log in.
  if (typeof hash !== 'string' || !hash.startsWith('$scrypt$') || role === undefined) return undefined;
  if (!Array.isArray(customers) || !customers.every((one): one is string => typeof one === 'string')) return undefined;
  if (typeof stamp !== 'string' || !isOrigin(origin)) return undefined;
  return {
    name: document._id,
    customers,
    role,
    createdAt: textOf(document[accountKeys.createdAt]),
    updatedAt: textOf(document[accountKeys.updatedAt]),
    origin,
    hash,
    stamp,
  };
}

export function roleOf(word: unknown): RoleName | undefined {
  return (Object.keys(roles) as RoleName[]).find((name) => roles[name] === word);
}

const isOrigin = (value: unknown): value is AccountOrigin =>
  value === 'local' || value === 'first' || value === 'centre';
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
