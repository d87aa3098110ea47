import type { Clock } from '../platform/index.ts';

/** Limits of a batch, and what is done with one. */
export interface BatcherOptions<T> {
  readonly maxItems: number;
  readonly maxBytes: number;
  /** How long a first item waits for others, in ms. */
  readonly lingerMs: number;
  readonly clock: Clock;
  /** Does the work; the next batch begins when it has resolved. When it rejects, the batcher is of no use any more. */
  readonly work: (batch: readonly T[]) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

/** Gathers items into batches and works on one batch at a time, in order. Whoever adds bounds how many wait. */
export class Batcher<T> {
  readonly #options: BatcherOptions<T>;
  readonly #waiting: { readonly item: T; readonly bytes: number }[] = [];
  #running = false;
  #stopped = false;

  constructor(options: BatcherOptions<T>) {
    this.#options = options;
  }

  /** Adds an item. After `stop` or a failure it is dropped. */
  add(item: T, bytes: number): void {
    if (this.#stopped) return;
    this.#waiting.push({ item, bytes });
    if (this.#running) return;
    this.#running = true;
    this.#options.clock.after(this.#options.lingerMs, () => {
      this.#run().catch((error) => {
        this.stop();
        this.#options.onFailure(error);
      });
    });
  }

  /** Forgets what waits; a batch under way goes on. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
  }

  async #run(): Promise<void> {
    const { maxItems, maxBytes, work } = this.#options;
    while (this.#waiting.length > 0) {
      let count = 0;
      let bytes = 0;
      while (count < this.#waiting.length && count < maxItems) {
        bytes += this.#waiting[count]!.bytes;
        if (count > 0 && bytes > maxBytes) break;
        count++;
      }
      await work(this.#waiting.splice(0, count).map(({ item }) => item));
    }
    this.#running = false;
  }
}
