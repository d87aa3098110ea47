/**
 * A small keyed map that survives: string keys, JSON values, one file (`journal-format.ts` describes it).
 *
 * Invariants: what `get` shows is on the device, and a call that has resolved is never undone. Calls made together share
 * one write and one sync; the changes of one call come together or not at all. A file is appended to only by the
 * process that made it: `open` writes the content anew, aside, syncs it, renames it over the old file and syncs the
 * folder, and the same is done when the file is much longer than its content.
 *
 * Failure behaviour: a failed write or sync rejects the calls of that group, memory keeps the old values, and the bytes
 * that may have been written are made blank again. After a failed sync Linux may show what the device has not got, so
 * that file gets no further line: the next call writes the content anew first, and fails when that fails. Only a device
 * that takes neither the blanks nor a new file may show the failed change at the next start. A disk that is full, or
 * takes nothing, at `open` does not fail it: everything can be read, and calls fail until there is room. Damage costs
 * the lines that it hit: they are counted, and their bytes kept in the folder `damaged`.
 */
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { GroupQueue } from './group-queue.ts';
import { apply, type Change, type DamagedRange, decodeJournal, encodeLine, encodeSnapshot } from './journal-format.ts';

export interface JournalOptions {
  readonly fileSystem: FileSystem;
  /** Made when it is not there. Its parent exists. */
  readonly folder: string;
  /** Of the file, in the folder. */
  readonly name: string;
  /** Keys at most; a call that would add more is rejected. 1 to 1,000,000. */
  readonly maxKeys: number;
  /** Bytes by which the file may be longer than four times its content before it is written anew. Default 64 KiB. */
  readonly slackBytes?: number;
}

/** What `open` found. */
export interface JournalOpening {
  /** Places where what had been stored cannot be read any more. */
  readonly damaged: number;
  /** Copies of their bytes, for people; fewer when they could not be made. */
  readonly damagedPaths: readonly string[];
  /** Keys whose values may not be the last ones: of what was damaged, something came after them. */
  readonly unsure: ReadonlySet<string>;
  /** Bytes of a last write that was cut short. Nobody was told that it was stored. */
  readonly tornBytes: number;
  /** Why the file could not be written anew: calls fail until it can. */
  readonly error: Error | undefined;
}

/** Bytes of one change at most, as JSON. */
export const maxChangeBytes = 64 * 1024;

const maxGroupBytes = 1024 * 1024;
const maxDamagedFiles = 64;
const maxDamagedBytes = 64 * 1024;

