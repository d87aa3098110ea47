import type { FileSystem, OpenFile } from '../platform/index.ts';
import type { StoredDocument } from './document-store.ts';
import { decodeLine, encodeLine } from './embedded-codec.ts';
import { IdIndex } from './id-index.ts';

const chunkSize = 1024 * 1024;
const newLine = 0x0a;

/**
 * One collection: a file of one JSON document a line, only ever written at its end. A line that is not whole (a power
 * cut) is overwritten by empty lines when the file is opened; it was never reported as stored.
 */
export class CollectionFile {
  readonly #file: OpenFile;
  readonly #ids = new IdIndex();
  /** Where the next line goes. */
  #end = 0;
  /** Up to where an append that failed may have left something. */
  #dirtyEnd = 0;

  /** Opens or makes the file and reads all of it. The caller syncs the folder of a new one. */
  constructor(files: FileSystem, path: string) {
    this.#file = files.exists(path) ? files.open(path, 'write') : files.create(path);
    for (const { document, position, length } of this.#lines(this.#file.size())) {
      if (document !== undefined) this.#ids.add(document._id, position);
      this.#end = position + length;
    }
    this.#dirtyEnd = this.#file.size();
  }

  /** Documents in the file. */
  get size(): number {
    return this.#ids.size;
  }

  has(id: string): boolean {
    return this.#ids.find(id, (position) => this.#idAt(position, id)) !== undefined;
  }

  /** Appends documents whose ids are new and resolves when they are on the device. After a failure none is in it. */
  async append(documents: readonly StoredDocument[]): Promise<void> {
    if (documents.length === 0) return;
    const lines = documents.map(encodeLine);
    const text = Buffer.from(lines.join(''));
    const padding = Buffer.alloc(Math.max(0, this.#dirtyEnd - this.#end - text.length), newLine);
    this.#dirtyEnd = Math.max(this.#dirtyEnd, this.#end + text.length);
    this.#file.write(Buffer.concat([text, padding]), this.#end);
    await this.#file.sync();
    for (const [index, line] of lines.entries()) {
      this.#ids.add(documents[index]!._id, this.#end);
      this.#end += Buffer.byteLength(line);
    }
  }

  /** Every document, in the order of their arrival. */
  *documents(): Generator<StoredDocument> {
    for (const { document } of this.#lines(this.#end)) if (document !== undefined) yield document;
  }

  close(): void {
    this.#file.close();
  }

  *#lines(until: number): Generator<{ document: StoredDocument | undefined; position: number; length: number }> {
    const chunk = Buffer.alloc(chunkSize);
    let rest: Buffer = Buffer.alloc(0);
    let position = 0;
    for (let read = 0; read < until; ) {
      const count = this.#file.read(chunk.subarray(0, Math.min(chunkSize, until - read)), read);
      if (count === 0) break;
      read += count;
      let data = Buffer.concat([rest, chunk.subarray(0, count)]);
      for (let at = data.indexOf(newLine); at >= 0; at = data.indexOf(newLine)) {
        yield { document: at === 0 ? undefined : decodeLine(data.toString('utf8', 0, at)), position, length: at + 1 };
        position += at + 1;
        data = data.subarray(at + 1);
      }
      rest = data;
    }
  }

  #idAt(position: number, id: string): boolean {
    let size = 4096;
    for (;;) {
      const start = Buffer.alloc(size);
      const text = start.subarray(0, this.#file.read(start, position));
      const end = text.indexOf(newLine);
      if (end >= 0) return decodeLine(text.toString('utf8', 0, end))?._id === id;
      if (text.length < size) return false;
      size *= 4;
    }
  }
}
