/** More are answered when their clients ask again. */
const maxWaiting = 100_000;

/** Reports of flows that were stored by this process and not delivered yet, oldest first. */
export class Waiting {
  readonly #reports = new Map<string, number>();

  has(origin: string): boolean {
    return this.#reports.has(origin);
  }

  add(origin: string, sequence: number): void {
    this.#reports.set(origin, sequence);
    if (this.#reports.size > maxWaiting) this.#reports.delete(this.#reports.keys().next().value!);
  }

  remove(origin: string): void {
    this.#reports.delete(origin);
  }

  /** Name and sequence, oldest first; what is removed meanwhile is passed over. */
  entries(): IterableIterator<[string, number]> {
    return this.#reports.entries();
  }
}
