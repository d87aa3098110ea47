/**
 * Says when a link can take no more, and once when it can again.
 *
 * A client library takes every message and keeps it in memory when the network does not; this bounds that: by the
 * library's own write buffer, by the bytes that no broker has confirmed, and by the broker's word (`blocked`).
 */
export class SendGate {
  readonly #limitBytes: number;
  readonly #onDrain: () => void;
  #bytes = 0;
  #bufferFull = false;
  #blocked = false;
  #waiting = false;

  /** `limitBytes`: bytes of bodies that may be handed over and unconfirmed before the owner is asked to wait. */
  constructor(limitBytes: number, onDrain: () => void) {
    this.#limitBytes = limitBytes;
    this.#onDrain = onDrain;
  }

  /** True while the broker holds the link back. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** A message was handed over; `bufferHasRoom` is the library's answer. True: go on. */
  taken(bytes: number, bufferHasRoom: boolean): boolean {
    this.#bytes += bytes;
    if (!bufferHasRoom) this.#bufferFull = true;
    if (bufferHasRoom && !this.#blocked && this.#bytes < this.#limitBytes) return true;
    this.#waiting = true;
    return false;
  }

  /** The broker has answered for a message. */
  settled(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#waiting) this.#look();
  }

  /** The library's write buffer is empty again. */
  bufferDrained(): void {
    this.#bufferFull = false;
    if (this.#waiting) this.#look();
  }

  /** The broker holds the link back, or no longer does. */
  setBlocked(blocked: boolean): void {
    this.#blocked = blocked;
    if (this.#waiting) this.#look();
  }

  #look(): void {
    // Only at half the limit, so that owner and link do not take turns message by message.
    if (this.#blocked || this.#bufferFull || this.#bytes > this.#limitBytes / 2) return;
    this.#waiting = false;
    this.#onDrain();
  }
}
