/** Quick enough that handing it to another thread and back is a good part of it. */
const quickMs = 0.4;
/** So many quick ones in a row make a device quick; one that takes longer than `slowMs` ends that. */
const quickInARow = 64;
const slowMs = 1;

/**
 * Whether small syncs of a file are waited for at once, instead of in another thread. Where a device has a safe cache and
 * syncs in 0.2 ms, the way there and back makes an append a sixth slower; on a memory card, and whenever the event loop is
 * busy, it is the only way.
 */
export class SyncPace {
  #quick = 0;

  get isQuick(): boolean {
    return this.#quick >= quickInARow;
  }

  /** A small sync has taken so long. Through the event loop it seems longer, the busier that is: then it stays there. */
  note(milliseconds: number): void {
    if (!this.isQuick) this.#quick = milliseconds > quickMs ? 0 : this.#quick + 1;
    else if (milliseconds > slowMs) this.#quick = 0;
  }
}