interface Call {
  readonly changes: readonly Change[];
  readonly json: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Journal {
  readonly #options: Required<JournalOptions>;
  readonly #path: string;
  readonly #entries = new Map<string, unknown>();
  #file: OpenFile | undefined;
  /** Where the next line goes, and its number. */
  #end = 0;
  #lines = 0;
  /** Up to where a write that failed may have left something. */
  #dirtyEnd = 0;
  /** Bytes of the file when it was last written anew. */
  #contentBytes = 0;
  /** The file is not to be appended to: one of before this process, or one whose sync failed. */
  #mustRewrite = true;
  #isFolderDurable = false;
  readonly #queue = new GroupQueue<Call>(() => this.#writeGroup());
  #isOpen = false;

  constructor(options: JournalOptions) {
    this.#options = { slackBytes: 64 * 1024, ...options };
    this.#path = join(options.folder, options.name);
  }

  /**
   * Reads the file, or makes it. Once per instance; the caller keeps other processes away. With `readOnly` nothing is
   * written, and every change is rejected.
   *
   * @throws HoldfastError `journal-version`; what the file system throws when the file cannot be read.
   */
  async open({ readOnly = false } = {}): Promise<JournalOpening> {
    const { fileSystem } = this.#options;
    let opening: Omit<JournalOpening, 'error'> = { damaged: 0, damagedPaths: [], unsure: new Set(), tornBytes: 0 };
    if (fileSystem.exists(this.#path)) {
      const data = this.#readAll();
      const { entries, damaged, unsure, tornBytes } = decodeJournal(data, this.#path);
      for (const [key, value] of entries) this.#entries.set(key, value);
      const damagedPaths = readOnly ? [] : damaged.flatMap((range) => this.#keepAside(data, range));
      opening = { damaged: damaged.length, damagedPaths, unsure, tornBytes };
    }
    if (readOnly) return { ...opening, error: undefined };
    this.#isOpen = true;
    try {
      await this.#rewrite();
    } catch (error) {
      return { ...opening, error: error as Error };
    }
    return { ...opening, error: undefined };
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value on the device; not to be changed. undefined when there is none. */
  get(key: string): unknown {
    return this.#entries.get(key);
  }

  /** Keys and values on the device, in the order in which the keys were first set. */
  entries(): IterableIterator<[string, unknown]> {
    return this.#entries.entries();
  }

  /** Sets a key; resolves when it is on the device. See `apply`. */
  put(key: string, value: unknown): Promise<void> {
    return this.apply([[key, value]]);
  }

  /** Removes a key; resolves when that is on the device. See `apply`. */
  delete(key: string): Promise<void> {
    return this.apply([[key]]);
  }

  /**
   * Makes all these changes or none of them; resolves when they are on the device. Calls take effect in their order.
   *
   * @throws HoldfastError `journal-write-failed` when the device did not take it, or the journal is closed;
   *   `journal-full` beyond `maxKeys` or `maxChangeBytes`. Nothing is changed then.
   */
  async apply(changes: readonly Change[]): Promise<void> {
    if (!this.#isOpen) throw this.#failure('it is closed, or open for reading only');
    // Without its value a key would come back as null.
    const json = JSON.stringify(changes.map(([key, value]) => (value === undefined ? [key] : [key, value])));
    if (json.length > maxChangeBytes) {
      throw new HoldfastError('journal-full', `a change of ${json.length} bytes is too large for ${this.#path}`);
    }
    const done = new Promise<void>((resolve, reject) => {
      // As it will be read back; what the caller does to its objects afterwards does not matter.
      this.#queue.add({ changes: JSON.parse(json) as Change[], json, resolve, reject });
    });
    return done;
  }

  /** Waits for the calls made before it, then lets go of the file. Again does nothing. */
  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#queue.settle();
    this.#file?.close();
    this.#file = undefined;
  }

  async #writeGroup(): Promise<void> {
    const group = this.#takeGroup();
    if (group.length === 0) return;
    try {
      if (this.#mustRewrite) await this.#rewrite();
      await this.#append(group);
    } catch (error) {
      const failure = this.#failure('the device did not take it: make room, or replace it', error);
      for (const call of group) call.reject(failure);
      return;
    }
    for (const call of group) apply(this.#entries, call.changes);
    for (const call of group) call.resolve();
    // When it fails, the file as it is stays good for the next line; or it is tried again before that.
    if (this.#end > 4 * this.#contentBytes + this.#options.slackBytes) await this.#rewrite().catch(() => {});
  }

  /** The calls of the next write; those that would add too many keys are rejected. */
  #takeGroup(): Call[] {
    const group: Call[] = [];
    let bytes = 0;
    let size = this.#entries.size;
    /** Whether a key will be there after the calls taken so far. */
    const after = new Map<string, boolean>();
    while (this.#queue.calls.length > 0 && bytes < maxGroupBytes) {
      const call = this.#queue.calls.shift()!;
      const own = new Map(call.changes.map(([key, value]) => [key, value !== undefined]));
      let growth = 0;
      for (const [key, isThere] of own) {
        growth += Number(isThere) - Number(after.get(key) ?? this.#entries.has(key));
      }
      if (growth > 0 && size + growth > this.#options.maxKeys) {
        call.reject(
          new HoldfastError('journal-full', `${this.#path} holds ${this.#options.maxKeys} keys, as many as it may`),
        );
        continue;
      }
      size += growth;
      bytes += call.json.length;
      for (const [key, isThere] of own) after.set(key, isThere);
      group.push(call);
    }
    return group;
  }

  async #append(group: readonly Call[]): Promise<void> {
    const file = this.#file!;
    const text = group.map(({ json }, index) => encodeLine(this.#lines + index, this.#lines, json)).join('');
    const data = Buffer.from(text);
    this.#dirtyEnd = Math.max(this.#dirtyEnd, this.#end + data.length);
    try {
      file.write(data, this.#end);
    } catch (error) {
      await this.#blank(file);
      throw error;
    }
    try {
      await file.sync();
    } catch (error) {
      this.#mustRewrite = true;
      await this.#blank(file);
      throw error;
    }
    this.#end += data.length;
    this.#lines += group.length;
  }

  /** Makes blank what a failed write may have left behind the last good line. */
  async #blank(file: OpenFile): Promise<void> {
    try {
      const length = Math.min(this.#dirtyEnd, file.size()) - this.#end;
      if (length > 0) file.write(Buffer.alloc(length, '\n'), this.#end);
      await file.sync();
      this.#dirtyEnd = this.#end;
    } catch {
      this.#mustRewrite = true;
    }
    if (this.#mustRewrite) await this.#rewrite().catch(() => {});
  }

  /** Writes the content into a new file, which takes the place of the old one once it is on the device. */
  async #rewrite(): Promise<void> {
    const { fileSystem, folder } = this.#options;
    if (!this.#isFolderDurable) {
      fileSystem.makeFolder(folder);
      await fileSystem.syncFolder(join(folder, '..'));
      this.#isFolderDurable = true;
    }
    const aside = `${this.#path}.new`;
    if (fileSystem.exists(aside)) fileSystem.remove(aside);
    const { data, lines } = encodeSnapshot(this.#entries);
    const file = fileSystem.create(aside);
    try {
      file.write(data, 0);
      await file.sync();
      // From here on it is not known which of the two files a power cut leaves, until the folder is synced.
      this.#mustRewrite = true;
      fileSystem.rename(aside, this.#path);
      await fileSystem.syncFolder(folder);
    } catch (error) {
      file.close();
      // A full disk needs the room.
      try {
        if (fileSystem.exists(aside)) fileSystem.remove(aside);
      } catch {
        // It is removed before the next one is made.
      }
      throw error;
    }
    this.#file?.close();
    this.#file = file;
    this.#end = data.length;
    this.#dirtyEnd = data.length;
    this.#contentBytes = data.length;
    this.#lines = lines;
    this.#mustRewrite = false;
  }

  #readAll(): Buffer {
    const file = this.#options.fileSystem.open(this.#path, 'read');
    try {
      const data = Buffer.alloc(file.size());
      return data.subarray(0, file.read(data, 0));
    } finally {
      file.close();
    }
  }

  #keepAside(data: Buffer, { from, to }: DamagedRange): string[] {
    const { fileSystem, folder, name } = this.#options;
    try {
      const into = join(folder, 'damaged');
      fileSystem.makeFolder(into);
      const bytes = data.subarray(from, Math.min(to, from + maxDamagedBytes));
      if (bytes.length === 0 || fileSystem.list(into).length >= maxDamagedFiles) return [];
      for (let count = 1; ; count++) {
        const path = join(into, `${name}-${count}`);
        if (fileSystem.exists(path)) continue;
        const file = fileSystem.create(path);
        try {
          file.write(bytes, 0);
        } finally {
          file.close();
        }
        return [path];
      }
    } catch {
      return [];
    }
  }

  #failure(why: string, cause?: unknown): HoldfastError {
    return new HoldfastError('journal-write-failed', `${this.#path} was not changed: ${why}`, cause);
  }
}
