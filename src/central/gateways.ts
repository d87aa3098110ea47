/**
 * Which gateways there are, how each was seen last, and which of them has seen which machine: who is told of a change.
 *
 * `gateway.gateway`: `_id` = the gateway, `first`, `last` (Date, to the minute), `via` (how it talks to the broker).
 * `device_info.device_gateway`: `_id` = `<gateway> <序列号>`, `gateway`, `serial`, `first`.
 *
 * Invariants: an entry is in the database before what brought it is answered, so that a change made after the answer
 * finds the gateway. Every listener of `onNewGateway` has been called, and has resolved, for each gateway that is there.
 * Failure behaviour: rejects with `database-unreachable`; the same is noted again then. What is known to be noted is
 * kept in memory within limits; what was forgotten costs one more write.
 */
import type { Clock } from '../platform/index.ts';
import { isSerial } from '../protocols/machines/index.ts';
import type { CollectionName, DocumentStore } from '../store/index.ts';

/** Where gateways are kept. */
export const gatewayCollection: CollectionName = { database: 'gateway', collection: 'gateway' };
/** Where it is kept which gateway has seen which machine. */
export const deviceGatewayCollection: CollectionName = { database: 'device_info', collection: 'device_gateway' };

/** How a gateway talks to the broker: its control messages go the same way. */
export type Via = 'amqp' | 'mqtt';

/** A gateway's message: who, how, and the machine when its base information or a query of it came. */
export interface Sighting {
  readonly gateway: string | undefined;
  readonly via: Via | undefined;
  /** undefined when the message tells nothing about where a machine is. */
  readonly serial: string | undefined;
  /** The message was base information: the machine may have another customer now. */
  readonly isBase?: boolean;
}

/** What `Gateways` is made of. */
export interface GatewaysOptions {
  readonly store: DocumentStore;
  readonly clock: Clock;
}

/** `last` is written so often at most, per gateway and copy of the centre, in ms. */
const refreshMs = 60_000;
const knownPairs = 100_000;
const knownGateways = 10_000;

export class Gateways {
  readonly #store: DocumentStore;
  readonly #clock: Clock;
  readonly #seen = new Map<string, { readonly via: Via; readonly atMs: number }>();
  readonly #pairs = new Set<string>();
  readonly #onNew: ((gatewayId: string) => Promise<void>)[] = [];
  readonly #onSeen: ((gatewayId: string) => void)[] = [];
  readonly #onMachine: ((gatewayId: string) => void)[] = [];

  constructor({ store, clock }: GatewaysOptions) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Calls `listener` for each gateway that was not known before, before anything of it is answered. It may be called
   * twice for one (by two copies of the centre, or again after it has rejected, which keeps the gateway's message).
   */
  onNewGateway(listener: (gatewayId: string) => Promise<void>): void {
    this.#onNew.push(listener);
  }

  /**
   * Calls `listener` when a gateway sees a machine that it had not seen before, and for each base information of one; it
   * must be quick.
   */
  onMachine(listener: (gatewayId: string) => void): void {
    this.#onMachine.push(listener);
  }

  /** Calls `listener` for each message of a gateway; it must be quick. */
  onSeen(listener: (gatewayId: string) => void): void {
    this.#onSeen.push(listener);
  }

  /** Notes what messages tell. Resolves at once when nothing of it is new. */
  async note(sightings: Iterable<Sighting>): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const gateways = new Map<string, Via>();
    const pairs = new Map<string, { gateway: string; serial: string }>();
    const present = new Set<string>();
    const told = new Set<string>();
    for (const { gateway, via, serial, isBase } of sightings) {
      if (via === undefined || !isSerial(gateway)) continue;
      present.add(gateway);
      const seen = this.#seen.get(gateway);
      if (seen === undefined || seen.via !== via || nowMs - seen.atMs >= refreshMs) gateways.set(gateway, via);
      if (serial === undefined) continue;
      if (isBase) told.add(gateway);
      const pair = `${gateway} ${serial}`;
      if (!this.#pairs.has(pair)) pairs.set(pair, { gateway, serial });
    }
    for (const [gateway, via] of gateways) await this.#noteGateway(gateway, via, nowMs);
    if (pairs.size > 0) for (const gateway of await this.#notePairs(pairs)) told.add(gateway);
    for (const gateway of told) for (const listener of this.#onMachine) listener(gateway);
    for (const gateway of present) for (const listener of this.#onSeen) listener(gateway);
  }

  /** The ids of all gateways that were ever seen. */
  async gateways(): Promise<string[]> {
    return (await this.#store.find(gatewayCollection)).map(({ _id }) => _id);
  }

  /** The gateways that have seen a machine. */
  async gatewaysOf(serial: string): Promise<string[]> {
    return this.#store.distinct(deviceGatewayCollection, 'gateway', { serial });
  }

  /** How a gateway was seen last, by any copy of the centre; undefined for one that never was. */
  async viaOf(gatewayId: string): Promise<Via | undefined> {
    const [found] = await this.#store.find(gatewayCollection, { filter: { _id: gatewayId }, limit: 1 });
    return found?.via === 'amqp' || found?.via === 'mqtt' ? found.via : undefined;
  }

  async #noteGateway(gateway: string, via: Via, nowMs: number): Promise<void> {
    const now = new Date(this.#clock.wallMs());
    const change = { set: { via, last: now }, setOnInsert: { first: now, announced: false } };
    const entry = await this.#store.update(gatewayCollection, gateway, change, { insert: true });
    if (entry?.announced !== true) {
      // First it is in the list, then it is told: whoever goes through the list meanwhile misses no one.
      for (const listener of this.#onNew) await listener(gateway);
      await this.#store.update(gatewayCollection, gateway, { set: { announced: true } });
    }
    if (this.#seen.size >= knownGateways) this.#seen.clear();
    this.#seen.set(gateway, { via, atMs: nowMs });
  }

  /** Resolves with the gateways of those that are new. */
  async #notePairs(pairs: ReadonlyMap<string, { gateway: string; serial: string }>): Promise<string[]> {
    const first = new Date(this.#clock.wallMs());
    const documents = [...pairs].map(([id, { gateway, serial }]) => ({
      document: { _id: id, gateway, serial, first },
      series: id,
    }));
    const outcomes = await this.#store.insertBatch(deviceGatewayCollection, documents);
    if (this.#pairs.size + pairs.size > knownPairs) this.#pairs.clear();
    const entries = [...pairs].map(([id, { gateway }], index) => ({ id, gateway, outcome: outcomes[index]!.kind }));
    for (const { id, outcome } of entries) if (outcome !== 'error') this.#pairs.add(id);
    return entries.filter(({ outcome }) => outcome === 'inserted').map(({ gateway }) => gateway);
  }
}
