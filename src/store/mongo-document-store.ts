/**
 * Documents in MongoDB, or any server that speaks its protocol: only single commands, no transactions, no retryable
 * writes, nothing that a kin of MongoDB lacks.
 *
 * Invariants: a document is reported as inserted or duplicate only after a write concern of `majority`; within a series
 * nothing is inserted after a document that was refused, so inserts are ordered and go round the refused one.
 * Failure behaviour: no connection, no primary, no right to write, a failed write concern: `database-unreachable`, and
 * the caller repeats the whole batch (a repeat finds duplicates). Only a document that the server refuses while it
 * takes others is an `error`. The driver reconnects by itself.
 */
import { type Collection, type Db, MongoClient, type MongoClientOptions, MongoServerError } from 'mongodb';
import { describeError, HoldfastError } from '../errors.ts';
import type {
  CollectionName,
  DocumentStore,
  IndexDefinition,
  InsertOutcome,
  NewDocument,
  Query,
  StoredDocument,
} from './document-store.ts';
import { isServerFailure, type Stop, stopOf, unreachable } from './mongo-errors.ts';

/** How to reach the database. */
export interface MongoOptions {
  /** `mongodb://…` or `mongodb+srv://…`. */
  readonly url: string;
  /** Put before the name of each database: several centres on one server. */
  readonly databasePrefix?: string;
  /** How long a call waits for a server that can be written to; 2 s. */
  readonly serverSelectionMs?: number;
  /** How long a call waits for an answer before the connection is given up; 30 s. */
  readonly answerWithinMs?: number;
}

/**
 * FerretDB 1 works on a hundred documents at a time, and goes on with the next hundred of an ordered insert when one of
 * the first was refused or a duplicate.
 */
const ferretInsert = 100;

export class MongoDocumentStore implements DocumentStore {
  readonly #options: MongoOptions;
  #started = false;
  #largest: number | undefined;
  /** Connected at the first question; not yet when the server is away. */
  #client: Promise<MongoClient> | undefined;

  constructor(options: MongoOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#started = true;
  }

  async stop(): Promise<void> {
    this.#started = false;
    const client = this.#client;
    this.#client = undefined;
    await (await client?.catch(() => undefined))?.close();
  }

  async ping(): Promise<void> {
    await this.#ask(async () => (await this.#database('admin', '')).command({ ping: 1 }));
  }

  async insertBatch(target: CollectionName, documents: readonly NewDocument[]): Promise<InsertOutcome[]> {
    const outcomes: (InsertOutcome | undefined)[] = documents.map(() => undefined);
    const refused = new Map<string, string>();
    let pending = documents.map((_, index) => index);
    let looked = false;
    while (pending.length > 0) {
      const batch = pending.slice(0, await this.#largestInsert()).map((index) => documents[index]!);
      const stop = await this.#insertOrdered(target, batch);
      for (const index of pending.slice(0, stop?.place ?? batch.length)) outcomes[index] = { kind: 'inserted' };
      if (stop === undefined) {
        pending = pending.slice(batch.length);
        continue;
      }
      const index = pending[stop.place]!;
      pending = pending.slice(stop.place + 1);
      if (stop.reason === undefined) {
        outcomes[index] = { kind: 'duplicate' };
        // Where there is one repeat there are usually many (a whole window delivered again), and each would cost a round
        // trip. What this finds is as safe as the duplicate above: the server answered that one after a majority had
        // everything written before.
        if (!looked && pending.length > 0) {
          const known = await this.#known(target, pending, documents);
          for (const i of pending) if (known.has(documents[i]!.document._id)) outcomes[i] = { kind: 'duplicate' };
          looked = true;
        }
      } else {
        outcomes[index] = { kind: 'error', reason: stop.reason };
        refused.set(documents[index]!.series, stop.reason);
      }
      for (const i of pending) {
        const reason = refused.get(documents[i]!.series);
        if (reason !== undefined && outcomes[i] === undefined) outcomes[i] = { kind: 'error', reason };
      }
      pending = pending.filter((i) => outcomes[i] === undefined);
    }
    return outcomes as InsertOutcome[];
  }

  async ensureIndexes(indexes: readonly IndexDefinition[]): Promise<void> {
    for (const { database, collection, name, keys } of indexes) {
      const key = Object.fromEntries(keys);
      await this.#ask(async () => (await this.#collection({ database, collection })).createIndex(key, { name }));
    }
  }

  count(target: CollectionName, filter: Query['filter'] = {}): Promise<number> {
    return this.#ask(async () => (await this.#collection(target)).countDocuments(filter));
  }

  find(target: CollectionName, { filter = {}, sort = [], skip = 0, limit = 0 }: Query = {}): Promise<StoredDocument[]> {
    return this.#ask(async () =>
      (await this.#collection(target))
        .find(filter)
        .sort(sort.map(([field, direction]) => [field, direction] as [string, 1 | -1]))
        .skip(skip)
        .limit(limit)
        .toArray(),
    );
  }

  /** Inserts up to the first document that is not taken; undefined when all were. */
  async #insertOrdered(target: CollectionName, batch: readonly NewDocument[]): Promise<Stop | undefined> {
    try {
      await this.#insertMany(target, batch);
      return undefined;
    } catch (error) {
      const stop = stopOf(error);
      if (stop !== undefined) return stop;
      if (isServerFailure(error)) throw unreachable(error);
    }
    // The batch as a whole was refused. One at a time tells whether it is a document.
    for (const [place, item] of batch.entries()) {
      try {
        await this.#insertMany(target, [item]);
      } catch (error) {
        const reason = describeError(error);
        const stop = stopOf(error);
        if (stop !== undefined) return { place, reason: stop.reason };
        if (isServerFailure(error)) throw unreachable(error);
        if (place > 0 || !(error instanceof MongoServerError) || (await this.#takesOthers(target, batch))) {
          return { place, reason };
        }
        throw unreachable(error);
      }
    }
    return undefined;
  }

  /** True when the database takes the first document that is not of the series of the one at the head. */
  async #takesOthers(target: CollectionName, batch: readonly NewDocument[]): Promise<boolean> {
    const other = batch.find(({ series }) => series !== batch[0]!.series);
    if (other === undefined) return false;
    try {
      await this.#insertMany(target, [other]);
      return true;
    } catch (error) {
      return stopOf(error) !== undefined;
    }
  }

