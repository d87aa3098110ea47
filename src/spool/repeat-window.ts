/**
 * Remembers which reports were accepted lately, so that a machine that saw no reply and sends the same bytes again is
 * answered again and nothing is stored twice.
 *
 * In memory: 64 bits of a keyed SHA-256 per report, in typed arrays. On disk, in the file `repeats`: a ring with the
 * whole SHA-256, against which a hit is checked before it counts. A report enters the window only after it is on disk:
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
const magic = Buffer.from('HOLDREPT');
const flushEntries = 1024;

export class RepeatWindow {
  readonly #fileSystem: FileSystem;
  readonly #folder: string;
  readonly #capacity: number;
  readonly #windowMs: number;
  readonly #nowMs: () => number;
  #file: OpenFile | undefined;
  #isNew = false;
  #key = Buffer.alloc(0);
  #scratch = Buffer.alloc(4096);
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  /** Tenths of a second of window time. */
  readonly #time: Uint32Array;
  readonly #heads: Int32Array;
  readonly #links: Int32Array;
  /** Slot of the next entry; slots before it, back to `#flushed`, are not in the file yet. */
  #next = 0;
  #used = 0;
  readonly #unwritten: { slot: number; entry: Buffer }[] = [];
  /** Reports forgotten before their time, for want of room. */
  forgottenEarly = 0;

  constructor(options: {
    fileSystem: FileSystem;
    folder: string;
    /** How many reports are remembered at most. */
    capacity: number;
    /** How long, in ms of window time. */
    windowMs: number;
    /** Window time in ms: monotonic over restarts, goes on while the box is off. */
    nowMs: () => number;
  }) {
    this.#fileSystem = options.fileSystem;
    this.#folder = options.folder;
    this.#capacity = options.capacity;
    this.#windowMs = options.windowMs;
    this.#nowMs = options.nowMs;
    this.#low = new Uint32Array(options.capacity);
    this.#high = new Uint32Array(options.capacity);
    this.#time = new Uint32Array(options.capacity);
    this.#heads = new Int32Array(options.capacity);
    this.#links = new Int32Array(options.capacity);
  }

  /** Reads what is remembered; returns the latest window time found, in ms. A damaged file is begun anew. */
  open(): number {
    const path = join(this.#folder, 'repeats');
    if (this.#fileSystem.exists(path)) {
      this.#file = this.#fileSystem.open(path, 'write');
    } else {
      this.#file = this.#fileSystem.create(path);
      this.#isNew = true;
    }
    const header = Buffer.alloc(headerBytes);
    this.#file.read(header, 0);
    const isValid =
      header.compare(magic, 0, 8, 0, 8) === 0 &&
      crc32c(header, 12, 64) === readU32(header, 8) &&
      readU32(header, 12) === this.#capacity;
    if (isValid) {
      this.#key = Buffer.from(header.subarray(16, 48));
      return this.#load();
    }
    this.#key = randomBytes(32);
    header.fill(0);
    magic.copy(header);
    writeU32(header, 12, this.#capacity);
    this.#key.copy(header, 16);
    writeU32(header, 8, crc32c(header, 12, 64));
    this.#file.write(header, 0);
    return 0;
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
    const digest = hash('sha256', scratch.subarray(0, length), 'buffer');
    if (this.#scratch.length > 65536) this.#scratch = Buffer.alloc(4096);
    return digest;
  }

  /** The sequence of the same report, when it was accepted within the window. */
  find(digest: Buffer): number | undefined {
    const low = readU32(digest, 0);
    const high = readU32(digest, 4);
    const oldest = this.#oldest();
    for (let link = this.#heads[low % this.#capacity]!; link !== 0; link = this.#links[link - 1]!) {
      const slot = link - 1;
      if (this.#low[slot] !== low || this.#high[slot] !== high || this.#time[slot]! < oldest) continue;
      const entry = this.#read(slot);
      if (entry !== undefined && entry.compare(digest, 0, 32, 0, 32) === 0) return readU48(entry, 32);
    }
    return undefined;
  }

  /** Remembers a report that is on disk; `atMs` in window time. */
  remember(digest: Buffer, sequence: number, atMs = this.#nowMs()): void {
    const slot = this.#next;
    if (this.#used === this.#capacity) {
      if (this.#time[slot]! >= this.#oldest()) this.forgottenEarly++;
      this.#unlink(slot);
    } else this.#used++;
    this.#next = (slot + 1) % this.#capacity;
    this.#link(slot, readU32(digest, 0), readU32(digest, 4), Math.floor(atMs / 100));
    const entry = Buffer.allocUnsafe(entryBytes);
    digest.copy(entry, 0, 0, 32);
    writeU48(entry, 32, sequence);
    writeU48(entry, 38, Math.max(0, atMs));
    writeU32(entry, 44, crc32c(entry, 0, 44));
    this.#unwritten.push({ slot, entry });
    if (this.#unwritten.length % flushEntries !== 0) return;
    try {
      this.#flush();
    } catch {
      // They stay in memory, and the next sync says that they are not safe.
    }
  }

  /** Resolves when everything remembered is on the device. */
  async sync(): Promise<void> {
    this.#flush();
    await this.#file!.sync();
    if (this.#isNew) await this.#fileSystem.syncFolder(this.#folder);
    this.#isNew = false;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #oldest(): number {
    return Math.floor(Math.max(0, this.#nowMs() - this.#windowMs) / 100);
  }

  #flush(): void {
    const entries = this.#unwritten;
    let done = 0;
    while (done < entries.length) {
      const first = entries[done]!.slot;
      let count = 1;
      while (entries[done + count]?.slot === first + count) count++;
      const run = entries.slice(done, done + count).map(({ entry }) => entry);
      this.#file!.write(Buffer.concat(run), headerBytes + first * entryBytes);
      done += count;
    }
    entries.length = 0;
  }

  #read(slot: number): Buffer | undefined {
    const unwritten = this.#unwritten.findLast((candidate) => candidate.slot === slot);
    if (unwritten) return unwritten.entry;
    const entry = Buffer.alloc(entryBytes);
    const count = this.#file!.read(entry, headerBytes + slot * entryBytes);
    return count === entryBytes && crc32c(entry, 0, 44) === readU32(entry, 44) ? entry : undefined;
  }

  #load(): number {
    const chunk = Buffer.alloc(entryBytes * 4096);
    let newest = -1;
    let newestMs = 0;
    for (let base = 0; base < this.#capacity; base += 4096) {
      const count = Math.floor(this.#file!.read(chunk, headerBytes + base * entryBytes) / entryBytes);
      for (let index = 0; index < Math.min(count, this.#capacity - base); index++) {
        const at = index * entryBytes;
        if (crc32c(chunk, at, at + 44) !== readU32(chunk, at + 44)) continue;
        const sequence = readU48(chunk, at + 32);
        if (sequence === 0) continue;
        const atMs = readU48(chunk, at + 38);
        newestMs = Math.max(newestMs, atMs);
        const slot = base + index;
        this.#link(slot, readU32(chunk, at), readU32(chunk, at + 4), Math.floor(atMs / 100));
        if (sequence > newest) {
          newest = sequence;
          this.#next = (slot + 1) % this.#capacity;
        }
        this.#used = Math.max(this.#used, slot + 1);
      }
      if (count < 4096) break;
    }
    if (newest === -1) this.#used = 0;
    return newestMs;
  }

  #link(slot: number, low: number, high: number, time: number): void {
    this.#low[slot] = low;
    this.#high[slot] = high;
    this.#time[slot] = time;
    const bucket = low % this.#capacity;
    this.#links[slot] = this.#heads[bucket]!;
    this.#heads[bucket] = slot + 1;
  }

  #unlink(slot: number): void {
    const bucket = this.#low[slot]! % this.#capacity;
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
