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
import {
  type Collection,
  type Db,
  type Document,
  MongoClient,
  type MongoClientOptions,
  MongoServerError,
} from 'mongodb';
import { describeError, HoldfastError } from '../errors.ts';
import { Turns } from '../platform/index.ts';
import { checkField, testsOf } from './conditions.ts';
import type {
  Change,
  CollectionName,
  DocumentStore,
  Filter,
  IndexDefinition,
  InsertOutcome,
  NewDocument,
  Query,
  StoredDocument,
} from './document-store.ts';
import { asBson, asRead, byCodePoint, changeOf, filterOf, madeBy, searchOf } from './mongo-commands.ts';
import { isDuplicate, isIndexConflict, isServerFailure, type Stop, stopOf, unreachable } from './mongo-errors.ts';

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
const ferretLookups = 32;
const ferretInsert = 100;

/** How often a document is made or put while others make and remove it. */
const mostTries = 100;

export class MongoDocumentStore implements DocumentStore {
  readonly #options: MongoOptions;
  #started = false;
  readonly #inTurn = new Turns(1);
  #ferret: boolean | undefined;
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
    const isFerret = await this.#isFerret();
    const largest = isFerret ? ferretInsert : documents.length;
    let size = largest;
    while (pending.length > 0) {
      const batch = pending.slice(0, size).map((index) => documents[index]!);
      const stop = await this.#insertOrdered(target, batch);
      for (const index of pending.slice(0, stop?.place ?? batch.length)) outcomes[index] = { kind: 'inserted' };
      if (stop === undefined) {
        pending = pending.slice(batch.length);
        size = Math.min(largest, size * 2);
        continue;
      }
      const index = pending[stop.place]!;
      pending = pending.slice(stop.place + 1);
      if (stop.reason === undefined) {
        outcomes[index] = { kind: 'duplicate' };
        // Where there is one repeat there are usually many (a whole window delivered again), and each would cost a round
        // trip. What this finds is as safe as the duplicate above: the server answered that one after a majority had
        // everything written before. FerretDB 1 goes through the collection for each id, but knows a duplicate in 2 ms.
        if (isFerret) size = 1;
        else if (!looked && pending.length > 0) {
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
      await this.#ask(async () => {
        const target = await this.#collection({ database, collection });
        try {
          await target.createIndex(key, { name });
        } catch (error) {
          if (!isIndexConflict(error)) throw error;
          await target.dropIndex(name);
          await target.createIndex(key, { name });
        }
      });
    }
  }

  async count(target: CollectionName, filter?: Filter): Promise<number> {
    const wanted = filterOf(filter);
    return this.#ask(async () => (await this.#collection(target)).countDocuments(wanted));
  }

  async find(target: CollectionName, query: Query = {}): Promise<StoredDocument[]> {
    const ids = idsOnly(query);
    if (ids !== undefined) return this.#ask(() => this.#findByIds(target, ids));
    const search = searchOf(query);
    return this.#ask(async () => search(await this.#collection(target)).toArray());
  }

  /** How the server would answer `find` (`queryPlanner`). For tests and for looking into a slow query. */
  async explain(target: CollectionName, query: Query = {}): Promise<unknown> {
    const search = searchOf(query);
    return this.#ask(async () => search(await this.#collection(target)).explain('queryPlanner'));
  }

  async distinct(target: CollectionName, field: string, filter?: Filter): Promise<string[]> {
    checkField(field);
    const wanted = filterOf(filter);
    const values = await this.#ask(async () => (await this.#collection(target)).distinct(field, wanted));
    return values.filter((value): value is string => typeof value === 'string').sort(byCodePoint);
  }

  async put(target: CollectionName, document: StoredDocument): Promise<void> {
    const { _id, ...fields } = asBson(document);
    const replace = async (collection: Collection<StoredDocument>) => {
      for (let tries = 1; ; tries++) {
        try {
          await collection.replaceOne({ _id }, fields, { upsert: true });
          return;
        } catch (error) {
          // Two that put a new document at once: the server lets the second try again.
          if (!isDuplicate(error) || tries === mostTries) throw error;
        }
      }
    };
    await this.#ask(() => this.#alone(target, _id, replace));
  }

  /**
   * Not an upsert: that would give a new document the values of the filter, and what two at once get from it differs from
   * server to server. A document is changed where there is one, else made; each step is one command.
   */
  async update(
    target: CollectionName,
    id: string,
    change: Change,
    { filter, insert = false }: { readonly filter?: Filter; readonly insert?: boolean } = {},
  ): Promise<StoredDocument | undefined> {
    const operators = changeOf(change);
    const wanted = { $and: [{ _id: id }, filterOf(filter)] };
    const makesIfMissing = insert ? madeBy(id, change) : undefined;
    return this.#ask(() =>
      this.#alone(target, id, async (collection) => {
        for (let tries = 1; ; tries++) {
          const found = operators
            ? await collection.findOneAndUpdate(wanted, operators, { returnDocument: 'after' })
            : await collection.findOne(wanted);
          if (found !== null || makesIfMissing === undefined) return found ?? undefined;
          try {
            await collection.insertOne(makesIfMissing);
            // Not read again: another may have changed it meanwhile, and would be given the same document.
            return asRead(makesIfMissing);
          } catch (error) {
            if (!isDuplicate(error) || tries === mostTries) throw error;
            // Somebody made it, now or long ago. It was asked again since: what the filter does not want is there.
            if (filter !== undefined && tries > 1) return undefined;
          }
        }
      }),
    );
  }

  async remove(target: CollectionName, filter: Filter): Promise<number> {
    const wanted = filterOf(filter);
    return this.#ask(async () => (await (await this.#collection(target)).deleteMany(wanted)).deletedCount);
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
    const documents = batch.map(({ document }) => asBson(document));
    await (await this.#collection(target)).insertMany(documents, { ordered: true });
  }

  async #known(target: CollectionName, pending: readonly number[], documents: readonly NewDocument[]) {
    const ids = pending.map((index) => documents[index]!.document._id);
    const found = await this.#ask(() => this.#findByIds(target, ids, { _id: 1 }));
    return new Set(found.map(({ _id }) => _id));
  }

  /** The documents with these ids. FerretDB 1 goes through the collection for one, and at a fifteenth of the pace for a list. */
  async #findByIds(target: CollectionName, ids: readonly string[], projection?: Document): Promise<StoredDocument[]> {
    const collection = await this.#collection(target);
    const options = projection === undefined ? {} : { projection };
    if (!(await this.#isFerret())) return collection.find({ _id: { $in: [...ids] } }, options).toArray();
    const found: StoredDocument[] = [];
    for (let start = 0; start < ids.length; start += ferretLookups) {
      const part = ids.slice(start, start + ferretLookups);
      const each = await Promise.all(part.map((_id) => collection.findOne({ _id }, options)));
      for (const document of each) if (document !== null) found.push(document);
    }
    return found;
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      throw unreachable(error);
    }
  }

  /** Changes one document. FerretDB 1 reads and then writes, so what this process does goes one after the other there. */
  async #alone<T>(
    target: CollectionName,
    id: string,
    task: (collection: Collection<StoredDocument>) => Promise<T>,
  ): Promise<T> {
    const collection = await this.#collection(target);
    if (!(await this.#isFerret())) return task(collection);
    return this.#inTurn.take(`${collection.namespace} ${id}`, () => task(collection));
  }

  /** Asks once. */
  async #isFerret(): Promise<boolean> {
    this.#ferret ??= await this.#ask(async () => {
      return 'ferretdbVersion' in (await (await this.#database('admin', '')).command({ buildInfo: 1 }));
    });
    return this.#ferret;
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

/** The ids of a query for nothing but some documents by their ids, in any order; undefined for every other query. */
function idsOnly({ filter, sort, skip = 0, limit = 0 }: Query): string[] | undefined {
  const [test, ...others] = testsOf(filter) ?? [];
  if (test === undefined || others.length > 0 || test.field !== '_id' || !('values' in test)) return undefined;
  if (sort !== undefined || skip > 0 || limit > 0 || test.values.length < 2) return undefined;
  const ids = test.values.filter((value): value is string => typeof value === 'string');
  return ids.length === test.values.length ? [...new Set(ids)] : undefined;
}
