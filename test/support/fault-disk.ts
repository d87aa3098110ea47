/**
 * A disk in memory that knows what is on the device and what is only in the page cache.
 *
 * Harsher than any file system: a name is durable only when its folder was synced (on ext4 the sync of a new file
 * usually brings its name along), each write since the last sync survives a power cut wholly, in part or not at all,
 * whatever became of the others, and the names survive in the order of a journal or in any subset.
 */
import type { Random } from './random.ts';

interface Write {
  readonly at: number;
  readonly data: Uint8Array;
}

/** A file, named or not. */
export class DiskFile {
  readonly kind = 'file';
  #visible: Buffer = Buffer.alloc(0);
  #durable: Buffer = Buffer.alloc(0);
  #size = 0;
  #dirty: Write[] = [];

  get size(): number {
    return this.#size;
  }

  write(data: Uint8Array, at: number): void {
    if (data.length === 0) return;
    const copy = Buffer.from(data);
    this.#dirty.push({ at, data: copy });
    this.#visible = put(this.#visible, copy, at);
    this.#size = Math.max(this.#size, at + data.length);
  }

  read(into: Uint8Array, at: number): number {
    const count = Math.max(0, Math.min(into.length, this.#size - at));
    into.set(this.#visible.subarray(at, at + count));
    return count;
  }

  /** What a sync that begins now would bring to the device. */
  dirty(): readonly Write[] {
    return [...this.#dirty];
  }

  /** A sync has succeeded. */
  persist(writes: readonly Write[]): void {
    for (const { at, data } of writes) this.#durable = put(this.#durable, data, at);
    this.#forget(writes);
  }

  /**
   * A sync has failed. As on Linux each write is tried again by the next sync, or counts as done although it is not
   * there; the cache may keep showing it, or read the device again.
   */
  fail(writes: readonly Write[], random: Random): void {
    const mode = random.below(3);
    this.#forget(writes.filter(() => mode === 0 || (mode === 1 && random.chance(0.5))));
    if (!random.chance(0.3)) return;
    this.#visible = Buffer.from(this.#durable);
    for (const { at, data } of this.#dirty) this.#visible = put(this.#visible, data, at);
    this.#size = Math.max(this.#visible.length, this.#size);
    this.#visible = put(this.#visible, new Uint8Array(0), this.#size);
  }

  /** The file as it is after a power cut. */
  afterPowerCut(random: Random): DiskFile {
    let data: Buffer = Buffer.from(this.#durable);
    const mode = random.below(4);
    for (const write of this.#dirty) {
      const fate = mode === 3 ? random.below(3) : mode;
      if (fate === 0) data = put(data, write.data, write.at);
      else if (fate === 1) data = tear(data, write, random);
    }
    // The size may have grown before the bytes came.
    if (random.chance(0.2)) data = put(data, new Uint8Array(0), this.#size);
    const file = new DiskFile();
    file.#durable = data;
    file.#visible = Buffer.from(data);
    file.#size = data.length;
    return file;
  }

  #forget(writes: readonly Write[]): void {
    const gone = new Set(writes);
    this.#dirty = this.#dirty.filter((write) => !gone.has(write));
  }
}

/** A folder: the names that a process sees, and those on the device. */
export class DiskFolder {
  readonly kind = 'folder';
  readonly visible = new Map<string, DiskNode>();
  readonly durable = new Map<string, DiskNode>();
}

export type DiskNode = DiskFile | DiskFolder;

interface NameChange {
  readonly folder: DiskFolder;
  readonly remove: string | undefined;
  readonly add: string | undefined;
  readonly node: DiskNode | undefined;
}

export class Disk {
  readonly root = new DiskFolder();
  /** Changes of names that are not on the device, in order. */
  #journal: NameChange[] = [];

  find(path: string): DiskNode | undefined {
    let node: DiskNode | undefined = this.root;
    for (const part of parts(path)) node = node?.kind === 'folder' ? node.visible.get(part) : undefined;
    return node;
  }

  folderOf(path: string): { folder: DiskFolder; name: string } {
    const names = parts(path);
    const name = names.pop()!;
    const folder = this.find(names.join('/'));
    if (folder?.kind !== 'folder') throw errno('ENOENT', path);
    return { folder, name };
  }

  change(folder: DiskFolder, remove: string | undefined, add: string | undefined, node: DiskNode | undefined): void {
    if (remove !== undefined) folder.visible.delete(remove);
    if (add !== undefined) folder.visible.set(add, node!);
    this.#journal.push({ folder, remove, add, node });
  }

  /** The changes that a sync of the folder which begins now would bring to the device. */
  changesOf(folder: DiskFolder): readonly NameChange[] {
    return this.#journal.filter((change) => change.folder === folder);
  }

  persist(changes: readonly NameChange[]): void {
    for (const change of changes) apply(change);
    this.#journal = this.#journal.filter((change) => !changes.includes(change));
  }

  /** Bytes of all files that have a name. */
  usedBytes(folder = this.root): number {
    let bytes = 0;
    for (const node of folder.visible.values()) bytes += node.kind === 'file' ? node.size : this.usedBytes(node);
    return bytes;
  }

  /** What the next start of the computer finds. This disk is not to be used any more. */
  afterPowerCut(random: Random): Disk {
    const mode = random.below(4);
    const survivors = mode === 0 ? this.#journal.length : mode === 1 ? 0 : random.below(this.#journal.length + 1);
    this.#journal.forEach((change, index) => {
      if (mode === 3 ? random.chance(0.5) : index < survivors) apply(change);
    });
    const disk = new Disk();
    const copies = new Map<DiskNode, DiskNode>();
    const copy = (from: DiskFolder, to: DiskFolder): void => {
      for (const [name, node] of from.durable) {
        let twin = copies.get(node);
        if (twin === undefined) {
          twin = node.kind === 'file' ? node.afterPowerCut(random) : new DiskFolder();
          copies.set(node, twin);
          if (node.kind === 'folder') copy(node, twin as DiskFolder);
        }
        to.durable.set(name, twin);
        to.visible.set(name, twin);
      }
    };
    copy(this.root, disk.root);
    return disk;
  }
}

/** An error as Node's file system throws it. */
export function errno(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: injected, ${path}`), { code });
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

function apply({ folder, remove, add, node }: NameChange): void {
  if (remove !== undefined) folder.durable.delete(remove);
  if (add !== undefined) folder.durable.set(add, node!);
}

/** Part of a write: up to any byte, or any subset of its sectors or pages. */
function tear(data: Buffer, { at, data: written }: Write, random: Random): Buffer {
  if (random.chance(0.4)) return put(data, written.subarray(0, random.below(written.length + 1)), at);
  const piece = random.pick([512, 4096]);
  let torn = data;
  for (let start = at; start < at + written.length; ) {
    const end = Math.min(at + written.length, start - (start % piece) + piece);
    if (random.chance(0.5)) torn = put(torn, written.subarray(start - at, end - at), start);
    start = end;
  }
  return torn;
}

function put(target: Buffer, data: Uint8Array, at: number): Buffer {
  let result = target;
  if (at + data.length > target.length) {
    result = Buffer.alloc(at + data.length);
    target.copy(result);
  }
  result.set(data, at);
  return result;
}
