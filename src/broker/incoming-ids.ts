/**
 * The QoS 2 messages of one session between PUBLISH and PUBREL. An id is `stored` once its report is on disk; until
 * then a repeat of the same id waits for the first, so that it neither is stored twice nor acknowledged too early.
 */
export class IncomingIds {
  readonly #ids = new Map<
    number,
    { readonly connection: unknown; readonly stored: Promise<boolean>; readonly settle: (isStored: boolean) => void }
  >();

  get size(): number {
    return this.#ids.size;
  }

  /**
   * Resolves to true when `id` is new: then the caller stores its report and calls `stored` or `failed`. Resolves to
   * false when the report of that id is on disk. Two calls in one turn never both get true.
   *
   * An id that an earlier connection left behind is new when its message does not say that it is a repeat: the client has
   * forgotten the handshake, as it has to when it is told that there is no session.
   */
  async claim(id: number, { connection, isRepeat }: { connection: unknown; isRepeat: boolean }): Promise<boolean> {
    for (;;) {
      const entry = this.#ids.get(id);
      if (entry === undefined) break;
      if (!(await entry.stored)) continue;
      if (isRepeat || entry.connection === connection) return false;
      if (this.#ids.get(id) === entry) this.#ids.delete(id);
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#ids.set(id, { connection, stored: promise, settle: resolve });
    return true;
  }

  /** The report of that id is on disk. */
  stored(id: number): void {
    this.#ids.get(id)?.settle(true);
  }

  /** The report of that id could not be stored: the id is unknown again, and its next message is a new one. */
  failed(id: number): void {
    const entry = this.#ids.get(id);
    this.#ids.delete(id);
    entry?.settle(false);
  }

  /** Resolves to whether the report of that id is on disk, once that is known. */
  async has(id: number): Promise<boolean> {
    const entry = this.#ids.get(id);
    return entry === undefined ? false : entry.stored;
  }

  /** The handshake is over. */
  release(id: number): void {
    this.#ids.delete(id);
  }
}
