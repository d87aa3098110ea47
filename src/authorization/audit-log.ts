/**
 * The audit log: `audit.log`, JSON lines that are only ever appended, chained by hashes and sealed (`audit-line.ts`). A
 * full file becomes `audit.log.1`, `audit.log.2`, …; the chain goes on over files. What is wrong with it, `audit-verify.ts`
 * finds.
 *
 * Invariants: a call resolves when its line is on the device. A file is removed only after a line that says so, and with
 * which line it ended, is on the device. The head of the chain is kept in the journal too, about a second behind, so that
 * lines missing at the end show.
 *
 * Failure behaviour: a line that the disk does not take is rejected and made blank again; the next one takes its place,
 * and overwrites whatever a failed sync left. Bytes after the last line are a torn write when the kept head does not ask
 * for more: they are made blank and noted in a line `torn`. A log that is shorter than the kept head, or whose end is
 * not this box's, is reported (`onBroken`) and noted in a line `broken`; it goes on behind what is there, and the break
 * stays visible. Not found: lines of the last second cut off, together with the end of a write; all of the data folder
 * put back to an older copy. The centre has the same lines (`device_auth_log`).
 */
import { join } from 'node:path';
import { describeError, HoldfastError } from '../errors.ts';
import {
  type Clock,
  type FileSystem,
  GroupQueue,
  type Journal,
  type Logger,
  type OpenFile,
  type Timer,
} from '../platform/index.ts';
import { currentPath, fullFiles, readTail } from './audit-files.ts';
import { readHead, sealHead } from './audit-head.ts';
import { type ChainHead, encodeAuditLine } from './audit-line.ts';
import type { Sealer } from './seal.ts';
import type { Audit, AuditFields } from './types.ts';

export interface AuditLogOptions {
  readonly fileSystem: FileSystem;
  /** `logs` of the data folder; made when it is not there. */
  readonly folder: string;
  readonly clock: Clock;
  /** Of this run of the process. */
  readonly boot: string;
  readonly journal: Journal;
  /** Bound to the box's secret alone: the log outlives an exchange of hardware. */
  readonly sealer: Sealer;
  /** Bytes of a file at most, but for its last line. */
  readonly maxFileBytes: number;
  /** Files at most, the current one counted; at least 2. */
  readonly maxFiles: number;
  readonly logger: Logger;
  /** The log is not as it was left. */
  readonly onBroken: (why: string) => void;
}

const saveHeadAfterMs = 1000;
const maxGroupBytes = 128 * 1024;
const firstHead: ChainHead = { seq: 0, hash: '' };

interface Call {
  readonly event: string;
  readonly fields: AuditFields;
  readonly wallMs: number;
  readonly trusted: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class AuditLog implements Audit {
  readonly #options: AuditLogOptions;
  readonly #path: string;
  #file: OpenFile | undefined;
  #head = firstHead;
  /** Of the head that is kept; -1 without one. */
  #savedSeq = -1;
  /** Where the next line goes; and up to where a failed write may have left something. */
  #end = 0;
  #dirtyEnd = 0;
  /** Names of files were changed, and that is not on the device yet. */
  #isFolderDirty = true;
  #isFolderDurable = false;
  readonly #queue = new GroupQueue<Call>(() => this.#writeGroup());
  #headTimer: Timer | undefined;
  #headSave: Promise<void> = Promise.resolve();
  #isOpen = false;

  constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#path = currentPath(options.folder);
  }

  /** The last line that is on the device. */
  get head(): ChainHead {
    return this.#head;
  }

  /** Bytes of the current file that are on the device. */
  get end(): number {
    return this.#end;
  }

