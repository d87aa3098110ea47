/**
 * What is done, on disk: one small file per log with two slots, written in place. An update goes into the slot that
 * does not hold the last synced state, so that a torn write always leaves a valid one. The state may lag behind what
 * was acknowledged (that costs repeats), and never leads.
 */
import { join } from 'node:path';
import type { FileSystem, OpenFile } from '../platform/index.ts';
import { readU32, readU48, writeU32, writeU48 } from './bytes.ts';
import { crc32c } from './crc32c.ts';
import { refuseNewerVersion, segmentVersion } from './segment.ts';

const slotBytes = 32 * 1024;
const fixedBytes = 104;
const magic = Buffer.from('HOLDCURS');

/** More ranges than this are not kept on disk: reports beyond them are sent again after a restart. */
export const maxStoredRanges = 2048;

/** How many ordinals of a log are done, by what became of them. */
export interface Outcomes {
  /** The centre has them. */
  delivered: number;
  /** Given up to keep the quota. */
  evicted: number;
  /** Now in another log. */
  moved: number;
  /** Unreadable; their bytes are kept in the folder `damaged`. */
  corrupt: number;
}

export type Outcome = keyof Outcomes;

/** The state of a log's consumer. Outcomes add up to the cursor and the ranges beyond it. */
export interface CursorState {
  readonly cursor: number;
  /** Starts and ends (exclusive) in turn. */
  readonly bounds: readonly number[];
  readonly outcomes: Outcomes;
  /** Records moved in before this ordinal are known to be gone from the log that they came from. */
  readonly reconciled: number;
  /** No sequence below this one is free. */
  readonly nextSequence: number;
  /** Records moved in from other logs, ever, as far as they are counted here. */
  readonly movedIn: number;
  /** No epoch up to this one is free. */
  readonly lastEpoch: number;
}

/** Reads and writes the cursor of one log. */
export class CursorFile {
  readonly #fileSystem: FileSystem;
  readonly #folder: string;
  readonly #path: string;
  #file: OpenFile | undefined;
  #generation = 0;
  #isNew = false;
  #isClosed = false;
  #isLost = false;
  /** The slot that holds the newest state known to be on the device. */
  #syncedSlot = 1;
  #lastWritten = 1;
  readonly #tornSlots: number[] = [];
  /** A sync is under way: what it brings to the device must not change meanwhile. */
  #syncing: Promise<void> | undefined;

  constructor(fileSystem: FileSystem, folder: string) {
    this.#fileSystem = fileSystem;
    this.#folder = folder;
    this.#path = join(folder, 'cursor');
  }

