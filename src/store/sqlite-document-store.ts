/**
 * Documents in one file of SQLite, `documents.db`, in a folder that one process uses: the centre without a database
 * server, and what a box keeps for queries.
 *
 * Invariants: SQLite runs in a thread of its own (`sqlite-thread.ts`), so waiting for the device never stops the process
 * (but for what its owner does at the start without one, `SqliteHost.here`); calls made together share one transaction. With `durable` (the default) what is reported is on the device; without,
 * a power cut takes the newest back, and never leaves anything half. Memory does not grow with the documents. A filter
 * and sort that a declared index serves costs what it gives and skips, any other reads the whole collection.
 * Failure behaviour: a call that fails has changed nothing. A full disk fails what needs room until there is some. A
 * damaged file is named in the error and left alone with `durable`; without, it is moved aside (one, the newest, is kept)
 * and begun anew, which is logged. Everything is `database-unreachable`, as the port wants.
 */
import { dirname, join } from 'node:path';
import { describeError, HoldfastError } from '../errors.ts';
import { type FileSystem, type Logger, nodeFileSystem, silentLogger, syncFolders } from '../platform/index.ts';
import { checkChange, checkField, testsOf } from './conditions.ts';
import { decodeDocument, encodeDocument, toJson } from './document-codec.ts';
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
  StoredValue,
} from './document-store.ts';
import { SqliteHost } from './sqlite-host.ts';
import { keyOfComparable, rangeOfType } from './sqlite-keys.ts';
import type { BoundMessage, IndexMessage, KeyQuery, KeyTest, Target } from './sqlite-messages.ts';
import { SqliteThread } from './sqlite-thread.ts';

/** Where the documents are, and how safe. */
export interface SqliteOptions {
  /** Made when it is missing, with mode 0700. */
  readonly folder: string;
  /** Reported means on the device; true. False is for what can be had again. */
  readonly durable?: boolean;
  /** The file never grows beyond this: what needs more room fails. Its log beside it takes some 4 MiB more. */
  readonly maxBytes?: number;
  readonly logger?: Logger;
  readonly fileSystem?: FileSystem;
  /** The thread, shared with other stores; one of its own without. */
  readonly host?: SqliteHost;
}

/** How much of a collection is kept. */
export interface Keep {
  /** Documents of each group, the newest. */
  readonly perGroup: number;
  /** Documents of all groups together; what arrived first goes first. */
  readonly total: number;
}

/** The largest document, in characters of its JSON; MongoDB's is 16 MiB. */
const largestDocument = 16 * 1024 * 1024;
const fileName = 'documents.db';
const damagedName = 'documents.db.damaged';

export class SqliteDocumentStore implements DocumentStore {
  readonly #folder: string;
  readonly #path: string;
  readonly #durable: boolean;
  readonly #logger: Logger;
  readonly #files: FileSystem;
  readonly #thread: SqliteThread;
  /** For a file that is begun anew, by collection and name. */
  readonly #indexes = new Map<string, IndexMessage>();
  readonly #bounds = new Map<string, BoundMessage>();
  #started = false;

  constructor(options: SqliteOptions) {
    const { folder, durable = true, maxBytes, logger = silentLogger, fileSystem = nodeFileSystem } = options;
    const { host = new SqliteHost() } = options;
    this.#folder = folder;
    this.#path = join(folder, fileName);
    this.#durable = durable;
    this.#logger = logger;
    this.#files = fileSystem;
    this.#thread = new SqliteThread(host, { path: this.#path, durable, maxBytes }, (text) => this.#whenDamaged(text));
  }

