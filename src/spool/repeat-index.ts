/**
 * Where in the ring of a repeat window an entry may stand: 32 bits of its digest and its time per slot, in typed arrays (15
 * bytes a slot in all), and chains of slots whose bits fall together.
 */
export class RepeatIndex {
  readonly #low: Uint32Array;
  /** Tenths of a second of window time. */
  readonly #time: Uint32Array;
  /** Slots plus one; 0 ends a chain. */
  readonly #heads: Int32Array;
  readonly #links: Int32Array;
  /** 1 for a slot that holds an entry. */
  readonly #present: Uint8Array;

  /** `capacity`: slots, from 0. */
  constructor(capacity: number) {
    this.#low = new Uint32Array(capacity);
    this.#time = new Uint32Array(capacity);
    this.#heads = new Int32Array(Math.ceil(capacity / 2));
    this.#links = new Int32Array(capacity);
    this.#present = new Uint8Array(capacity);
  }

  /** The newest entry with these bits that is not older than `oldest`. */
  first(low: number, oldest: number): number | undefined {
    return this.#along(this.#heads[low % this.#heads.length]!, low, oldest);
  }

  /** The one before it with the same bits. */
  next(slot: number, oldest: number): number | undefined {
    return this.#along(this.#links[slot]!, this.#low[slot]!, oldest);
  }

  #along(from: number, low: number, oldest: number): number | undefined {
    for (let link = from; link !== 0; link = this.#links[link - 1]!) {
      const slot = link - 1;
      if (this.#low[slot] === low && this.#time[slot]! >= oldest) return slot;
    }
    return undefined;
  }

  /** Puts an entry into an empty slot; `time` in tenths of a second. */
  add(slot: number, low: number, time: number): void {
    this.#low[slot] = low;
    this.#time[slot] = time;
    this.#present[slot] = 1;
    const bucket = low % this.#heads.length;
    this.#links[slot] = this.#heads[bucket]!;
    this.#heads[bucket] = slot + 1;
  }

  /** Empties a slot; returns the time of what stood there, -1 for nothing. */
  remove(slot: number): number {
    if (this.#present[slot] === 0) return -1;
    this.#present[slot] = 0;
    const bucket = this.#low[slot]! % this.#heads.length;
    const after = this.#links[slot]!;
    let link = this.#heads[bucket]!;
    if (link === slot + 1) this.#heads[bucket] = after;
    else {
      while (link !== 0 && this.#links[link - 1] !== slot + 1) link = this.#links[link - 1]!;
      if (link !== 0) this.#links[link - 1] = after;
    }
    return this.#time[slot]!;
  }
}
