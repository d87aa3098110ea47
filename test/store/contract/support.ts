import * as assert from 'uvu/assert';
import type { DocumentStore, NewDocument, StoredDocument, StoredValue } from '../../../src/store/index.ts';

/** Where the documents of the contract stand. */
export const target = { database: 'device_info', collection: 'device_process' };

/** A store, started and empty, and how to open the same documents again. */
export interface StoreUnderTest {
  readonly store: DocumentStore;
  /** Ends the store before, where only one may be open. */
  reopen(): Promise<DocumentStore>;
}

/** Registers a test with a store of its own, which is stopped after it. */
export type Each = (title: string, body: (opened: StoreUnderTest) => Promise<void>) => void;

/** A document of the series of its serial. */
export const item = (id: string, serial = 'sn1', more: object = {}): NewDocument => ({
  document: { _id: id, 序列号: serial, ...more },
  series: serial,
});

/** The kinds of the outcomes, in order. */
export const kinds = (outcomes: readonly { kind: string }[]): string[] => outcomes.map(({ kind }) => kind);

/** The ids of documents, in order. */
export const idsOf = (documents: readonly StoredDocument[]): string[] => documents.map(({ _id }) => _id);

/** A rejection, also of what throws at once. */
export async function attempt(call: () => Promise<unknown>): Promise<unknown> {
  return await call();
}

/** Rejects with `database-unreachable`, or with a mistake of the program. */
export async function fails(result: Promise<unknown>, kind?: typeof TypeError): Promise<Error> {
  const error = await result.then(
    () => assert.unreachable('it should have failed'),
    (thrown) => thrown,
  );
  if (kind === undefined) assert.is(error.code, 'database-unreachable', error.message);
  else assert.instance(error, kind);
  return error;
}

/** A document's fields by name: the order of fields that were added is the server's. */
export function sorted(document: StoredDocument | undefined): [string, StoredValue][] {
  return Object.entries(document ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}
