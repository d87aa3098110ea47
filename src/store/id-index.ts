/**
 * Which `_id`s a collection file holds, in 16 bytes each, whatever their length: a hash table of 53-bit hashes and
 * positions in the file. Two ids may have one hash, so the reader of the file decides whether a hit is the same id.
 */
export class IdIndex {
  #hashes = new Float64Array(1024);
  #positions = new Float64Array(1024);
  #size = 0;

  /** Ids in the index. */
  get size(): number {
    return this.#size;
  }

  /** The position of `id`; `isAt(position)` says whether the document there has that id. */
  find(id: string, isAt: (position: number) => boolean): number | undefined {
    const hash = hashOf(id);
    const mask = this.#hashes.length - 1;
    for (let slot = hash % this.#hashes.length; this.#hashes[slot] !== 0; slot = (slot + 1) & mask) {
      const position = this.#positions[slot]!;
      if (this.#hashes[slot] === hash && isAt(position)) return position;
    }
    return undefined;
  }

  /** Adds an id that is not in the index. */
  add(id: string, position: number): void {
    if ((this.#size + 1) * 4 > this.#hashes.length * 3) this.#grow();
    this.#put(hashOf(id), position);
    this.#size++;
  }

  #put(hash: number, position: number): void {
    const mask = this.#hashes.length - 1;
    let slot = hash % this.#hashes.length;
    while (this.#hashes[slot] !== 0) slot = (slot + 1) & mask;
    this.#hashes[slot] = hash;
    this.#positions[slot] = position;
  }

  #grow(): void {
    const hashes = this.#hashes;
    const positions = this.#positions;
    this.#hashes = new Float64Array(hashes.length * 2);
    this.#positions = new Float64Array(hashes.length * 2);
    for (let slot = 0; slot < hashes.length; slot++) {
      if (hashes[slot] !== 0) this.#put(hashes[slot]!, positions[slot]!);
    }
  }
}

/** A whole number from 1 to 2^53 - 1 (0 marks an empty slot). */
function hashOf(id: string): number {
  let high = 0x9e3779b9;
  let low = 0x85ebca6b;
  for (let index = 0; index < id.length; index++) {
    const code = id.charCodeAt(index);
    high = Math.imul(high ^ code, 0x27d4eb2f);
    low = Math.imul(low ^ code, 0x165667b1) ^ (low >>> 15);
  }
  high = Math.imul(high ^ (low >>> 13), 0xc2b2ae35);
  low = Math.imul(low ^ (high >>> 16), 0x27d4eb2f);
  return (((high >>> 11) * 0x1_0000_0000 + (low >>> 0)) % (Number.MAX_SAFE_INTEGER - 1)) + 1;
}
