/** A bounded heap of bytes that grows at the end and is taken from the front, without moving them at each chunk. */
export class ByteStore {
  #bytes = Buffer.allocUnsafe(256);
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  append(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#bytes.length) this.#makeRoom(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  at(index: number): number {
    return this.#bytes[this.#start + index]!;
  }

  /** Where `pattern` stands first, at `from` or later; -1 when nowhere. */
  indexOf(pattern: Uint8Array, from: number): number {
    return this.view().indexOf(pattern, from);
  }

  /** The bytes, only until the next call. */
  view(): Buffer {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Takes `length` bytes from the front, as a copy. */
  take(length: number): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(this.#start, this.#start + length));
    this.skip(length);
    return taken;
  }

  skip(length: number): void {
    this.#start = Math.min(this.#start + length, this.#end);
    if (this.#start < this.#end) return;
    this.#start = 0;
    this.#end = 0;
    // One long frame does not keep its memory for ever.
    if (this.#bytes.length > 4096) this.#bytes = Buffer.allocUnsafe(256);
  }

  clear(): void {
    this.skip(this.length);
  }

  #makeRoom(wanted: number): void {
    const needed = this.length + wanted;
    const target = needed > this.#bytes.length / 2 ? Buffer.allocUnsafe(Math.max(256, needed * 2)) : this.#bytes;
    this.#bytes.copy(target, 0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    this.#bytes = target;
  }
}