  /** Finds the end of the chain. Throws what the file system throws when the files cannot be read. */
  async open(): Promise<void> {
    const { fileSystem, folder, journal, sealer } = this.#options;
    fileSystem.makeFolder(folder);
    const { head: kept, isForged } = readHead(journal, sealer);
    const hasCurrent = fileSystem.exists(this.#path);
    const full = fullFiles(fileSystem, folder).at(-1);
    const before = full === undefined ? undefined : (await readTail(fileSystem, full.path, sealer)).last;
    const newer = { keptSeq: kept?.seq ?? 0, before: before?.hash ?? firstHead.hash };
    const tail = hasCurrent ? await readTail(fileSystem, this.#path, sealer, newer) : undefined;
    const found: ChainHead = tail?.last ?? before ?? firstHead;
    const isShort =
      kept !== undefined && (found.seq < kept.seq || (found.seq === kept.seq && found.hash !== kept.hash));
    this.#head = isShort ? kept : found;
    this.#savedSeq = kept?.seq ?? -1;
    let torn = 0;
    if (tail !== undefined) {
      this.#file = fileSystem.open(this.#path, 'write');
      // What a broken log ends with is evidence: it stays.
      this.#end = isShort ? tail.size : tail.end;
      this.#dirtyEnd = tail.size;
      if (isShort && !tail.endsWithNewLine && tail.size > 0) this.#file.write(Buffer.from('\n'), this.#end++);
      if (!isShort) torn = tail.restBytes;
      this.#dirtyEnd = Math.max(this.#dirtyEnd, this.#end);
      if (!isShort) await this.#settle(tail.newerFrom);
    }
    this.#isOpen = true;
    const why = isForged
      ? 'the head that is kept was not sealed by this box'
      : isShort
        ? `it ends with line ${found.seq}, and line ${kept.seq} was written`
        : kept === undefined && found.seq > 0
          ? 'nothing is kept of its head'
          : undefined;
    if (why !== undefined) {
      this.#options.onBroken(why);
      await this.#note('broken', { why, found: found.seq, kept: kept?.seq ?? null });
    }
    if (torn > 0) await this.#note('torn', { bytes: torn });
  }

  append(event: string, fields: AuditFields): Promise<void> {
    if (!this.#isOpen) return Promise.reject(failure('the audit log is closed'));
    const { clock } = this.#options;
    const done = new Promise<void>((resolve, reject) => {
      const wallMs = Math.floor(clock.wallMs());
      this.#queue.add({ event, fields: { ...fields }, wallMs, trusted: clock.isTrusted(), resolve, reject });
    });
    return done;
  }

  /** Waits for the calls made before it, and keeps the head. */
  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#queue.settle();
    this.#headTimer?.cancel();
    this.#headTimer = undefined;
    await this.#headSave;
    await this.#saveHead();
    this.#file?.close();
    this.#file = undefined;
  }

  async #writeGroup(): Promise<void> {
    const group: Call[] = [];
    try {
      await this.#write(group);
    } catch (error) {
      const reason = failure(`the disk did not take a line of ${this.#path}: make room, or replace it`, error);
      // Nothing was taken from the queue yet when the file could not be made.
      for (const call of group.length > 0 ? group : this.#queue.calls.splice(0)) call.reject(reason);
      return;
    }
    for (const call of group) call.resolve();
    this.#headTimer ??= this.#options.clock.after(saveHeadAfterMs, () => {
      this.#headTimer = undefined;
      this.#headSave = this.#headSave.then(() => this.#saveHead());
    });
  }

