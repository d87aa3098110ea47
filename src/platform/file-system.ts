import * as fs from 'node:fs';
import { SyncPace } from './sync-pace.ts';

/**
 * What the spool needs of a file system, small enough that a test can stand in for it with one that forgets what was
 * not synced, tears writes, fills up and fails any call.
 *
 * Reads and writes are synchronous: they touch the page cache. Only waiting for the device is asynchronous. Every
 * function throws (or rejects with) Node's error, whose `code` is the errno's name (`ENOENT`, `ENOSPC`, `EIO`).
 */
export interface FileSystem {
  /** Makes a folder and its parents; `mode` 0700. Their names are durable only after `syncFolder` of each parent. */
  makeFolder(path: string): void;
  /** The names in a folder, sorted. */
  list(path: string): string[];
  /** Opens an existing file for reading, or for reading and writing. */
  open(path: string, access: 'read' | 'write'): OpenFile;
  /** Makes a new, empty file with mode 0600; EEXIST when there is one. Its name is durable only after `syncFolder`. */
  create(path: string): OpenFile;
  /** Replaces `to` by `from` at once. Durable only after `syncFolder` of the folders of both. */
  rename(from: string, to: string): void;
  /** Removes a file's name. Durable only after `syncFolder`. */
  remove(path: string): void;
  exists(path: string): boolean;
  /** Resolves when the folder's names are on the device. */
  syncFolder(path: string): Promise<void>;
  /** Bytes that an unprivileged process may still write on the file system that holds `path`. */
  freeBytes(path: string): number;
}

/** An open file. Positions and lengths are in bytes. */
export interface OpenFile {
  /** Writes all of `data` at `position`; a short write is an error (ENOSPC). */
  write(data: Uint8Array, position: number): void;
  /** Reads up to `into.length` bytes at `position`; returns how many, 0 at the end of the file. */
  read(into: Uint8Array, position: number): number;
  /** The same without blocking the process, for data that may have to come from the device. */
  readAsync(into: Uint8Array, position: number): Promise<number>;
  /** Resolves when everything written to this file before the call is on the device (fdatasync). */
  sync(): Promise<void>;
  size(): number;
  close(): void;
}

/** The file system of this computer. */
export const nodeFileSystem: FileSystem = {
  makeFolder(path) {
    fs.mkdirSync(path, { recursive: true, mode: 0o700 });
  },
  list: (path) => fs.readdirSync(path).sort(),
  open: (path, access) => new NodeFile(fs.openSync(path, access === 'read' ? 'r' : 'r+')),
  create: (path) => new NodeFile(fs.openSync(path, 'wx+', 0o600)),
  rename: fs.renameSync,
  remove: fs.unlinkSync,
  exists: fs.existsSync,
  async syncFolder(path) {
    const folder = await fs.promises.open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
  freeBytes(path) {
    const { bavail, bsize } = fs.statfsSync(path);
    return bavail * bsize;
  },
};

/** A sync of so few bytes may be waited for in the event loop's own thread, where the device is quick. */
const smallSyncBytes = 32 * 1024;

class NodeFile implements OpenFile {
  readonly #descriptor: number;
  readonly #pace = new SyncPace();
  #unsyncedBytes = 0;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  write(data: Uint8Array, position: number): void {
    this.#unsyncedBytes += data.length;
    let done = 0;
    while (done < data.length) {
      const written = fs.writeSync(this.#descriptor, data, done, data.length - done, position + done);
      if (written === 0) throw Object.assign(new Error('ENOSPC: the device took no more bytes'), { code: 'ENOSPC' });
      done += written;
    }
  }

  read(into: Uint8Array, position: number): number {
    let done = 0;
    while (done < into.length) {
      const count = fs.readSync(this.#descriptor, into, done, into.length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  readAsync(into: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(this.#descriptor, into, 0, into.length, position, (error, count) =>
        error ? reject(error) : resolve(count),
      );
    });
  }

  async sync(): Promise<void> {
    const isSmall = this.#unsyncedBytes <= smallSyncBytes;
    this.#unsyncedBytes = 0;
    const begunMs = performance.now();
    if (isSmall && this.#pace.isQuick) fs.fdatasyncSync(this.#descriptor);
    else {
      await new Promise<void>((resolve, reject) => {
        fs.fdatasync(this.#descriptor, (error) => (error ? reject(error) : resolve()));
      });
    }
    if (isSmall) this.#pace.note(performance.now() - begunMs);
  }

  size(): number {
    return fs.fstatSync(this.#descriptor).size;
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }
}
