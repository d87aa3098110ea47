import type { Double } from 'mongodb';

/**
 * A value of a stored document. A bigint is an integer of 64 bits, a number is a double; `Double` writes a double that
 * happens to be whole and is read back as a number. Bytes are read back as a Uint8Array.
 */
export type StoredValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Date
  | Double
  | Uint8Array
  | readonly StoredValue[]
  | { readonly [key: string]: StoredValue };

/** A document. Two with the same `_id` are the same document, and the first one stays. */
export interface StoredDocument {
  readonly _id: string;
  readonly [key: string]: StoredValue;
}

/** Where documents are. */
export interface CollectionName {
  readonly database: string;
  readonly collection: string;
}

/**
 * What became of a document: `inserted`; `duplicate`, when there was one with its `_id` before (as good as inserted);
 * `error`, when the database refused this one, or one before it of the same series.
 */
export type InsertOutcome =
  | { readonly kind: 'inserted' | 'duplicate' }
  | { readonly kind: 'error'; readonly reason: string };

/** A document on its way in. Of one `series` (a machine), none is inserted after one that was refused. */
export interface NewDocument {
  readonly document: StoredDocument;
  readonly series: string;
}

/** An index: fields in order, 1 ascending, -1 descending. */
export interface IndexDefinition extends CollectionName {
  readonly name: string;
  readonly keys: readonly (readonly [field: string, direction: 1 | -1])[];
}

/** What to look for: every field of `filter` equal, then sorted, then cut. */
export interface Query {
  readonly filter?: Readonly<Record<string, string | number | bigint | boolean | null | Date>>;
  readonly sort?: readonly (readonly [field: string, direction: 1 | -1])[];
  readonly skip?: number;
  readonly limit?: number;
}

/**
 * Where the centre keeps documents. Every method rejects with `database-unreachable` when the database is away, not
 * ready or takes nothing at all; whatever it was doing may then be done or not, and may be done again.
 */
export interface DocumentStore {
  /** Opens what is needed; does not wait for a server. Idempotent. */
  start(): Promise<void>;
  /** Waits for inserts under way, then closes. Idempotent. */
  stop(): Promise<void>;
  /** Resolves when the database answers. */
  ping(): Promise<void>;
  /**
   * Inserts in the given order and resolves, with one outcome for each, once the database has them safe: on the device
   * of a majority of its members, also for a `duplicate`.
   */
  insertBatch(target: CollectionName, documents: readonly NewDocument[]): Promise<InsertOutcome[]>;
  /** Makes the indexes that are missing. */
  ensureIndexes(indexes: readonly IndexDefinition[]): Promise<void>;
  count(target: CollectionName, filter?: Query['filter']): Promise<number>;
  find(target: CollectionName, query?: Query): Promise<StoredDocument[]>;
}