  /** Takes calls from the queue into `group` and writes their lines. */
  async #write(group: Call[]): Promise<void> {
    const { fileSystem, folder, sealer, maxFileBytes } = this.#options;
    await sealer.ready();
    // Before the first line: then a log without a kept head is one whose head was taken away.
    if (this.#savedSeq < 0) await this.#keepHead();
    if (this.#end >= maxFileBytes) await this.#rollOver();
    if (this.#isFolderDirty) await this.#syncFolder();
    const surplus = this.#end === 0 ? await this.#surplus() : [];
    let head = this.#head;
    let text = '';
    const add = (call: Omit<Call, 'resolve' | 'reject'>) => {
      const { event, fields, wallMs, trusted } = call;
      const time = new Date(wallMs).toISOString();
      const line = encodeAuditLine({ time, trusted, boot: this.#options.boot, event, fields }, head, sealer);
      head = line.head;
      text += line.text;
    };
    for (const { fields } of surplus) {
      const { clock } = this.#options;
      add({ event: 'file-removed', fields, wallMs: Math.floor(clock.wallMs()), trusted: clock.isTrusted() });
    }
    while (this.#queue.calls.length > 0 && text.length < maxGroupBytes) {
      const call = this.#queue.calls.shift()!;
      group.push(call);
      add(call);
    }
    if (this.#file === undefined) {
      this.#file = fileSystem.create(this.#path);
      this.#isFolderDirty = true;
    }
    const data = Buffer.from(text);
    const blank = Buffer.alloc(Math.max(0, this.#dirtyEnd - this.#end - data.length), '\n');
    this.#dirtyEnd = Math.max(this.#dirtyEnd, this.#end + data.length);
    try {
      this.#file.write(Buffer.concat([data, blank]), this.#end);
      await this.#file.sync();
      if (this.#isFolderDirty) await this.#syncFolder();
    } catch (error) {
      this.#makeBlank();
      throw error;
    }
    this.#end += data.length;
    this.#dirtyEnd = this.#end;
    this.#head = head;
    for (const { path } of surplus) {
      try {
        fileSystem.remove(path);
        await fileSystem.syncFolder(folder);
      } catch {
        // It is found again when the next file is begun.
      }
    }
  }

  /** The full file gets its number; the next one is made with the next line. */
  async #rollOver(): Promise<void> {
    const { fileSystem, folder } = this.#options;
    const number = (fullFiles(fileSystem, folder).at(-1)?.number ?? 0) + 1;
    fileSystem.rename(this.#path, `${this.#path}.${number}`);
    this.#file?.close();
    this.#file = undefined;
    this.#end = 0;
    this.#dirtyEnd = 0;
    // Before the next file is made: on the device its name must not take the place of this one.
    this.#isFolderDirty = true;
    await this.#syncFolder();
  }

  /** Full files beyond the configured number, with what is noted before they are removed. */
  async #surplus(): Promise<{ path: string; fields: AuditFields }[]> {
    const { fileSystem, folder, maxFiles, sealer } = this.#options;
    const files = fullFiles(fileSystem, folder);
    const surplus = [];
    for (const { path, number } of files.slice(0, Math.max(0, files.length - (maxFiles - 1)))) {
      const { last } = await readTail(fileSystem, path, sealer);
      surplus.push({
        path,
        fields: { file: `audit.log.${number}`, last: last?.seq ?? null, lastHash: last?.hash ?? null },
      });
    }
    return surplus;
  }

  async #syncFolder(): Promise<void> {
    const { fileSystem, folder } = this.#options;
    // The folder's own name, at the first time.
    if (!this.#isFolderDurable) await fileSystem.syncFolder(join(folder, '..'));
    this.#isFolderDurable = true;
    await fileSystem.syncFolder(folder);
    this.#isFolderDirty = false;
  }

  /** Makes blank what a failed write left: as far as that works, nobody finds a line of something that was not done. */
  #makeBlank(): void {
    try {
      const length = Math.min(this.#dirtyEnd, this.#file!.size()) - this.#end;
      if (length > 0) this.#file!.write(Buffer.alloc(length, '\n'), this.#end);
    } catch {
      // The next line overwrites it.
    }
  }

  /**
   * Lines after the kept head may be in the cache only, when the process before this one was killed, and a sync would
   * say nothing: they are written again over themselves. What is torn is made blank.
   */
  async #settle(from: number): Promise<void> {
    const data = Buffer.alloc(this.#dirtyEnd - from, '\n');
    if (data.length === 0) return;
    try {
      this.#file!.read(data.subarray(0, this.#end - from), from);
      this.#file!.write(data, from);
      await this.#file!.sync();
      this.#dirtyEnd = this.#end;
    } catch (error) {
      this.#options.logger.warn({ error: describeError(error) }, 'the end of the audit log could not be written again');
    }
  }

  async #note(event: string, fields: AuditFields): Promise<void> {
    try {
      await this.append(event, fields);
    } catch (error) {
      this.#options.logger.error({ event, ...fields, error: describeError(error) }, 'not noted in the audit log');
    }
  }

  async #saveHead(): Promise<void> {
    if (this.#head.seq <= this.#savedSeq) return;
    try {
      await this.#keepHead();
    } catch (error) {
      this.#options.logger.warn({ error: describeError(error) }, 'the head of the audit log could not be kept');
    }
  }

  async #keepHead(): Promise<void> {
    const head = this.#head;
    await sealHead(this.#options.journal, this.#options.sealer, head);
    this.#savedSeq = head.seq;
  }
}

const failure = (why: string, cause?: unknown): HoldfastError => new HoldfastError('audit-write-failed', why, cause);
