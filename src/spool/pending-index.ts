/**
 * Where the waiting reports of one channel stand, by machine: small, bounded, rebuilt at start. It lets an authorization
 * query bring the base information of its machine forward.
 */
export class PendingIndex {
  readonly #limit: number;
  readonly #ordinals = new Map<string, number[]>();
  readonly #serials = new Map<number, string>();
  /** Ordinal after the last one that did not fit. */
  #missedEnd = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False when one that did not fit may still wait beyond `cursor`: then only a walk over the log is sure. */
  isComplete(cursor: number): boolean {
    return this.#missedEnd <= cursor;
  }

  add(serial: string, ordinal: number): void {
    if (this.#serials.has(ordinal)) return;
    if (this.#serials.size >= this.#limit) {
      this.#missedEnd = Math.max(this.#missedEnd, ordinal + 1);
      return;
    }
    this.#serials.set(ordinal, serial);
    const ordinals = this.#ordinals.get(serial);
    if (ordinals === undefined) this.#ordinals.set(serial, [ordinal]);
    else ordinals.push(ordinal);
  }

  remove(ordinal: number): void {
    const serial = this.#serials.get(ordinal);
    if (serial === undefined) return;
    this.#serials.delete(ordinal);
    const rest = this.#ordinals.get(serial)!.filter((other) => other !== ordinal);
    if (rest.length === 0) this.#ordinals.delete(serial);
    else this.#ordinals.set(serial, rest);
  }

  /** Everything before `ordinal` is done. */
  removeBefore(ordinal: number): void {
    for (const known of this.#serials.keys()) if (known < ordinal) this.remove(known);
  }

  /** Ordinals of the machine's waiting reports, ascending. */
  of(serial: string): readonly number[] {
    return this.#ordinals.get(serial)?.toSorted((a, b) => a - b) ?? [];
  }
}
