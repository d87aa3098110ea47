/**
 * The segment that a log is writing. Its header goes out with the first group, so that a segment whose first write
 * failed never was; the last page is kept in memory, because the next group goes on in it.
 */
import type { FileSystem, OpenFile } from '../platform/index.ts';
import { encodeSegmentHeader, pageBytes, type Segment, type SegmentHeader } from './segment.ts';

/** Below this size of a group the file is filled with zeros ahead of it, so that the next groups need no new blocks. */
const smallGroupBytes = 32 * 1024;
const zeros = Buffer.alloc(256 * 1024);

/** A file for the writer's next segment. */
export interface SegmentFile {
  readonly path: string;
  readonly file: OpenFile;
  readonly bytes: number;
  /** True when its name is not known to be on the device. */
  readonly isNew: boolean;
}

export class ActiveSegment {
  readonly segment: Segment;
  /** The last page as far as it is used. */
  readonly tail: Buffer = Buffer.alloc(pageBytes);
  readonly #fileSystem: FileSystem;
  readonly #folder: string;
  readonly #segmentBytes: number;
  readonly #file: OpenFile;
  /** The header, until it has been written with the first group. */
  #header: Buffer | undefined;
  #isNew: boolean;

  constructor(options: {
    fileSystem: FileSystem;
    folder: string;
    segmentBytes: number;
    file: SegmentFile;
    header: SegmentHeader;
  }) {
    const { path, file, bytes, isNew } = options.file;
    this.#fileSystem = options.fileSystem;
    this.#folder = options.folder;
    this.#segmentBytes = options.segmentBytes;
    this.#file = file;
    this.#header = encodeSegmentHeader(options.header);
    this.#isNew = isNew;
    this.segment = {
      path,
      header: options.header,
      bytes: Math.max(bytes - (bytes % pageBytes), pageBytes),
      end: pageBytes,
      endOrdinal: options.header.firstOrdinal,
      movedIn: 0,
      movedInEnd: 0,
      live: true,
    };
  }

  /** False until the first group is on the device. */
  get isBegun(): boolean {
    return this.#header === undefined;
  }

  /** Hands the pages of a group of `groupBytes` to the page cache; returns how many bytes were written for it. */
  write(pages: Buffer, pageStart: number, groupBytes: number): number {
    let written = pages.length;
    if (this.#header !== undefined) {
      this.#file.write(this.#header, 0);
      written += this.#header.length;
    }
    this.#file.write(pages, pageStart);
    if (pageStart + pages.length > this.segment.bytes) {
      this.segment.bytes = pageStart + pages.length;
      if (groupBytes < smallGroupBytes) written += this.#fillAhead();
    }
    return written;
  }

  /** Resolves when what was written is on the device, and the name of a new file too. */
  async sync(): Promise<void> {
    await this.#file.sync();
    if (this.#isNew) await this.#fileSystem.syncFolder(this.#folder);
  }

  /** The group with these pages is on the device. */
  onSynced(pages: Buffer): void {
    this.#header = undefined;
    this.#isNew = false;
    pages.copy(this.tail, 0, pages.length - pageBytes);
  }

  /** Makes the group at `start` unreadable if that is possible, so that it is not found after a restart. */
  void(start: number): void {
    try {
      this.#file.write(zeros.subarray(0, 64), start);
    } catch {
      // Then it may be found; nobody was told that it is stored, and nobody that it is not there.
    }
  }

  close(): void {
    try {
      this.#file.close();
    } catch {
      // Its records are on the device or were refused; there is nothing more to lose.
    }
  }

  #fillAhead(): number {
    const room = Math.min(zeros.length, this.#segmentBytes - this.segment.bytes);
    if (room <= 0) return 0;
    try {
      this.#file.write(room === zeros.length ? zeros : zeros.subarray(0, room), this.segment.bytes);
      this.segment.bytes += room;
      return room;
    } catch {
      // It only makes later writes cheaper; when there is no room for it, the records themselves may still fit.
      return 0;
    }
  }
}
