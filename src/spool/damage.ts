import { basename, join } from 'node:path';
import type { FileSystem, OpenFile } from '../platform/index.ts';
import type { Damage } from './segment-reader.ts';
import type { LogName } from './types.ts';

const maxFiles = 256;
const maxBytes = 64 * 1024;

/** Keeps the bytes of what could not be read, for people: at most 256 files of at most 64 KiB. */
export class DamageKeeper {
  readonly #fileSystem: FileSystem;
  readonly #folder: string;

  constructor(fileSystem: FileSystem, folder: string) {
    this.#fileSystem = fileSystem;
    this.#folder = folder;
  }

  /** Copies a damaged range; returns the path of the copy, undefined when there is no room or it cannot be read. */
  keep(log: LogName, segment: string, damage: Damage & { readonly epoch: number }): string | undefined {
    let source: OpenFile | undefined;
    let copy: OpenFile | undefined;
    try {
      this.#fileSystem.makeFolder(this.#folder);
      const name = `${log}-${basename(segment, '.segment')}-${damage.epoch}-${damage.from}-${damage.to}.bin`;
      const path = join(this.#folder, name);
      if (this.#fileSystem.exists(path)) return path;
      if (this.#fileSystem.list(this.#folder).length >= maxFiles) return undefined;
      const bytes = Buffer.alloc(Math.min(maxBytes, damage.to - damage.from));
      source = this.#fileSystem.open(segment, 'read');
      const count = source.read(bytes, damage.from);
      copy = this.#fileSystem.create(path);
      copy.write(bytes.subarray(0, count), 0);
      return path;
    } catch {
      return undefined;
    } finally {
      source?.close();
      copy?.close();
    }
  }
}
