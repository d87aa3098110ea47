/**
 * Remembers which reports were accepted lately, so that a machine that saw no reply and sends the same bytes again is
 * answered again and nothing is stored twice. The spool has two: of reports that are known by their bytes, and of those
 * that were given a name where they come from (`origin`).
 *
 * In memory: 32 bits of a keyed SHA-256 per report, in typed arrays (15 bytes a report in all). On disk, in one file: a
 * ring with the whole SHA-256, against which a hit is checked before it counts; one look-up in some ten thousand is checked in vain. A report enters the window only after it is on disk:
 * a report that is remembered and not stored would be lost. The file may lag; what it misses is found again in the
 * newest segments at start.
 */
import { hash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { FileSystem, OpenFile } from '../platform/index.ts';
import { readU32, readU48, writeU32, writeU48 } from './bytes.ts';
import { crc32c } from './crc32c.ts';

const headerBytes = 4096;
const entryBytes = 48;
const digestBytes = 32;
const magic = Buffer.from('HOLDREPT');
/** Reports that were under way when the checkpoint was made have sequences from before it. */
const recoveryMargin = 20_000;
const flushEntries = 1024;
/** More than these do not wait in memory for a disk that takes nothing. */
const maxUnwritten = 16 * flushEntries;
/** Entries that are read and written at a time. */
const chunkEntries = 4096;
/** In the sequence of an entry: what became of the report is decided. */
const settledBit = 2 ** 47;

export class RepeatWindow {
  readonly #fileSystem: FileSystem;
  readonly #folder: string;
  readonly #name: string;
  readonly #capacity: number;
  readonly #windowMs: number;
  readonly #nowMs: () => number;
  #file: OpenFile | undefined;
  #isNew = false;
  #key = Buffer.alloc(0);
  #scratch = Buffer.alloc(4096);
  readonly #low: Uint32Array;
  /** Tenths of a second of window time. */
  readonly #time: Uint32Array;
  readonly #heads: Int32Array;
  readonly #links: Int32Array;
  /** 1 for a slot that holds an entry. */
  readonly #present: Uint8Array;
  /** Slot of the next entry, and how often the ring has been gone round (16 bits): so that a start finds the place. */
  #next = 0;
  #lap = 0;
  /** Entries that are not in the file yet, by slot, oldest first. */
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
    this.#low = new Uint32Array(options.capacity);
    this.#time = new Uint32Array(options.capacity);
    this.#heads = new Int32Array(Math.ceil(options.capacity / 2));
    this.#links = new Int32Array(options.capacity);
    this.#present = new Uint8Array(options.capacity);
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
    this.#key = randomBytes(32);
    header.fill(0);
    magic.copy(header);
    writeU32(header, 12, this.#capacity);
    this.#key.copy(header, 16);
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

  /** The keyed SHA-256 of a report. */
  digest(channel: string, payload: Uint8Array): Buffer {
    const length = 32 + channel.length + 1 + payload.length;
    if (length > this.#scratch.length) this.#scratch = Buffer.alloc(length);
    const scratch = length > 65536 ? Buffer.alloc(length) : this.#scratch;
    this.#key.copy(scratch);
    scratch.write(channel, 32, 'latin1');
    scratch[32 + channel.length] = 0;
    scratch.set(payload, 33 + channel.length);
    // As text, and into a shared slab: a buffer made by the hash itself takes twice the time, and its small piece of the
    // allocator's heap lives until the next collection, among others that stay.
    const digest = Buffer.allocUnsafe(digestBytes);
    digest.write(hash('sha256', scratch.subarray(0, length), 'binary'), 0, digestBytes, 'latin1');
    if (this.#scratch.length > 65536) this.#scratch = Buffer.alloc(4096);
    return digest;
  }

  /** The sequence of the same report, when it was accepted within the window. */
  find(digest: Buffer): number | undefined {
    return this.look(digest)?.sequence;
  }

  /** The same, and whether `settle` was called for it. */
  look(digest: Buffer): { readonly sequence: number; readonly isSettled: boolean } | undefined {
    const entry = this.#find(digest)?.entry;
    if (entry === undefined) return undefined;
    const sequence = readU48(entry, 32);
    return { sequence: sequence % settledBit, isSettled: sequence >= settledBit };
  }

  /** Notes that the centre has a report that is remembered; nothing happens for another. */
  settle(digest: Buffer): void {
    const found = this.#find(digest);
    if (found === undefined) return;
    const entry = Buffer.from(found.entry);
    writeU48(entry, 32, (readU48(entry, 32) % settledBit) + settledBit);
    writeU32(entry, 44, crc32c(entry, 0, 44));
    this.#write(found.slot, entry);
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
  remember(digest: Buffer, sequence: number, atMs = this.#nowMs()): void {
    const slot = this.#next;
    if (this.#present[slot] === 1) {
      if (this.#time[slot]! >= this.#oldest()) this.forgottenEarly++;
      this.#unlink(slot);
    }
    const entry = Buffer.allocUnsafe(entryBytes);
    const time = Math.floor(Math.max(0, atMs) / 100);
    digest.copy(entry, 0, 0, 32);
    writeU48(entry, 32, sequence);
    writeU32(entry, 38, time);
    entry.writeUInt16LE(this.#lap, 42);
    writeU32(entry, 44, crc32c(entry, 0, 44));
    this.#link(slot, readU32(digest, 0), time);
    this.#next = slot + 1;
    if (this.#next === this.#capacity) {
      this.#next = 0;
      this.#lap = (this.#lap + 1) & 0xffff;
    }
    this.#write(slot, entry);
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

  #find(digest: Buffer): { slot: number; entry: Buffer } | undefined {
    const low = readU32(digest, 0);
    const oldest = this.#oldest();
    for (let link = this.#heads[low % this.#heads.length]!; link !== 0; link = this.#links[link - 1]!) {
      const slot = link - 1;
      if (this.#low[slot] !== low || this.#time[slot]! < oldest) continue;
      const entry = this.#read(slot);
      if (entry !== undefined && entry.compare(digest, 0, 32, 0, 32) === 0) return { slot, entry };
    }
    return undefined;
  }

  #write(slot: number, entry: Buffer): void {
    this.#unwritten.delete(slot);
    this.#unwritten.set(slot, entry);
    if (this.#unwritten.size % flushEntries !== 0) return;
    try {
      this.#flush();
    } catch {
      // They wait in memory, and the next sync says that they are not safe.
      if (this.#unwritten.size < maxUnwritten) return;
      for (const oldest of [...this.#unwritten.keys()].slice(0, flushEntries)) {
        this.#unwritten.delete(oldest);
        this.#unlink(oldest);
        this.forgottenEarly++;
      }
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
    const unwritten = this.#unwritten.get(slot);
    if (unwritten) return unwritten;
    try {
      const entry = Buffer.alloc(entryBytes);
      const count = this.#file!.read(entry, headerBytes + slot * entryBytes);
      return count === entryBytes && crc32c(entry, 0, 44) === readU32(entry, 44) ? entry : undefined;
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
        if (crc32c(chunk, at, at + 44) !== readU32(chunk, at + 44)) continue;
        const time = readU32(chunk, at + 38);
        if (time > newest) newest = time;
        const slot = base + index;
        this.#link(slot, readU32(chunk, at), time);
        const sequence = readU48(chunk, at + 32) % settledBit;
        if (sequence >= recoverFrom) this.#loaded.add(sequence);
        // The newest lap stands at the beginning of the ring, perhaps with holes; its last entry is the newest.
        const lap = chunk[at + 42]! | (chunk[at + 43]! << 8);
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

  #link(slot: number, low: number, time: number): void {
    this.#low[slot] = low;
    this.#time[slot] = time;
    this.#present[slot] = 1;
    const bucket = low % this.#heads.length;
    this.#links[slot] = this.#heads[bucket]!;
    this.#heads[bucket] = slot + 1;
  }

  #unlink(slot: number): void {
    this.#present[slot] = 0;
    const bucket = this.#low[slot]! % this.#heads.length;
    let link = this.#heads[bucket]!;
    if (link === slot + 1) {
      this.#heads[bucket] = this.#links[slot]!;
      return;
    }
    while (link !== 0) {
      const next = this.#links[link - 1]!;
      if (next === slot + 1) {
        this.#links[link - 1] = this.#links[slot]!;
        return;
      }
      link = next;
    }
  }
}
