/**
 * Which ordinals of a log are done: everything below the cursor, and ranges beyond it. The number of ranges is bounded
 * by the number of reports that are still open between them, not by the backlog.
 */
export class Acknowledged {
  #cursor: number;
  /** Starts and ends (exclusive) in turn, ascending, disjoint, not touching, all beyond the cursor. */
  readonly #bounds: number[];
  /** Per range: how many of its ordinals were moved to another log. */
  readonly #moved: number[] = [];
  #beyond = 0;

  constructor(cursor: number, bounds: readonly number[] = []) {
    this.#cursor = cursor;
    this.#bounds = [];
    for (let index = 0; index + 1 < bounds.length; index += 2) this.addRange(bounds[index]!, bounds[index + 1]!);
  }

  /** Everything before this ordinal is done. */
  get cursor(): number {
    return this.#cursor;
  }

  /** How many ordinals beyond the cursor are done. */
  get beyond(): number {
    return this.#beyond;
  }

  get ranges(): number {
    return this.#bounds.length / 2;
  }

  /** The first `count` ranges, as starts and ends in turn. */
  bounds(count: number): number[] {
    return this.#bounds.slice(0, count * 2);
  }

  /** How many ordinals in the ranges after the first `count` were moved to another log. */
  movedAfter(count: number): number {
    let moved = 0;
    for (let index = count; index < this.#moved.length; index++) moved += this.#moved[index]!;
    return moved;
  }

  /** Everything from here on is open. */
  get end(): number {
    return this.#bounds.at(-1) ?? this.#cursor;
  }

  has(ordinal: number): boolean {
    return ordinal < this.#cursor || (this.#bounds.length > 0 && this.#find(ordinal) % 2 === 1);
  }

  /** True when all of `from` up to `to` (exclusive) is done. */
  covers(from: number, to: number): boolean {
    if (to <= this.#cursor || from >= to) return true;
    const start = Math.max(from, this.#cursor);
    const place = this.#find(start);
    return place % 2 === 1 && this.#bounds[place]! >= to;
  }

  /** Marks one ordinal as done; false when it was already. `isMoved`: it now stands in another log. */
  add(ordinal: number, isMoved = false): boolean {
    if (ordinal === this.#cursor) {
      this.#cursor++;
      this.#absorb();
      return true;
    }
    return this.addRange(ordinal, ordinal + 1, isMoved ? 1 : 0) === 1;
  }

  /** Marks `from` up to `to` (exclusive) as done; returns how many of them were not before. */
  addRange(from: number, to: number, moved = 0): number {
    const start = Math.max(from, this.#cursor);
    if (start >= to) return 0;
    // All ranges that overlap or touch [start, to) melt into one.
    let first = this.#find(start);
    if (first % 2 === 1) first--;
    else if (first > 0 && this.#bounds[first - 1] === start) first -= 2;
    let last = first;
    let newStart = start;
    let newEnd = to;
    let already = 0;
    let newMoved = 0;
    while (last < this.#bounds.length && this.#bounds[last]! <= to) {
      const rangeStart = this.#bounds[last]!;
      const rangeEnd = this.#bounds[last + 1]!;
      already += Math.max(0, Math.min(rangeEnd, to) - Math.max(rangeStart, start));
      newStart = Math.min(newStart, rangeStart);
      newEnd = Math.max(newEnd, rangeEnd);
      newMoved += this.#moved[last / 2]!;
      last += 2;
    }
    const added = to - start - already;
    this.#bounds.splice(first, last - first, newStart, newEnd);
    this.#moved.splice(first / 2, (last - first) / 2, newMoved + (added > 0 ? moved : 0));
    this.#beyond += added;
    this.#absorb();
    return added;
  }

  #absorb(): void {
    while (this.#bounds.length > 0 && this.#bounds[0]! <= this.#cursor) {
      const [start, end] = this.#bounds.splice(0, 2) as [number, number];
      this.#moved.shift();
      this.#beyond -= end - start;
      this.#cursor = Math.max(this.#cursor, end);
    }
  }

  /** How many bounds are not greater than `ordinal`: odd means inside a range. */
  #find(ordinal: number): number {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#bounds[middle]! <= ordinal) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
