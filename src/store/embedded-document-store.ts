/**
 * Documents in a folder, one file of JSON lines per collection: for the demo and for trying out, one process a folder.
 *
 * Invariants: a document is reported as inserted only after fdatasync; lines are never changed. Memory grows by 16 bytes
 * a document; a query reads the whole file.
 * Failure behaviour: a disk that takes no more is `database-unreachable`: the batch is not in the file, and the caller
 * repeats it. A line torn by a power cut is dropped at the next start; it was never reported.
 */
import { dirname, join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { type FileSystem, nodeFileSystem } from '../platform/index.ts';
import { CollectionFile } from './collection-file.ts';
import type {
  CollectionName,
  DocumentStore,
  InsertOutcome,
  NewDocument,
  Query,
  StoredDocument,
  StoredValue,
} from './document-store.ts';

/** Where the documents are. */
export interface EmbeddedOptions {
  /** Made when it is missing. */
  readonly folder: string;
  readonly fileSystem?: FileSystem;
}

export class EmbeddedDocumentStore implements DocumentStore {
  readonly #folder: string;
  readonly #files: FileSystem;
  readonly #collections = new Map<string, CollectionFile>();
  /** Inserts are taken one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #started = false;

  constructor({ folder, fileSystem = nodeFileSystem }: EmbeddedOptions) {
    this.#folder = folder;
    this.#files = fileSystem;
  }

  async start(): Promise<void> {
    if (this.#started) return;
    await this.#try(async () => {
      const isNew = !this.#files.exists(this.#folder);
      this.#files.makeFolder(this.#folder);
      if (isNew) await this.#files.syncFolder(dirname(this.#folder));
    });
    this.#started = true;
  }

  async stop(): Promise<void> {
    this.#started = false;
    await this.#last;
    for (const collection of this.#collections.values()) collection.close();
    this.#collections.clear();
  }

  async ping(): Promise<void> {
    this.#requireStarted();
  }

  insertBatch(target: CollectionName, documents: readonly NewDocument[]): Promise<InsertOutcome[]> {
    const result = this.#last.then(() => this.#try(() => this.#insert(target, documents)));
    this.#last = result.catch(() => {});
    return result;
  }

  /** Nothing to make: every query reads the whole file. */
  async ensureIndexes(): Promise<void> {
    this.#requireStarted();
  }

  async count(target: CollectionName, filter: Query['filter'] = {}): Promise<number> {
    if (Object.keys(filter).length === 0) return (await this.#open(target)).size;
    return (await this.find(target, { filter })).length;
  }

  async find(
    target: CollectionName,
    { filter = {}, sort = [], skip = 0, limit }: Query = {},
  ): Promise<StoredDocument[]> {
    const wanted = Object.entries(filter);
    const found: StoredDocument[] = [];
    for (const document of (await this.#open(target)).documents()) {
      if (wanted.every(([key, value]) => compare(document[key] ?? null, value) === 0)) found.push(document);
    }
    found.sort((a, b) => {
      for (const [field, direction] of sort) {
        const order = compare(a[field] ?? null, b[field] ?? null);
        if (order !== 0) return order * direction;
      }
      return 0;
    });
    return found.slice(skip, limit === undefined || limit === 0 ? undefined : skip + limit);
  }

  async #insert(target: CollectionName, documents: readonly NewDocument[]): Promise<InsertOutcome[]> {
    const collection = await this.#open(target);
    const fresh = new Map<string, StoredDocument>();
    const outcomes = documents.map(({ document }): InsertOutcome => {
      if (fresh.has(document._id) || collection.has(document._id)) return { kind: 'duplicate' };
      fresh.set(document._id, document);
      return { kind: 'inserted' };
    });
    await collection.append([...fresh.values()]);
    return outcomes;
  }

  async #open({ database, collection }: CollectionName): Promise<CollectionFile> {
    this.#requireStarted();
    const name = `${database}.${collection}.jsonl`;
    let file = this.#collections.get(name);
    if (file === undefined) {
      const path = join(this.#folder, name);
      file = await this.#try(async () => {
        const opened = new CollectionFile(this.#files, path);
        await this.#files.syncFolder(this.#folder);
        return opened;
      });
      this.#collections.set(name, file);
    }
    return file;
  }

  async #try<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (error instanceof HoldfastError) throw error;
      throw new HoldfastError('database-unreachable', `cannot write documents into ${this.#folder}`, error);
    }
  }

  #requireStarted(): void {
    if (!this.#started) throw new HoldfastError('database-unreachable', 'the document store is stopped');
  }
}

/** The order of MongoDB for what documents are sorted by: null, numbers, strings, the rest, booleans, dates. */
function compare(a: StoredValue, b: StoredValue): number {
  const ranks = rank(a) - rank(b);
  if (ranks !== 0) return ranks;
  const [left, right] = [comparable(a), comparable(b)];
  if (left === right || left === null || right === null) return 0;
  // biome-ignore lint/suspicious/noDoubleEquals: a bigint and a number of the same value are equal
  return left == right ? 0 : left < right ? -1 : 1;
}

function comparable(value: StoredValue): string | number | bigint | boolean | null {
  if (value instanceof Date) return value.getTime();
  if (typeof value === 'object' && value !== null) return JSON.stringify(value);
  return value;
}

function rank(value: StoredValue): number {
  if (value === null) return 0;
  if (typeof value === 'number' || typeof value === 'bigint') return 1;
  if (typeof value === 'string') return 2;
  if (typeof value === 'boolean') return 4;
  return value instanceof Date ? 5 : 3;
}
