/**
 * How many reports may be under way without a receipt. It halves when the centre is silent for too long, and grows
 * again by one for each window that was receipted, so that a slow centre is not flooded with repeats. What it lost by
 * silences that no receipt came between it has again at once, by one for each receipt: such a centre was not slow
 * but away, and a backlog waits.
 */
export class ReceiptWindow {
  readonly #limit: number;
  #size: number;
  #receipted = 0;
  /** Half of the window in which the centre was last heard; up to there every receipt counts. */
  #heardHalf = 0;
  #isHeard = true;

  constructor(limit: number) {
    this.#limit = limit;
    this.#size = limit;
  }

  get size(): number {
    return this.#size;
  }

  onReceipt(): void {
    this.#isHeard = true;
    if (this.#size === this.#limit) return;
    if (this.#size >= this.#heardHalf && ++this.#receipted < this.#size) return;
    this.#receipted = 0;
    this.#size++;
  }

  onSilence(): void {
    if (this.#isHeard) this.#heardHalf = Math.floor(this.#size / 2);
    this.#isHeard = false;
    this.#size = Math.max(1, Math.floor(this.#size / 2));
    this.#receipted = 0;
  }
}
