/**
 * The file system port over a disk in memory. Any call can be made to fail, the process can be made to die at any call
 * (`dieAt`), and what the next process finds is taken from `afterKill` (everything written stays in the page cache) or
 * `afterPowerCut` (what was not synced may be gone, in part or in whole).
 */
import type { FileSystem, OpenFile } from '../../src/platform/index.ts';
import { Disk, DiskFile, DiskFolder, errno } from './fault-disk.ts';
import type { Random } from './random.ts';

export type CallKind =
  | 'write'
  | 'sync'
  | 'synced'
  | 'read'
  | 'create'
  | 'open'
  | 'rename'
  | 'remove'
  | 'makeFolder'
  | 'list'
  | 'syncFolder'
  | 'folderSynced'
  | 'freeBytes';

/** Which error a call gets; undefined lets it work. */
export type FaultPlan = (kind: CallKind, path: string) => 'EIO' | 'ENOSPC' | undefined;

export class FaultFileSystem implements FileSystem {
  readonly #disk: Disk;
  readonly #random: Random;
  /** What fails. */
  plan: FaultPlan = () => undefined;
  /** Bytes that all files may take together. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Calls so far; a sync is two, its beginning and its end. */
  calls = 0;
  syncs = 0;
  openFiles = 0;
  /** The process dies at this call, which may be half done. */
  dieAt = Number.POSITIVE_INFINITY;
  /** Told after every turn of the event loop that a call waited for. */
  onTurn: (() => void) | undefined;
  /** Told that a sync of this file has failed: what was written may be gone, even from the cache. */
  onSyncFailed: ((path: string) => void) | undefined;
  #dead = false;

  constructor(random: Random, disk = new Disk()) {
    this.#random = random;
    this.#disk = disk;
  }

  get isDead(): boolean {
    return this.#dead;
  }

  /** The process ends; a new one sees everything that was written. */
  afterKill(): FaultFileSystem {
    this.#dead = true;
    return new FaultFileSystem(this.#random, this.#disk);
  }

  /** The power fails; a new process sees what was on the device. */
  afterPowerCut(): FaultFileSystem {
    this.#dead = true;
    return new FaultFileSystem(this.#random, this.#disk.afterPowerCut(this.#random));
  }

  usedBytes(path: string): number {
    const node = this.#disk.find(path);
    return node?.kind === 'folder' ? this.#disk.usedBytes(node) : 0;
  }

  makeFolder(path: string): void {
    this.#enter('makeFolder', path);
    let at = '';
    for (const part of path.split('/').filter((name) => name !== '')) {
      at += `/${part}`;
      if (this.#disk.find(at) !== undefined) continue;
      this.#disk.change(this.#disk.folderOf(at).folder, undefined, part, new DiskFolder());
    }
  }

  list(path: string): string[] {
    this.#enter('list', path);
    return [...this.#folder(path).visible.keys()].sort();
  }

  exists(path: string): boolean {
    return this.#disk.find(path) !== undefined;
  }

  open(path: string): OpenFile {
    this.#enter('open', path);
    const node = this.#disk.find(path);
    if (node?.kind !== 'file') throw errno('ENOENT', path);
    return this.#handle(node, path);
  }

  create(path: string): OpenFile {
    this.#enter('create', path);
    const { folder, name } = this.#disk.folderOf(path);
    if (folder.visible.has(name)) throw errno('EEXIST', path);
    const file = new DiskFile();
    this.#disk.change(folder, undefined, name, file);
    return this.#handle(file, path);
  }

  rename(from: string, to: string): void {
    this.#enter('rename', from);
    const source = this.#disk.folderOf(from);
    const target = this.#disk.folderOf(to);
    const node = source.folder.visible.get(source.name);
    if (node === undefined) throw errno('ENOENT', from);
    if (source.folder !== target.folder) throw errno('EXDEV', to);
    this.#disk.change(source.folder, source.name, target.name, node);
  }

  remove(path: string): void {
    this.#enter('remove', path);
    const { folder, name } = this.#disk.folderOf(path);
    if (!folder.visible.has(name)) throw errno('ENOENT', path);
    this.#disk.change(folder, name, undefined, undefined);
  }

  async syncFolder(path: string): Promise<void> {
    this.#enter('syncFolder', path);
    const changes = this.#disk.changesOf(this.#folder(path));
    await this.#wait();
    this.#enter('folderSynced', path);
    this.#disk.persist(changes);
  }

  freeBytes(path: string): number {
    this.#enter('freeBytes', path);
    return Math.max(0, this.capacityBytes - this.#disk.usedBytes());
  }

  #folder(path: string): DiskFolder {
    const node = this.#disk.find(path);
    if (node?.kind !== 'folder') throw errno('ENOENT', path);
    return node;
  }

  /** Counts a call, and fails it when it is to fail. */
  #enter(kind: CallKind, path: string): void {
    if (this.#dead) throw errno('EDEAD', path);
    if (++this.calls >= this.dieAt) {
      this.#dead = true;
      throw errno('EDEAD', path);
    }
    const code = this.plan(kind, path);
    if (code !== undefined) throw errno(code, path);
  }

  async #wait(): Promise<void> {
    for (let turns = this.#random.below(3); turns >= 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve));
      this.onTurn?.();
    }
  }

  #write(file: DiskFile, path: string, data: Uint8Array, position: number): void {
    const wasDead = this.#dead;
    try {
      this.#enter('write', path);
    } catch (error) {
      // What fails, or dies, may have written a part.
      if (!wasDead) file.write(data.subarray(0, this.#random.below(data.length + 1)), position);
      throw error;
    }
    const room = this.capacityBytes - this.#disk.usedBytes() + Math.max(0, file.size - position);
    if (room > 0) file.write(data.subarray(0, room), position);
    if (room < data.length) throw errno('ENOSPC', path);
  }

  #handle(file: DiskFile, path: string): OpenFile {
    let isOpen = true;
    this.openFiles++;
    const check = () => {
      if (!isOpen) throw errno('EBADF', path);
    };
    return {
      write: (data, position) => {
        check();
        this.#write(file, path, data, position);
      },
      read: (into, position) => {
        check();
        this.#enter('read', path);
        return file.read(into, position);
      },
      readAsync: async (into, position) => {
        check();
        this.#enter('read', path);
        await this.#wait();
        return file.read(into, position);
      },
      sync: async () => {
        check();
        this.#enter('sync', path);
        this.syncs++;
        const writes = file.dirty();
        await this.#wait();
        try {
          this.#enter('synced', path);
        } catch (error) {
          if (!this.#dead) {
            file.fail(writes, this.#random);
            this.onSyncFailed?.(path);
          }
          throw error;
        }
        file.persist(writes);
      },
      size: () => {
        check();
        return file.size;
      },
      close: () => {
        check();
        isOpen = false;
        this.openFiles--;
      },
    };
  }
}
