/**
 * Remembers which reports were accepted lately, so that a machine that saw no reply and sends the same bytes again is
 * answered again and nothing is stored twice. The spool has two: of reports that are known by their bytes, and of those
 * that were given a name where they come from (`origin`).
 *
 * In memory: 32 bits of a keyed SHA-256 per report (repeat-index.ts). On disk, in one file: a ring with the whole SHA-256,
 * against which a hit is checked before it counts; one look-up in some ten thousand is checked in vain. A report enters the
 * window only after it is on disk: a report that is remembered and not stored would be lost. The file may lag; what it
 * misses is found again in the newest segments at start.
 */
import { hash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import type { FileSystem, OpenFile } from '../platform/index.ts';
import { readU32, writeU32 } from './bytes.ts';
import { crc32c } from './crc32c.ts';
import {
  digestOf,
  entryBytes,
  isSettled,
  isWhole,
  lapOf,
  lowOf,
  sequenceOf,
  settleEntry,
  timeOf,
  writeEntry,
} from './repeat-entry.ts';
import { RepeatIndex } from './repeat-index.ts';

const headerBytes = 4096;
const magic = Buffer.from('HOLDREPT');
/** Reports that were under way when the checkpoint was made have sequences from before it. */
const recoveryMargin = 20_000;
const flushEntries = 1024;
/** More than these do not wait in memory for a disk that takes nothing. */
const maxUnwritten = 16 * flushEntries;
/** Entries that are read and written at a time. */
const chunkEntries = 4096;

export class RepeatWindow {
  readonly #fileSystem: FileSystem;
  readonly #folder: string;
  readonly #name: string;
  readonly #capacity: number;
  readonly #windowMs: number;
  readonly #nowMs: () => number;
  #file: OpenFile | undefined;
  #isNew = false;
  /** Unknown until the window is open. */
  #key: Buffer | undefined;
  /** Begins with the key. */
  #scratch = Buffer.alloc(0);
  readonly #index: RepeatIndex;
  /** Slot of the next entry, and how often the ring has been gone round (16 bits): so that a start finds the place. */
  #next = 0;
  #lap = 0;
  /** The newest entries, one behind the other as the file will have them, from this slot on. */
  readonly #staged = Buffer.alloc(flushEntries * entryBytes);
  #stagedFrom = 0;
  #stagedCount = 0;
  /** Others that are not in the file yet, by slot, oldest first: changed ones, and those that the disk did not take. */
  readonly #unwritten = new Map<number, Buffer>();
  /** Sequences of the newest entries of the file, while the segments are read through. */
  readonly #loaded = new Set<number>();
  /** The device may hold less of the file than it shows: a sync has failed, now or before the start. */
  #isSuspect = false;
  /** Reports forgotten before their time, for want of room. */
  forgottenEarly = 0;

  constructor(options: {
    fileSystem: FileSystem;
    folder: string;
    /** Name of its file. */
    name: string;
    /** How many reports are remembered at most. */
    capacity: number;
    /** How long, in ms of window time. */
    windowMs: number;
    /** Window time in ms: monotonic over restarts, goes on while the box is off. */
    nowMs: () => number;
  }) {
    this.#fileSystem = options.fileSystem;
    this.#folder = options.folder;
    this.#name = options.name;
    this.#capacity = options.capacity;
    this.#windowMs = options.windowMs;
    this.#nowMs = options.nowMs;
    this.#index = new RepeatIndex(options.capacity);
  }

  /**
   * Reads what is remembered; returns the latest window time found, in ms. A damaged file is begun anew. Reports from
   * about `sequence` on will be given to `recover`.
   */
  open(sequence: number): number {
    const path = join(this.#folder, this.#name);
    const header = Buffer.alloc(headerBytes);
    if (this.#fileSystem.exists(path)) {
      this.#file = this.#fileSystem.open(path, 'write');
      this.#file.read(header, 0);
      if (this.#isHeader(header)) {
        this.#key = Buffer.from(header.subarray(16, 48));
        // What was read may stand in the page cache only, and after a failed sync it would never leave it.
        this.#isSuspect = true;
        return this.#load(sequence - recoveryMargin);
      }
      // Entries of another key would never be found, and only stand in the way.
      this.#file.close();
      this.#fileSystem.remove(path);
    }
    this.#file = this.#fileSystem.create(path);
    this.#isNew = true;
    const key = randomBytes(32);
    this.#key = key;
    header.fill(0);
    magic.copy(header);
    writeU32(header, 12, this.#capacity);
    key.copy(header, 16);
    writeU32(header, 8, crc32c(header, 12, 64));
    this.#file.write(header, 0);
    return 0;
  }

  #isHeader(header: Buffer): boolean {
    return (
      header.compare(magic, 0, 8, 0, 8) === 0 &&
      crc32c(header, 12, 64) === readU32(header, 8) &&
      readU32(header, 12) === this.#capacity
    );
  }

  /**
   * The keyed SHA-256 of a report, a character per byte.
   *
   * @throws HoldfastError `spool-closed` before `open`: what was made without the key would be known by nobody.
   */
  digest(channel: string, payload: Uint8Array): string {
    const length = 32 + channel.length + 1 + payload.length;
    const scratch = this.#keyed(length);
    scratch.write(channel, 32, 'latin1');
    scratch[32 + channel.length] = 0;
    scratch.set(payload, 33 + channel.length);
    // A buffer made by the hash takes twice the time, and is a piece of the allocator's heap until the next collection.
    return hash('sha256', scratch.subarray(0, length), 'binary');
  }

  /** Room for what is digested, the key at its beginning; kept for the next one, unless it is large. */
  #keyed(length: number): Buffer {
    if (length <= this.#scratch.length) return this.#scratch;
    if (this.#key === undefined) throw new HoldfastError('spool-closed', 'the spool is not open');
    const room = Buffer.alloc(Math.max(length, 4096));
    this.#key.copy(room);
    if (length <= 65536) this.#scratch = room;
    return room;
  }

  /** The sequence of the same report, when it was accepted within the window. */
  find(digest: string): number | undefined {
    return this.look(digest)?.sequence;
  }

  /** The same, and whether `settle` was called for it. */
  look(digest: string): { readonly sequence: number; readonly isSettled: boolean } | undefined {
    const entry = this.#find(digest)?.entry;
    return entry && { sequence: sequenceOf(entry, 0), isSettled: isSettled(entry, 0) };
  }

  /** Notes that the centre has a report that is remembered; nothing happens for another. */
  settle(digest: string): void {
    const found = this.#find(digest);
    if (found === undefined) return;
    const staged = this.#stagedAt(found.slot);
    const entry = staged ?? Buffer.from(found.entry);
    settleEntry(entry);
    if (staged === undefined) this.#write(found.slot, entry);
  }

  /** Hands what waits in memory to the system, as far as the disk takes it. */
  flush(): void {
    try {
      this.#flush();
    } catch {
      // The next sync says it.
    }
  }

  /** Remembers a report that is on disk; `atMs` in window time. */
  remember(digest: string, sequence: number, atMs = this.#nowMs()): void {
    const slot = this.#next;
    const removed = this.#index.remove(slot);
    if (removed >= 0 && removed >= this.#oldest()) this.forgottenEarly++;
    const time = Math.floor(Math.max(0, atMs) / 100);
    this.#stage(slot, digest, sequence, time);
    this.#index.add(slot, lowOf(digest), time);
    this.#next = slot + 1;
    if (this.#next === this.#capacity) {
      this.#next = 0;
      this.#lap = (this.#lap + 1) & 0xffff;
      this.#unstage();
    } else if (this.#stagedCount === flushEntries) this.#unstage();
  }

  /** The same for a report found in the segments at start, which the file may have already. */
  recover(report: { channel: string; payload: Uint8Array; sequence: number }, atMs: number): void {
    if (this.#loaded.has(report.sequence)) return;
    const digest = this.digest(report.channel, report.payload);
    if (this.#find(digest) === undefined) this.remember(digest, report.sequence, atMs);
  }

  /** Forgets what only `recover` needs. */
  endRecovery(): void {
    this.#loaded.clear();
  }

  /** Resolves when everything remembered is on the device. */
  async sync(): Promise<void> {
    const file = this.#file!;
    this.#flush();
    if (this.#isSuspect) this.#writeAgain(file);
    this.#isSuspect = true;
    await file.sync();
    if (this.#isNew) await this.#fileSystem.syncFolder(this.#folder);
    this.#isNew = false;
    this.#isSuspect = false;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #oldest(): number {
    return Math.floor(Math.max(0, this.#nowMs() - this.#windowMs) / 100);
  }

  #find(digest: string): { slot: number; entry: Buffer } | undefined {
    const index = this.#index;
    const low = lowOf(digest);
    const oldest = this.#oldest();
    for (let slot = index.first(low, oldest); slot !== undefined; slot = index.next(slot, oldest)) {
      const entry = this.#read(slot);
      if (entry !== undefined && digestOf(entry) === digest) return { slot, entry };
    }
    return undefined;
  }

  /** Makes the entry behind those that are staged. */
  #stage(slot: number, digest: string, sequence: number, time: number): void {
    if (this.#stagedCount === 0) this.#stagedFrom = slot;
    // What the disk has not taken of the round before is in nobody's way any more.
    if (this.#unwritten.size > 0) this.#unwritten.delete(slot);
    writeEntry(this.#staged, this.#stagedCount++ * entryBytes, { digest, sequence, time, lap: this.#lap });
  }

  #stagedAt(slot: number): Buffer | undefined {
    const index = slot - this.#stagedFrom;
    if (index < 0 || index >= this.#stagedCount) return undefined;
    return this.#staged.subarray(index * entryBytes, (index + 1) * entryBytes);
  }

  /** Makes room for the next ones: into the file, or, if the disk does not take them, to those that wait. */
  #unstage(): void {
    try {
      this.#flush();
    } catch {
      // They wait in memory, and the next sync says that they are not safe.
      for (let index = 0; index < this.#stagedCount; index++) {
        const entry = this.#staged.subarray(index * entryBytes, (index + 1) * entryBytes);
        this.#wait(this.#stagedFrom + index, Buffer.from(entry));
      }
      this.#stagedCount = 0;
      this.#forgetOldest();
    }
  }

  #write(slot: number, entry: Buffer): void {
    this.#wait(slot, entry);
    if (this.#unwritten.size % flushEntries !== 0) return;
    try {
      this.#flush();
    } catch {
      this.#forgetOldest();
    }
  }

  #wait(slot: number, entry: Buffer): void {
    this.#unwritten.delete(slot);
    this.#unwritten.set(slot, entry);
  }

  #forgetOldest(): void {
    if (this.#unwritten.size < maxUnwritten) return;
    for (const oldest of [...this.#unwritten.keys()].slice(0, flushEntries)) {
      this.#unwritten.delete(oldest);
      this.#index.remove(oldest);
      this.forgottenEarly++;
    }
  }

  #flush(): void {
    const slots = [...this.#unwritten.keys()];
    for (let done = 0; done < slots.length; ) {
      const first = slots[done]!;
      let count = 1;
      while (slots[done + count] === first + count) count++;
      const run = slots.slice(done, done + count).map((slot) => this.#unwritten.get(slot)!);
      this.#file!.write(Buffer.concat(run), headerBytes + first * entryBytes);
      done += count;
    }
    this.#unwritten.clear();
    if (this.#stagedCount === 0) return;
    const staged = this.#staged.subarray(0, this.#stagedCount * entryBytes);
    this.#file!.write(staged, headerBytes + this.#stagedFrom * entryBytes);
    this.#stagedCount = 0;
  }

  /** After a failed sync Linux says nothing more of what it dropped: all that can be read is written over itself. */
  #writeAgain(file: OpenFile): void {
    const chunk = Buffer.alloc(entryBytes * chunkEntries);
    for (let at = 0; ; at += chunk.length) {
      const count = file.read(chunk, at);
      if (count > 0) file.write(chunk.subarray(0, count), at);
      if (count < chunk.length) return;
    }
  }

  #read(slot: number): Buffer | undefined {
    const unwritten = this.#stagedAt(slot) ?? this.#unwritten.get(slot);
    if (unwritten) return unwritten;
    try {
      const entry = Buffer.alloc(entryBytes);
      const count = this.#file!.read(entry, headerBytes + slot * entryBytes);
      return count === entryBytes && isWhole(entry, 0) ? entry : undefined;
    } catch {
      // What cannot be compared does not count as a repeat: better twice than never.
      return undefined;
    }
  }

  #load(recoverFrom: number): number {
    const chunk = Buffer.alloc(entryBytes * chunkEntries);
    let last: { slot: number; lap: number } | undefined;
    let newest = 0;
    for (let base = 0; base < this.#capacity; base += chunkEntries) {
      const count = Math.floor(this.#file!.read(chunk, headerBytes + base * entryBytes) / entryBytes);
      for (let index = 0; index < Math.min(count, this.#capacity - base); index++) {
        const at = index * entryBytes;
        if (!isWhole(chunk, at)) continue;
        const time = timeOf(chunk, at);
        if (time > newest) newest = time;
        const slot = base + index;
        this.#index.add(slot, readU32(chunk, at), time);
        const sequence = sequenceOf(chunk, at);
        if (sequence >= recoverFrom) this.#loaded.add(sequence);
        // The newest lap stands at the beginning of the ring, perhaps with holes; its last entry is the newest.
        const lap = lapOf(chunk, at);
        if (last === undefined || ((lap - last.lap) & 0xffff) < 0x8000) last = { slot, lap };
      }
      if (count < chunkEntries) break;
    }
    if (last !== undefined) {
      this.#next = (last.slot + 1) % this.#capacity;
      this.#lap = (last.lap + (this.#next === 0 ? 1 : 0)) & 0xffff;
    }
    return newest * 100;
  }
}