  async #insertMany(target: CollectionName, batch: readonly NewDocument[]): Promise<void> {
    const documents = batch.map(({ document }) => document);
    await (await this.#collection(target)).insertMany(documents, { ordered: true });
  }

  async #known(target: CollectionName, pending: readonly number[], documents: readonly NewDocument[]) {
    const ids = pending.map((index) => documents[index]!.document._id);
    const found = await this.#ask(async () =>
      (await this.#collection(target)).find({ _id: { $in: ids } }, { projection: { _id: 1 } }).toArray(),
    );
    return new Set(found.map(({ _id }) => _id));
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      throw unreachable(error);
    }
  }

  /** How many documents may go into one ordered insert. */
  async #largestInsert(): Promise<number> {
    this.#largest ??= await this.#ask(async () => {
      const server = await (await this.#database('admin', '')).command({ buildInfo: 1 });
      return 'ferretdbVersion' in server ? ferretInsert : Number.POSITIVE_INFINITY;
    });
    return this.#largest;
  }

  async #collection({ database, collection }: CollectionName): Promise<Collection<StoredDocument>> {
    return (await this.#database(database)).collection<StoredDocument>(collection);
  }

  async #database(name: string, prefix: string = this.#options.databasePrefix ?? ''): Promise<Db> {
    return (await this.#connected()).db(prefix + name);
  }

  /**
   * The driver reconnects by itself, but not a client whose first connection has failed with several questions waiting
   * for it (it stays closed for good), so such a one is thrown away.
   */
  #connected(): Promise<MongoClient> {
    if (!this.#started) throw new HoldfastError('database-unreachable', 'the document store is stopped');
    if (this.#client !== undefined) return this.#client;
    const client = new MongoClient(this.#options.url, this.#clientOptions());
    const connecting = client.connect().catch(async (error) => {
      if (this.#client === connecting) this.#client = undefined;
      await client.close().catch(() => {});
      throw error;
    });
    this.#client = connecting;
    return connecting;
  }

  #clientOptions(): MongoClientOptions {
    const { serverSelectionMs = 2000, answerWithinMs = 30_000 } = this.#options;
    return {
      appName: 'holdfast',
      retryWrites: false,
      retryReads: false,
      writeConcern: { w: 'majority' },
      serverSelectionTimeoutMS: serverSelectionMs,
      connectTimeoutMS: serverSelectionMs,
      socketTimeoutMS: answerWithinMs,
      heartbeatFrequencyMS: 2000,
      minHeartbeatFrequencyMS: 100,
      useBigInt64: true,
      promoteBuffers: true,
    };
  }
}
