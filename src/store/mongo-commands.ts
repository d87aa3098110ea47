/** Filters and changes in MongoDB's words. Values stay values: no text of a client is ever read as an operator. */
import {
  BSON,
  Double as BsonDouble,
  type Collection,
  type Document,
  type FindCursor,
  type Filter as MongoFilter,
} from 'mongodb';
import { checkChange, checkField, testsOf } from './conditions.ts';
import type { Change, Filter, Query, StoredDocument } from './document-store.ts';
import { Double } from './double.ts';

/** Matches nothing, on any server. */
const nothing = { _id: { $in: [] } };

/** A filter of the port as the server takes it. */
export function filterOf(filter?: Filter): MongoFilter<StoredDocument> {
  const tests = testsOf(filter);
  if (tests === undefined) return nothing;
  return Object.fromEntries(
    tests.map((test) => {
      if (!('values' in test)) {
        const bounds = {
          ...(test.low !== undefined && { $gte: test.low }),
          ...(test.high !== undefined && { $lte: test.high }),
        };
        return [test.field, bounds];
      }
      return [test.field, test.values.length === 1 ? test.values[0] : { $in: test.values }];
    }),
  );
}

/** A query of the port, to be asked of a collection. */
export function searchOf({ filter, sort = [], skip = 0, limit = 0 }: Query) {
  for (const [field] of sort) checkField(field);
  const wanted = filterOf(filter);
  const order = sort.map(([field, direction]) => [field, direction] as [string, 1 | -1]);
  return (collection: Collection<StoredDocument>): FindCursor<StoredDocument> => {
    const cursor = collection.find(wanted).sort(order).limit(limit) as FindCursor<StoredDocument>;
    // FerretDB 1 explains no query with a `skip` of the driver's type.
    return skip === 0 ? cursor : cursor.skip(skip);
  };
}

/** What a change does to a document that there is; undefined when it does nothing. */
export function changeOf(change: Change): Document | undefined {
  checkChange(change);
  const { set = {}, add = {}, unset = [] } = change;
  const operators = {
    ...(Object.keys(set).length > 0 && { $set: asBson(set) }),
    ...(Object.keys(add).length > 0 && { $inc: add }),
    ...(unset.length > 0 && { $unset: Object.fromEntries(unset.map((field) => [field, ''])) }),
  };
  return Object.keys(operators).length === 0 ? undefined : operators;
}

/** The document that a change makes. */
export function madeBy(id: string, { set, add, setOnInsert }: Change): StoredDocument {
  return asBson({ _id: id, ...setOnInsert, ...set, ...add });
}

/** The same with the driver's doubles in place of the port's; the very same when it holds none, as nearly always. */
export function asBson<T extends object>(value: T): T {
  let copy: Record<string, unknown> | undefined;
  for (const [key, child] of Object.entries(value)) {
    if (typeof child !== 'object' || child === null || child instanceof Date || child instanceof Uint8Array) continue;
    const converted = child instanceof Double ? new BsonDouble(child.value) : asBson(child as object);
    if (converted === child) continue;
    copy ??= (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
    copy[key] = converted;
  }
  return (copy ?? value) as T;
}

/** A document as a server would give it back. */
export function asRead(document: StoredDocument): StoredDocument {
  return BSON.deserialize(BSON.serialize(document), { useBigInt64: true, promoteBuffers: true }) as StoredDocument;
}

/** The order of code points, which is that of the bytes of UTF-8. */
export function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
