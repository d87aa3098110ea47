/**
 * What the centre has to tell gateways: an outbox in the database (`gateway.push`), and the pump that empties it.
 *
 * A document: `_id` = `<gateway> <key> <version>`, `gateway`, `key`, `version`, `body` (bytes), `at`. Of one gateway and
 * key only the newest version matters; older ones are dropped with it.
 *
 * Invariants: `push` resolves once the outbox has it; it is removed only after the courier has said that the broker (or
 * the gateway itself) has it safe. Every copy of the centre empties the outbox, so one may be published twice, also
 * after a newer one: gateways go by the version in the body.
 * Failure behaviour: while the broker or a gateway cannot be reached the outbox keeps everything; it is tried again with
 * growing pauses for each gateway, and at once when a message of that gateway arrives.
 */
import { describeError, isHoldfastError } from '../errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import type { CollectionName, DocumentStore, StoredDocument } from '../store/index.ts';
import type { Gateways, Via } from './gateways.ts';
import type { CentralCounters } from './metrics.ts';
import { Pauses } from './pauses.ts';

/** Where the outbox is. */
export const pushCollection: CollectionName = { database: 'gateway', collection: 'push' };

/** Brings control messages to gateways. */
export interface Courier {
  /** Resolves with true once the message is safe on the other side; false when it cannot be brought now. */
  deliver(gateway: string, via: Via | undefined, body: Buffer): Promise<boolean>;
}

/** A message for a gateway. */
export interface Push {
  readonly gateway: string;
  /** What it is about; a newer message with the same key takes its place. */
  readonly key: string;
  /** Rises with each message of a gateway and key. */
  readonly version: bigint;
  readonly body: Buffer;
}

/** What the outbox is made of. */
export interface ControlPushOptions {
  readonly store: DocumentStore;
  readonly gateways: Gateways;
  readonly courier: Courier;
  readonly counters: CentralCounters;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Done at each look, before the outbox is read: changes that are not yet in it. */
  readonly before?: () => Promise<unknown>;
  /** How often the outbox is looked through for what other processes have put there, in ms. */
  readonly lookMs?: number;
}

const gatewaysAtOnce = 16;
const pageSize = 200;
const firstPauseMs = 1000;
const longestPauseMs = 60_000;

export class ControlPush {
  readonly #options: ControlPushOptions;
  /** Gateways that could not be reached,, when they were tried (monotonic ms) and how long they rest. */
  readonly #resting = new Map<string, { triedMs: number; pauseMs: number }>();
  readonly #busy = new Set<string>();
  /** Of the busy ones, those that got something new meanwhile. */
  readonly #again = new Set<string>();
  #pauses: Pauses | undefined;
  #looking: Promise<void> = Promise.resolve();
  readonly #work = new Set<Promise<void>>();
  #stamp = 0n;
  #failing = false;

  constructor(options: ControlPushOptions) {
    this.#options = options;
    options.gateways.onSeen((gateway) => {
      const rest = this.#resting.get(gateway);
      if (rest !== undefined && options.clock.monotonicMs() - rest.triedMs >= firstPauseMs) this.wake(gateway);
    });
  }

  /**
   * Puts a message into the outbox of a gateway; resolves once it is safe there, and brings it at once. Without
   * `version` it counts as newer than every one of that key before (by this process, else by the wall clock).
   */
  async push(gateway: string, key: string, body: Buffer, version: bigint = this.#nextStamp()): Promise<void> {
    await this.pushAll([{ gateway, key, body, version }]);
  }