  /**
   * Reads the newest valid state; undefined when there is none (a new log, or a damaged file: that costs repeats).
   *
   * @throws HoldfastError `spool-version`.
   */
  open(access: 'read' | 'write'): CursorState | undefined {
    if (!this.#fileSystem.exists(this.#path)) return undefined;
    this.#file = this.#fileSystem.open(this.#path, access);
    let newest: CursorState | undefined;
    for (const slot of [0, 1]) {
      const data = Buffer.alloc(slotBytes);
      const state = this.#decode(data.subarray(0, this.#file.read(data, slot * slotBytes)));
      if (state === undefined) this.#tornSlots.push(slot);
      if (state === undefined || (newest !== undefined && state.generation <= this.#generation)) continue;
      newest = state.state;
      this.#generation = state.generation;
      this.#syncedSlot = slot;
    }
    this.#lastWritten = this.#syncedSlot;
    return newest;
  }

  /** True when the device did not take the last state: it must be written again. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** True when there is a file to write into. */
  get exists(): boolean {
    return this.#file !== undefined;
  }

  /** True while a sync is under way: then nothing can be written. */
  get isBusy(): boolean {
    return this.#syncing !== undefined;
  }

  /** Hands a state to the page cache. Throws what the file system throws; nothing is lost then. */
  write(state: CursorState): void {
    if (this.#isClosed || this.isBusy) throw new Error('the cursor file is closed or busy');
    if (this.#file === undefined) {
      this.#file = this.#fileSystem.create(this.#path);
      this.#isNew = true;
      // Both slots have their blocks from the beginning: on a disk that is full later they can still be written.
      this.#file.write(Buffer.alloc(2 * slotBytes), 0);
    }
    const slot = 1 - this.#syncedSlot;
    // Until it is whole there is nothing in that slot that a sync could make the trusted state.
    this.#lastWritten = this.#syncedSlot;
    this.#generation++;
    this.#file.write(encode(state, this.#generation), slot * slotBytes);
    this.#lastWritten = slot;
    this.#isLost = false;
  }

  /**
   * Resolves when the last written state is on the device. After a failure the state must be written again: Linux may
   * have dropped it, and would say nothing at the next sync.
   */
  sync(): Promise<void> {
    this.#syncing ??= this.#sync().finally(() => {
      this.#syncing = undefined;
    });
    return this.#syncing;
  }

  async #sync(): Promise<void> {
    if (this.#file === undefined || this.#lastWritten === this.#syncedSlot) return;
    const slot = this.#lastWritten;
    this.#lastWritten = this.#syncedSlot;
    this.#isLost = true;
    await this.#file.sync();
    if (this.#isNew) await this.#fileSystem.syncFolder(this.#folder);
    this.#isNew = false;
    this.#isLost = false;
    this.#syncedSlot = slot;
    this.#lastWritten = slot;
  }

  /**
   * Resolves when the state that was read is on the device. After a kill it may stand in the page cache only, and after
   * a failed sync even a further sync would not bring it to the device: so it is written again, over itself. A torn state
   * is wiped out, or what is missing of it might come by chance with the next torn write, and make it the newest.
   */
  async settle(): Promise<void> {
    if (this.#file === undefined) return;
    for (const slot of [0, 1]) {
      const data = Buffer.alloc(slotBytes);
      const count = this.#file.read(data, slot * slotBytes);
      if (this.#tornSlots.includes(slot)) data.fill(0);
      else if (slot !== this.#syncedSlot) continue;
      if (count > 0) this.#file.write(data.subarray(0, count), slot * slotBytes);
    }
    await this.#file.sync();
  }

  close(): void {
    this.#isClosed = true;
    this.#file?.close();
    this.#file = undefined;
  }

  #decode(data: Buffer): { state: CursorState; generation: number } | undefined {
    if (data.length < fixedBytes || data.compare(magic, 0, magic.length, 0, magic.length) !== 0) return undefined;
    const ranges = readU32(data, 16);
    const end = fixedBytes + ranges * 12;
    if (end > data.length || crc32c(data, 12, end) !== readU32(data, 8)) return undefined;
    refuseNewerVersion(readU32(data, 12), this.#path);
    const bounds: number[] = [];
    for (let at = fixedBytes; at < end; at += 6) bounds.push(readU48(data, at));
    return {
      generation: readU48(data, 24),
      state: {
        cursor: readU48(data, 32),
        outcomes: {
          delivered: readU48(data, 40),
          evicted: readU48(data, 48),
          moved: readU48(data, 56),
          corrupt: readU48(data, 64),
        },
        reconciled: readU48(data, 72),
        nextSequence: readU48(data, 80),
        movedIn: readU48(data, 88),
        lastEpoch: readU48(data, 96),
        bounds,
      },
    };
  }
}

function encode(state: CursorState, generation: number): Buffer {
  const end = fixedBytes + state.bounds.length * 6;
  const data = Buffer.alloc(end);
  magic.copy(data);
  writeU32(data, 12, segmentVersion);
  writeU32(data, 16, state.bounds.length / 2);
  const numbers = [
    generation,
    state.cursor,
    state.outcomes.delivered,
    state.outcomes.evicted,
    state.outcomes.moved,
    state.outcomes.corrupt,
    state.reconciled,
    state.nextSequence,
    state.movedIn,
    state.lastEpoch,
  ];
  for (const [index, value] of numbers.entries()) writeU48(data, 24 + index * 8, value);
  for (const [index, bound] of state.bounds.entries()) writeU48(data, fixedBytes + index * 6, bound);
  writeU32(data, 8, crc32c(data, 12, end));
  return data;
}
