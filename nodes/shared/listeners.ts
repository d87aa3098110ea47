/** Functions that want to hear of one kind of event. */
export class Listeners<T> {
  readonly #all = new Set<(event: T) => void>();

  /** The returned function takes it away again. */
  add(listener: (event: T) => void): () => void {
    this.#all.add(listener);
    return () => this.#all.delete(listener);
  }

  emit(event: T): void {
    for (const listener of [...this.#all]) listener(event);
  }
}
