/** What the store and the thread with its database say to each other. Only types: it costs the thread nothing. */
import type { Key } from './sqlite-keys.ts';

/** Database and collection. */
export type Target = readonly [database: string, collection: string];

/** One field's test, all of which must hold: equal to one of `values`, or from `low` to `high`, both included. */
export type KeyTest =
  | { readonly field: string; readonly values: readonly Key[] }
  | { readonly field: string; readonly low: Key; readonly high: Key };

/** Fields in order, 1 ascending, -1 descending. */
export type Order = readonly (readonly [field: string, direction: 1 | -1])[];

export interface KeyQuery {
  readonly tests: readonly KeyTest[];
  readonly sort: Order;
  readonly skip: number;
  /** 0: all. */
  readonly limit: number;
}

/** An index as it is declared. */
export interface IndexMessage {
  readonly target: Target;
  readonly name: string;
  readonly keys: Order;
}

/** A collection that keeps the newest documents only, along an index whose first field is the group. */
export interface BoundMessage extends IndexMessage {
  readonly perGroup: number;
  readonly total: number;
}

/** What changes nothing. */
export type Reading =
  | { readonly kind: 'ping' }
  | { readonly kind: 'find' | 'explain'; readonly target: Target; readonly query: KeyQuery }
  | { readonly kind: 'count'; readonly target: Target; readonly tests: readonly KeyTest[] }
  | { readonly kind: 'distinct'; readonly target: Target; readonly field: string; readonly tests: readonly KeyTest[] };

/** What changes something. Documents are texts of JSON; `ids` stand beside them. */
export type Writing =
  | {
      readonly kind: 'insert';
      readonly target: Target;
      readonly ids: readonly string[];
      readonly documents: readonly string[];
    }
  | { readonly kind: 'put'; readonly target: Target; readonly id: string; readonly document: string }
  | {
      readonly kind: 'update';
      readonly target: Target;
      readonly id: string;
      /** Texts of JSON objects. */
      readonly set: string;
      readonly setOnInsert: string;
      readonly add: readonly (readonly [field: string, amount: bigint])[];
      readonly unset: readonly string[];
      readonly tests: readonly KeyTest[];
      readonly insert: boolean;
    }
  | { readonly kind: 'remove'; readonly target: Target; readonly tests: readonly KeyTest[] }
  | { readonly kind: 'indexes'; readonly indexes: readonly IndexMessage[] }
  | { readonly kind: 'bound'; readonly bound: BoundMessage };

/** One turn of a file in the thread: calls that only read, or calls that share one transaction. */
export type FileTurn =
  | { readonly kind: 'read'; readonly calls: readonly Reading[] }
  | { readonly kind: 'write'; readonly calls: readonly Writing[] };

/** What the thread is told: a file is there, a turn of it, or its end (and, with `end`, that of the thread). */
export type Addressed = { readonly file: number } & (
  | { readonly kind: 'open'; readonly data: ThreadData }
  | FileTurn
  | { readonly kind: 'close'; readonly end: boolean }
);

/** How a call failed: `damaged` says that the file is, `refused` that the call itself could never succeed. */
export interface Failure {
  readonly text: string;
  readonly cause: 'damaged' | 'refused' | 'other';
}

/**
 * What the thread says of a turn: rows of a call as they are read, the result of each call, and that it is over; and that
 * a file is closed.
 */
export type FileReport =
  | { readonly kind: 'rows'; readonly call: number; readonly rows: readonly string[] }
  | { readonly kind: 'value'; readonly call: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly call: number; readonly failure: Failure }
  | { readonly kind: 'over' }
  | { readonly kind: 'closed' };

/** What the thread is told of a file. */
export interface ThreadData {
  /** The file; it exists. */
  readonly path: string;
  /** Every commit is on the device before it is reported. */
  readonly durable: boolean;
  /** The file never grows beyond this; undefined: as far as the disk goes. */
  readonly maxBytes: number | undefined;
}
