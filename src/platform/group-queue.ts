/**
 * Calls that wait for the device, which are answered in groups: one group at a time is on its way, and what arrives
 * meanwhile is the next one. What becomes of a group is the owner's matter: `writeGroup` takes calls from the front of
 * `calls`, at least one, answers each of them, and does not throw.
 */
export class GroupQueue<Call> {
  /** Those that no group has taken yet, in their order. */
  readonly calls: Call[] = [];
  readonly #writeGroup: () => Promise<void>;
  #isWorking = false;
  #work: Promise<void> = Promise.resolve();

  constructor(writeGroup: () => Promise<void>) {
    this.#writeGroup = writeGroup;
  }

  add(call: Call): void {
    this.calls.push(call);
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#work = this.#empty();
  }

  /** Resolves when the calls added before it are answered. */
  settle(): Promise<void> {
    return this.#work;
  }

  async #empty(): Promise<void> {
    // What is asked for in the same turn of the event loop goes into the same group.
    await Promise.resolve();
    while (this.calls.length > 0) await this.#writeGroup();
    this.#isWorking = false;
  }
}
