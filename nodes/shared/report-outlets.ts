import type { Waiter } from './report-store.ts';

/** What became of a report, for everybody who listens. */
export interface ReportEvent {
  readonly state: 'stored' | 'delivered' | 'failed';
  readonly id: string;
  /** Unknown of a report that an earlier Node-RED sent. */
  readonly channel: string | undefined;
  readonly sequence: number | undefined;
  /** Why it failed. */
  readonly code?: string | undefined;
  readonly text?: string | undefined;
}

/** What a report node does with the news of its reports. */
export type Outlet = (event: ReportEvent, waiter: Waiter) => void;

/** News for a node that is being made anew; more than so many cannot wait, because no more reports can. */
const maxHeld = 10_000;

/**
 * Brings the news of a report to the node that sent it, by the node's id: during a deploy the old instance is gone and
 * the new one not yet there, and the news wait.
 */
export class ReportOutlets {
  readonly #outlets = new Map<string, Outlet>();
  readonly #removed = new Set<string>();
  readonly #held = new Map<string, { event: ReportEvent; waiter: Waiter }[]>();

  attach(owner: string, outlet: Outlet): void {
    this.#outlets.set(owner, outlet);
    this.#removed.delete(owner);
    const held = this.#held.get(owner) ?? [];
    this.#held.delete(owner);
    for (const { event, waiter } of held) outlet(event, waiter);
  }

  /** `removed`: no new instance will come, its news go nowhere. Without effect for an instance that was replaced. */
  detach(owner: string, outlet: Outlet, removed: boolean): void {
    if (this.#outlets.get(owner) !== outlet) return;
    this.#outlets.delete(owner);
    if (removed) this.#removed.add(owner);
  }

  emit(event: ReportEvent, waiters: readonly Waiter[]): void {
    for (const waiter of waiters) {
      const outlet = this.#outlets.get(waiter.owner);
      if (outlet) outlet(event, waiter);
      else if (this.#removed.has(waiter.owner)) waiter.done();
      else this.#hold(event, waiter);
    }
  }

  #hold(event: ReportEvent, waiter: Waiter): void {
    const held = this.#held.get(waiter.owner) ?? [];
    this.#held.set(waiter.owner, held);
    if (held.length < maxHeld) held.push({ event, waiter });
    else waiter.done();
  }
}