  async start(): Promise<void> {
    if (this.#started) return;
    try {
      if (!this.#files.exists(this.#folder)) {
        this.#files.makeFolder(this.#folder);
        await this.#files.syncFolder(dirname(this.#folder));
      }
      await this.#makeFile();
      // What was made by a process that was killed is found here, and SQLite syncs nothing above its own folder.
      if (this.#durable) await syncFolders(this.#files, this.#folder);
    } catch (error) {
      throw new HoldfastError('database-unreachable', `cannot keep documents in ${this.#folder}`, error);
    }
    this.#started = true;
  }

  async stop(): Promise<void> {
    this.#started = false;
    await this.#thread.close();
  }

  /** True while the file is open, and where a process ended without closing it: its log is to be worked off. */
  get hasLog(): boolean {
    return this.#files.exists(`${this.#path}-wal`);
  }

  async ping(): Promise<void> {
    await this.#running().read({ kind: 'ping' });
  }

  async insertBatch(target: CollectionName, documents: readonly NewDocument[]): Promise<InsertOutcome[]> {
    const thread = this.#running();
    const refused = new Map<string, string>();
    const outcomes: InsertOutcome[] = [];
    const ids: string[] = [];
    const texts: string[] = [];
    const places: number[] = [];
    let size = 0;
    for (const [index, { document, series }] of documents.entries()) {
      const text = refused.has(series) ? undefined : tryEncode(document);
      if (text instanceof Error) refused.set(series, text.message);
      if (typeof text !== 'string') {
        outcomes[index] = { kind: 'error', reason: refused.get(series)! };
        continue;
      }
      ids.push(document._id);
      texts.push(text);
      places.push(index);
      size += text.length;
    }
    if (ids.length === 0) return outcomes;
    const call = { kind: 'insert', target: targetOf(target), ids, documents: texts } as const;
    const inserted = (await thread.write(call, size)) as boolean[];
    for (const [place, index] of places.entries()) {
      outcomes[index] = { kind: inserted[place] ? 'inserted' : 'duplicate' };
    }
    return outcomes;
  }

  async ensureIndexes(indexes: readonly IndexDefinition[]): Promise<void> {
    const thread = this.#running();
    const messages = indexes.map(indexMessage);
    for (const message of messages) this.#indexes.set([...message.target, message.name].join('.'), message);
    await thread.write({ kind: 'indexes', indexes: messages });
  }

  /**
   * Keeps, from now on and of what is there, the newest documents of each value of an index's first field, newest first
   * by its other fields, and not more than a total. Makes the index. The bound stays with the file until another is set.
   */
  async keepNewest(index: IndexDefinition, { perGroup, total }: Keep): Promise<void> {
    const thread = this.#running();
    const bound = { ...indexMessage(index), perGroup, total };
    if (bound.keys.length < 2) throw new TypeError('an index to keep the newest by has a group and an order');
    this.#bounds.set(bound.target.join('.'), bound);
    await thread.write({ kind: 'bound', bound });
  }

  async count(target: CollectionName, filter?: Filter): Promise<number> {
    const thread = this.#running();
    const tests = keyTests(filter);
    if (tests === undefined) return 0;
    return (await thread.read({ kind: 'count', target: targetOf(target), tests })) as number;
  }

  async find(target: CollectionName, query: Query = {}): Promise<StoredDocument[]> {
    const thread = this.#running();
    const wanted = keyQuery(query);
    if (wanted === undefined) return [];
    const rows = await thread.read({ kind: 'find', target: targetOf(target), query: wanted });
    return (rows as string[]).map(decodeDocument);
  }

  async distinct(target: CollectionName, field: string, filter?: Filter): Promise<string[]> {
    const thread = this.#running();
    checkField(field);
    const tests = keyTests(filter);
    if (tests === undefined) return [];
    return (await thread.read({ kind: 'distinct', target: targetOf(target), field, tests })) as string[];
  }

  async put(target: CollectionName, document: StoredDocument): Promise<void> {
    const thread = this.#running();
    const text = tryEncode(document);
    if (text instanceof Error) throw new HoldfastError('database-unreachable', text.message, text);
    const call = { kind: 'put', target: targetOf(target), id: document._id, document: text } as const;
    await thread.write(call, text.length);
  }

  async update(
    target: CollectionName,
    id: string,
    change: Change,
    { filter, insert = false }: { readonly filter?: Filter; readonly insert?: boolean } = {},
  ): Promise<StoredDocument | undefined> {
    const thread = this.#running();
    checkChange(change);
    // A filter that nothing can match still leaves a document to be made where there is none.
    const tests = keyTests(filter) ?? [{ field: '_id', values: [] }];
    const set = fieldsText(change.set);
    const setOnInsert = fieldsText(change.setOnInsert);
    const add = Object.entries(change.add ?? {});
    const { unset = [] } = change;
    const call = { kind: 'update', target: targetOf(target), id, set, setOnInsert, add, unset, tests, insert } as const;
    const text = (await thread.write(call, set.length + setOnInsert.length)) as string | null;
    return text === null ? undefined : decodeDocument(text);
  }

  async remove(target: CollectionName, filter: Filter): Promise<number> {
    const thread = this.#running();
    const tests = keyTests(filter);
    if (tests === undefined) return 0;
    return (await thread.write({ kind: 'remove', target: targetOf(target), tests })) as number;
  }

  /** How SQLite would answer `find`: a line for each step of its plan. For tests and for looking into a slow query. */
  async explain(target: CollectionName, query: Query): Promise<string[]> {
    const thread = this.#running();
    const wanted = keyQuery(query);
    if (wanted === undefined) return [];
    return (await thread.read({ kind: 'explain', target: targetOf(target), query: wanted })) as string[];
  }

  #running(): SqliteThread {
    if (!this.#started) throw new HoldfastError('database-unreachable', 'the document store is stopped');
    return this.#thread;
  }

  /**
   * An empty file is a new database; made here, it is private to the user, and its name is on the device. Throws when the
   * one that is there cannot be written.
   */
  async #makeFile(): Promise<void> {
    if (this.#files.exists(this.#path)) {
      // Said at the start, however late the first call is.
      this.#files.open(this.#path, 'write').close();
      return;
    }
    this.#files.create(this.#path).close();
    await this.#files.syncFolder(this.#folder);
  }

  /** Throws, or begins anew. */
  async #whenDamaged(text: string): Promise<void> {
    if (this.#durable) {
      const help = `stop, keep a copy of ${this.#folder}, and put a backup in its place, or what sqlite3's .recover saves`;
      throw new HoldfastError('database-unreachable', `${text}: ${help}`);
    }
    const aside = join(this.#folder, damagedName);
    this.#files.rename(this.#path, aside);
    const log = `${this.#path}-wal`;
    if (this.#files.exists(log)) this.#files.remove(log);
    await this.#makeFile();
    this.#logger.warn({ error: text, aside }, 'the kept documents were damaged: moved aside, and begun anew');
    const indexes = [...this.#indexes.values()];
    const again = [
      this.#thread.write({ kind: 'indexes', indexes }, 0, true),
      ...[...this.#bounds.values()].map((bound) => this.#thread.write({ kind: 'bound', bound }, 0, true)),
    ];
    for (const each of again) {
      each.catch((error) => this.#logger.warn({ error: describeError(error) }, 'the indexes could not be made'));
    }
  }
}

function targetOf({ database, collection }: CollectionName): Target {
  return [database, collection];
}

function indexMessage({ name, keys, ...target }: IndexDefinition): IndexMessage {
  for (const [field] of keys) checkField(field);
  return { target: targetOf(target), name, keys };
}

/** undefined when nothing can match. */
function keyTests(filter?: Filter): KeyTest[] | undefined {
  return testsOf(filter)?.map((test): KeyTest => {
    const { field } = test;
    if ('values' in test) return { field, values: [...new Set(test.values.map(keyOfComparable))] };
    const low = test.low === undefined ? undefined : keyOfComparable(test.low);
    const high = test.high === undefined ? undefined : keyOfComparable(test.high);
    const [least, greatest] = rangeOfType((low ?? high)!);
    return { field, low: low ?? least, high: high ?? greatest };
  });
}

function keyQuery({ filter, sort = [], skip = 0, limit = 0 }: Query): KeyQuery | undefined {
  for (const [field] of sort) checkField(field);
  const tests = keyTests(filter);
  return tests && { tests, sort, skip, limit };
}

/** The document's text, or why there is none. */
function tryEncode(document: StoredDocument): string | Error {
  try {
    const text = encodeDocument(document);
    return text.length > largestDocument ? new RangeError('the document is larger than 16 MiB') : text;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function fieldsText(fields: Readonly<Record<string, StoredValue>> = {}): string {
  return JSON.stringify(toJson(fields));
}
