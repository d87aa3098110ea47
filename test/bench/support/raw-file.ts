/**
 * The least that durable groups can cost in Node: their pages overwritten in a file that has all its blocks, and
 * fdatasync after each group. Nothing is encoded, nothing can be found again.
 */
import { close, fdatasync, fsync, open, write } from 'node:fs';
import { promisify } from 'node:util';

const pageBytes = 4096;
const fileBytes = 32 * 1024 * 1024;
const promised = {
  open: promisify(open),
  close: promisify(close),
  fsync: promisify(fsync),
  fdatasync: promisify(fdatasync),
  write: promisify(write) as unknown as (
    descriptor: number,
    data: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ) => Promise<unknown>,
};

export class RawFile {
  readonly #descriptor: number;
  readonly #data = Buffer.alloc(1024 * 1024, 'x');
  #end = 0;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Makes the file, filled with zeros and synced. */
  static async create(path: string): Promise<RawFile> {
    const descriptor = await promised.open(path, 'w+');
    const zeros = Buffer.alloc(1024 * 1024);
    for (let at = 0; at < fileBytes; at += zeros.length) await promised.write(descriptor, zeros, 0, zeros.length, at);
    await promised.fsync(descriptor);
    return new RawFile(descriptor);
  }

  /** One group of `bytes` behind the last one, in whole pages, as the spool places it: in as few pages as will do. */
  async writeGroup(bytes: number): Promise<void> {
    const pages = Math.ceil(bytes / pageBytes);
    const used = this.#end % pageBytes;
    if (used > 0 && pages < Math.ceil((used + bytes) / pageBytes)) this.#end += pageBytes - used;
    if (this.#end + bytes > fileBytes) this.#end = 0;
    const from = this.#end - (this.#end % pageBytes);
    this.#end += bytes;
    const length = Math.ceil(this.#end / pageBytes) * pageBytes - from;
    await promised.write(this.#descriptor, this.#data, 0, length, from);
    await promised.fdatasync(this.#descriptor);
  }

  async close(): Promise<void> {
    await promised.close(this.#descriptor);
  }
}
