/** More are answered when their clients ask again. */
const maxWaiting = 100_000;

/** Reports of flows that were stored by this process and not delivered yet, oldest first. */
export class Waiting {
  /** Name to channel, in the order of acceptance. */
  readonly #reports = new Map<string, string>();
  /** Channel to name and sequence: the reports of a channel are in one lane, so the oldest of them go first. */
  readonly #channels = new Map<string, Map<string, number>>();

  has(origin: string): boolean {
    return this.#reports.has(origin);
  }

  add(origin: string, channel: string, sequence: number): void {
    this.#reports.set(origin, channel);
    let reports = this.#channels.get(channel);
    if (reports === undefined) {
      reports = new Map();
      this.#channels.set(channel, reports);
    }
    reports.set(origin, sequence);
    if (this.#reports.size > maxWaiting) this.remove(this.#reports.keys().next().value!);
  }

  remove(origin: string): void {
    const channel = this.#reports.get(origin);
    if (channel === undefined) return;
    this.#reports.delete(origin);
    this.#channels.get(channel)!.delete(origin);
  }

  /** For each channel name and sequence, oldest first; what is removed meanwhile is passed over. */
  channels(): ReadonlyMap<string, number>[] {
    return [...this.#channels.values()];
  }
}
