import { join } from 'node:path';
import type { FileSystem } from '../platform/index.ts';

const ballastBytes = 1024 * 1024;

/**
 * A file of zeros that is thrown overboard when the disk is full to the last byte. To free segments the spool has to write
 * a little first (the checkpoint, new parts of the repeat window); without that room it could never get out by itself.
 */
export class Ballast {
  readonly #fileSystem: FileSystem;
  readonly #folder: string;
  readonly #path: string;

  constructor(fileSystem: FileSystem, folder: string) {
    this.#fileSystem = fileSystem;
    this.#folder = folder;
    this.#path = join(folder, 'ballast');
  }

  /** Takes it aboard again when there is plenty of room. Failures do not matter: it is tried again. */
  restore(): void {
    try {
      if (this.#fileSystem.exists(this.#path) || this.#fileSystem.freeBytes(this.#folder) < 8 * ballastBytes) return;
      const file = this.#fileSystem.create(this.#path);
      try {
        file.write(Buffer.alloc(ballastBytes), 0);
      } finally {
        file.close();
      }
    } catch {
      this.drop();
    }
  }

  /** Throws it overboard; true when there was any. */
  drop(): boolean {
    try {
      if (!this.#fileSystem.exists(this.#path)) return false;
      this.#fileSystem.remove(this.#path);
      return true;
    } catch {
      return false;
    }
  }
}
