import type { Double } from './double.ts';

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

/** A value that a field is compared with. Never an object of a client: what is not one of these matches nothing. */
export type Comparable = string | number | bigint | boolean | null | Date;

/** What a field must be: equal, within bounds that belong to it (either alone too), or one of a list. */
export type Condition =
  | Comparable
  | { readonly atLeast?: Comparable; readonly atMost?: Comparable }
  | { readonly oneOf: readonly Comparable[] };

/**
 * Every field must be as it says. Fields of the top level only, which hold no list (servers differ in what matches one).
 * Bounds match values of their own type only; null matches a missing field too. A name that is no field's (`$where`,
 * `a.b`) is a TypeError.
 */
export type Filter = Readonly<Record<string, Condition>>;

/** What to look for: matched, then sorted, then cut. */
export interface Query {
  readonly filter?: Filter;
  readonly sort?: readonly (readonly [field: string, direction: 1 | -1])[];
  readonly skip?: number;
  readonly limit?: number;
}

/**
 * A change of one document: fields that get a value, integers that something is added to (missing counts as 0; what is no
 * number is refused), fields that go. No field stands twice, and `_id` not at all: a TypeError.
 */
export interface Change {
  readonly set?: Readonly<Record<string, StoredValue>>;
  readonly add?: Readonly<Record<string, bigint>>;
  /** Fields that are not there afterwards. */
  readonly unset?: readonly string[];
  /** Fields set only when the document is made by this change. */
  readonly setOnInsert?: Readonly<Record<string, StoredValue>>;
}

/**
 * Where documents are kept: of the centre, and of the box. Every method rejects with `database-unreachable` when the
 * database is away, not ready or takes nothing at all; whatever it was doing may then be done or not, and may be done
 * again (an `add` then counts twice).
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
  /** Makes the indexes that are missing; one of the same name with other keys gives way. */
  ensureIndexes(indexes: readonly IndexDefinition[]): Promise<void>;
  count(target: CollectionName, filter?: Filter): Promise<number>;
  find(target: CollectionName, query?: Query): Promise<StoredDocument[]>;
  /** The different values of a field that are strings, sorted by code point. */
  distinct(target: CollectionName, field: string, filter?: Filter): Promise<string[]>;
  /** Puts a document in the place of the one with its `_id`, or as a new one; resolves once it is safe. */
  put(target: CollectionName, document: StoredDocument): Promise<void>;
  /**
   * Changes the document with this `_id`, if it also matches `filter`, in one step (two at once do not lose one), and
   * resolves with it as it is then, once that is safe; undefined when there is none. `insert` makes it when no document
   * has the `_id`; with a `filter` that the present one does not match, nothing happens and undefined is the answer.
   */
  update(
    target: CollectionName,
    id: string,
    change: Change,
    options?: { readonly filter?: Filter; readonly insert?: boolean },
  ): Promise<StoredDocument | undefined>;
  /** Removes what matches and resolves with how many; an empty filter removes all. */
  remove(target: CollectionName, filter: Filter): Promise<number>;
}
