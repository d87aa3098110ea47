/**
 * How many reports may be under way without a receipt. It halves when the centre is silent for too long, and grows
 * again by one for each window that was receipted, so that a slow centre is not flooded with repeats.
 */
export class ReceiptWindow {
  readonly #limit: number;
  #size: number;
  #receipted = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#size = limit;
  }

  get size(): number {
    return this.#size;
  }

  onReceipt(): void {
    if (this.#size === this.#limit || ++this.#receipted < this.#size) return;
    this.#receipted = 0;
    this.#size++;
  }

  onSilence(): void {
    this.#size = Math.max(1, Math.floor(this.#size / 2));
    this.#receipted = 0;
  }
}
