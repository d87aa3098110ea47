/**
 * The secret of a box: 32 random bytes in `secrets/box.key`, drawn at the first start. Seals are made with keys derived
 * from it (`seal.ts`), never with the secret itself.
 *
 * Invariants: the file is there whole or not at all (written aside, synced, renamed, folder synced), with mode 0600.
 * Nothing is sealed for the disk before the key itself is on it.
 * Failure behaviour: a file of another length is moved aside as `box.key.damaged` and a new key is drawn; what was
 * sealed with the old one is not valid any more. A full disk at the first start does not fail `open`: the key is in
 * memory, and `save` tries again.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type FileSystem, replaceFile, syncFolders } from '../platform/index.ts';

const keyBytes = 32;

export class BoxKey {
  readonly #fileSystem: FileSystem;
  readonly #folder: string;
  readonly #path: string;
  #bytes: Buffer = randomBytes(keyBytes);
  #isSaved = false;
  #saving: Promise<void> | undefined;

  constructor({ fileSystem, dataFolder }: { fileSystem: FileSystem; dataFolder: string }) {
    this.#fileSystem = fileSystem;
    this.#folder = join(dataFolder, 'secrets');
    this.#path = join(this.#folder, 'box.key');
  }

  /** The secret; not to be changed. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Reads the key, or draws one and saves it. `readOnly`: one that is not there is not saved either. */
  async open({ readOnly = false } = {}): Promise<void> {
    const kept = this.#fileSystem.exists(this.#path) ? this.#read() : undefined;
    if (kept?.length === keyBytes) {
      this.#bytes = kept;
      this.#isSaved = true;
      // Its name may be in the cache only, when the process before this one ended at its first start.
      if (!readOnly) await syncFolders(this.#fileSystem, this.#folder).catch(() => {});
      return;
    }
    if (readOnly) return;
    try {
      if (kept !== undefined) this.#fileSystem.rename(this.#path, `${this.#path}.damaged`);
      await this.save();
    } catch {
      // Whoever needs it on disk calls `save` again, and gets the reason.
    }
  }

  /** Resolves when the key is on the device. Throws what the file system throws. */
  save(): Promise<void> {
    if (this.#isSaved) return Promise.resolve();
    this.#saving ??= this.#save().finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }

  async #save(): Promise<void> {
    const fileSystem = this.#fileSystem;
    fileSystem.makeFolder(this.#folder);
    await replaceFile(fileSystem, this.#path, this.#bytes);
    await syncFolders(fileSystem, this.#folder);
    this.#isSaved = true;
  }

  #read(): Buffer {
    const file = this.#fileSystem.open(this.#path, 'read');
    try {
      const bytes = Buffer.alloc(keyBytes + 1);
      return bytes.subarray(0, file.read(bytes, 0));
    } finally {
      file.close();
    }
  }
}
