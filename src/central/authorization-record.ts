/**
 * The authorization of a machine as it is kept in `device_info.device_auth`: the seed's eight keys, and ours beside
 * them. `_id` = 序列号, `_version` (rises with each change), `_until` (Date: until when), and of the last change `_by`,
 * `_former` (授权截止时间 before it) and `_pending` (true until it is in the change log and on its way to the gateways).
 *
 * A record that another program has made has the seed's keys only, and any `_id`: it counts, with version 0. In one of
 * ours 授权截止时间 counts as well: who changes it in the database, by hand or with a tool of their own, knows no `_until`.
 */
import type { SiteTime } from '../platform/index.ts';
import { type Identity, identityFields, messageFields, recordKeys } from '../protocols/machines/index.ts';
import type { CollectionName, DocumentStore, StoredDocument } from '../store/index.ts';

/** Where authorizations are kept. */
export const authorizationCollection: CollectionName = { database: 'device_info', collection: 'device_auth' };
/** Where queries, answers and changes are kept. */
export const authorizationLogCollection: CollectionName = { database: 'device_info', collection: 'device_auth_log' };

/** What the centre knows about the authorization of a machine. */
export interface AuthorizationRecord {
  readonly serial: string;
  /** 授权截止时间, site time. */
  readonly until: string;
  /** The same, ms since 1970 UTC; -Infinity when it cannot be read: then nothing is granted. */
  readonly untilMs: number;
  /** 0 for a record that another program has made. */
  readonly version: number;
  readonly document: StoredDocument;
}

const serialKey = messageFields.authorization.serial.key;

/** The records of machines, by 序列号. Of several of one machine ours counts, else the one changed last. */
export async function readRecords(
  store: DocumentStore,
  serials: readonly string[],
  siteTime: SiteTime,
): Promise<ReadonlyMap<string, AuthorizationRecord>> {
  const records = new Map<string, AuthorizationRecord>();
  if (serials.length === 0) return records;
  const found = await store.find(authorizationCollection, { filter: { [serialKey]: { oneOf: serials } } });
  for (const document of found) {
    const record = toRecord(document, siteTime);
    const other = records.get(record.serial);
    if (other === undefined || counts(record.document, other.document)) records.set(record.serial, record);
  }
  return records;
}

/** A stored document as a record. */
export function toRecord(document: StoredDocument, siteTime: SiteTime): AuthorizationRecord {
  const until = document[recordKeys.until];
  const text = typeof until === 'string' ? until : '';
  // Of a local time that occurs twice only `_until` tells which is meant.
  const exactMs = document._until instanceof Date ? document._until.getTime() : undefined;
  const isExact = exactMs !== undefined && siteTime.format(exactMs) === text;
  const untilMs = isExact ? exactMs : (siteTime.parse(text) ?? Number.NEGATIVE_INFINITY);
  const version = typeof document._version === 'bigint' ? Number(document._version) : 0;
  return { serial: String(document[serialKey]), until: text, untilMs, version, document };
}

/** The fields of an identity as they are stored. */
export const identityDocument = (identity: Identity): Readonly<Record<string, string>> =>
  Object.fromEntries(identityFields.map((field) => [messageFields.authorization[field].key, identity[field]]));

function counts(one: StoredDocument, other: StoredDocument): boolean {
  if (isOurs(one) !== isOurs(other)) return isOurs(one);
  return String(one[recordKeys.changedAt] ?? '') > String(other[recordKeys.changedAt] ?? '');
}

const isOurs = (document: StoredDocument) => document._id === document[serialKey];