  /** The same for several messages. */
  async pushAll(pushes: readonly Push[]): Promise<void> {
    if (pushes.length === 0) return;
    const at = new Date(this.#options.clock.wallMs());
    const documents = pushes.map(({ gateway, key, version, body }) => {
      const _id = `${gateway} ${key} ${version}`;
      return { document: { _id, gateway, key, version, body, at }, series: _id };
    });
    for (const outcome of await this.#options.store.insertBatch(pushCollection, documents)) {
      if (outcome.kind === 'error') throw new Error(`the database refused a message for a gateway: ${outcome.reason}`);
    }
    for (const { gateway } of pushes) this.wake(gateway);
  }

  /** The ids of all gateways that were ever seen. */
  gateways(): Promise<string[]> {
    return this.#options.gateways.gateways();
  }

  /** See `Gateways.onNewGateway`. */
  onNewGateway(listener: (gatewayId: string) => Promise<void>): void {
    this.#options.gateways.onNewGateway(listener);
  }

  /** How many messages wait for their gateways. */
  waiting(): Promise<number> {
    return this.#options.store.count(pushCollection);
  }

  /** Begins to empty the outbox. Idempotent. */
  start(): void {
    if (this.#pauses !== undefined) return;
    const pauses = new Pauses(this.#options.clock);
    this.#pauses = pauses;
    this.#looking = this.#look(pauses);
  }

  /** Finishes what is under way. Idempotent. */
  async stop(): Promise<void> {
    const pauses = this.#pauses;
    if (pauses === undefined) return;
    pauses.endAll();
    await this.#looking;
    await Promise.all(this.#work);
    this.#pauses = undefined;
  }

  /** Brings what waits for a gateway now, also one that could not be reached before: it has just come back. */
  wake(gateway: string): void {
    if (this.#pauses === undefined || this.#pauses.over) return;
    this.#resting.delete(gateway);
    this.#begin(gateway);
  }

  async #look(pauses: Pauses): Promise<void> {
    const { store, clock, logger, before, lookMs = 500 } = this.#options;
    while (!pauses.over) {
      try {
        await before?.();
        const waiting = await store.distinct(pushCollection, 'gateway');
        const nowMs = clock.monotonicMs();
        for (const gateway of waiting) {
          if (pauses.over) break;
          if (this.#work.size >= gatewaysAtOnce) await Promise.race(this.#work);
          const rest = this.#resting.get(gateway);
          if (rest === undefined || nowMs - rest.triedMs >= rest.pauseMs) this.#begin(gateway);
        }
        for (const gateway of this.#resting.keys()) if (!waiting.includes(gateway)) this.#resting.delete(gateway);
        this.#failing = false;
      } catch (error) {
        // The centre says itself when the database is away.
        if (!isHoldfastError(error, 'database-unreachable') && !this.#failing) {
          logger.error({ error: describeError(error) }, 'changes cannot be told to the gateways; trying again');
        }
        this.#failing = true;
      }
      await pauses.pause(lookMs);
    }
  }

  #begin(gateway: string): void {
    if (this.#busy.has(gateway)) {
      this.#again.add(gateway);
      return;
    }
    this.#busy.add(gateway);
    const work = this.#empty(gateway)
      .catch((error) => {
        this.#rest(gateway);
        this.#options.logger.warn({ gateway, error: describeError(error) }, 'a gateway could not be told of changes');
      })
      .finally(() => {
        this.#busy.delete(gateway);
        this.#work.delete(work);
        if (this.#again.delete(gateway) && this.#pauses?.over === false) this.#begin(gateway);
      });
    this.#work.add(work);
  }

  /** Brings everything that waits for a gateway, until nothing does or the gateway cannot be reached. */
  async #empty(gateway: string): Promise<void> {
    const { store, gateways, courier, counters } = this.#options;
    const sort = [
      ['gateway', 1],
      ['key', 1],
      ['version', 1],
    ] as const;
    while (this.#pauses?.over === false) {
      const page = await store.find(pushCollection, { filter: { gateway }, sort, limit: pageSize });
      if (page.length === 0) {
        this.#resting.delete(gateway);
        return;
      }
      const via = await gateways.viaOf(gateway);
      for (const { key, version, body } of newestOfEach(page)) {
        if (!(await courier.deliver(gateway, via, Buffer.from(body as Uint8Array)))) {
          counters.pushesPutOff++;
          this.#rest(gateway);
          return;
        }
        counters.pushes++;
        const filter = { gateway, key: key as string, version: { atMost: version as bigint } };
        await store.remove(pushCollection, filter);
      }
    }
  }

  #rest(gateway: string): void {
    const pauseMs = Math.min(longestPauseMs, (this.#resting.get(gateway)?.pauseMs ?? firstPauseMs / 2) * 2);
    this.#resting.set(gateway, { pauseMs, triedMs: this.#options.clock.monotonicMs() });
  }

  #nextStamp(): bigint {
    const now = BigInt(this.#options.clock.wallMs()) * 1000n;
    this.#stamp = now > this.#stamp ? now : this.#stamp + 1n;
    return this.#stamp;
  }
}

/** Of a page in the order of keys and versions, the newest of each key. */
function newestOfEach(page: readonly StoredDocument[]): StoredDocument[] {
  return page.filter(({ key }, index) => page[index + 1]?.key !== key);
}
