/**
 * Which machine is which: the newest base information of every 序列号, in `device_info.machine`, one document each.
 *
 * A document holds every field of the base information, flat, with `_id` = 序列号, `_base` = the `_id` of that base
 * information, and `_order` = when it was accepted (`_accepted` where `_clock` is trusted, else `_received`).
 *
 * Invariants: "newest" is decided by `compareBase` alone, never by 报文时间. A document is only ever replaced by a newer
 * one, also when several copies of the centre write at once: each replaces exactly what it has compared with.
 * Failure behaviour: `take` rejects with `database-unreachable`; what it was given is given again then, and may have
 * been written or not. Nothing may be acknowledged before it has resolved.
 */
import type { Logger } from '../platform/index.ts';
import type { CollectionName, DocumentStore, StoredDocument, StoredValue } from '../store/index.ts';
import { queryKeys } from './wire.ts';

/** Where the registry is. */
export const machineCollection: CollectionName = { database: 'device_info', collection: 'machine' };
const baseCollection: CollectionName = { database: 'device_info', collection: 'device_base' };

/** Base information that is in the database. */
export interface StoredBase {
  readonly document: StoredDocument;
  /** It was there before: its document tells when it was received now, the stored one when it was first. */
  readonly isDuplicate: boolean;
}

const updatesAtOnce = 16;
const triesAtMost = 20;

/**
 * Orders two pieces of base information of one machine: above 0 when `one` was accepted after `other`. Within one
 * gateway by `_seq`; between gateways by `_accepted` when both clocks were trusted, else by `_received`. 0 when nothing
 * tells them apart.
 */
export function compareBase(one: StoredDocument, other: StoredDocument): number {
  const sameGateway = typeof one._gateway === 'string' && one._gateway === other._gateway;
  if (sameGateway && typeof one._seq === 'bigint' && typeof other._seq === 'bigint' && one._seq !== other._seq) {
    return one._seq > other._seq ? 1 : -1;
  }
  if (isTrusted(one) && isTrusted(other)) {
    const difference = timeOf(one._accepted) - timeOf(other._accepted);
    if (difference !== 0) return difference;
  }
  return timeOf(one._received) - timeOf(other._received);
}

const isTrusted = (document: StoredDocument) => document._clock === 'trusted' && document._accepted instanceof Date;
const timeOf = (value: StoredValue | undefined) => (value instanceof Date ? value.getTime() : Number.NEGATIVE_INFINITY);

/** The document of the registry for a base information. */
export function registryDocument(base: StoredDocument): StoredDocument {
  const order = isTrusted(base) ? base._accepted : base._received;
  return { ...base, _id: String(base[queryKeys.serial]), _base: base._id, _order: order ?? null };
}

/** What a registry is made of. */
export interface MachineRegistryOptions {
  readonly store: DocumentStore;
  readonly logger: Logger;
}

interface Candidate {
  readonly base: StoredDocument;
  readonly isDuplicate: boolean;
}

export class MachineRegistry {
  readonly #store: DocumentStore;
  readonly #logger: Logger;

  constructor({ store, logger }: MachineRegistryOptions) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Takes base information that has just been stored, in its order; resolves once the registry has it safe. */
  async take(stored: readonly StoredBase[]): Promise<void> {
    if (stored.length === 0) return;
    const newest = newestOfEach(await this.#asStored(stored));
    const present = await this.#read([...newest.keys()]);
    const unknown = [...newest].filter(([serial]) => !present.has(serial));
    const later = [...newest].filter(([serial]) => present.has(serial));
    if (unknown.length > 0) {
      const documents = unknown.map(([serial, { base }]) => ({ document: registryDocument(base), series: serial }));
      const outcomes = await this.#store.insertBatch(machineCollection, documents);
      for (const [index, entry] of unknown.entries()) {
        const outcome = outcomes[index]!;
        // Another copy of the centre was faster with this machine.
        if (outcome.kind === 'duplicate') later.push(entry);
        if (outcome.kind === 'error') {
          this.#logger.error({ serial: entry[0], reason: outcome.reason }, 'the database refused a machine');
        }
      }
    }
    for (let start = 0; start < later.length; start += updatesAtOnce) {
      const part = later.slice(start, start + updatesAtOnce);
      await Promise.all(part.map(([serial, candidate]) => this.#replace(serial, candidate, present.get(serial))));
    }
  }

  /** The newest base information of the machines that are known, by 序列号. */
  async read(serials: readonly string[]): Promise<ReadonlyMap<string, StoredDocument>> {
    return this.#read(serials);
  }

  /** A repeat's own document says that it was received now; the one that was kept knows better. */
  async #asStored(stored: readonly StoredBase[]): Promise<Candidate[]> {
    const repeated = stored.filter(({ isDuplicate }) => isDuplicate).map(({ document }) => document._id);
    const kept = new Map<string, StoredDocument>();
    if (repeated.length > 0) {
      const found = await this.#store.find(baseCollection, { filter: { _id: { oneOf: repeated } } });
      for (const document of found) kept.set(document._id, document);
    }
    return stored.map(({ document, isDuplicate }) => ({ base: kept.get(document._id) ?? document, isDuplicate }));
  }

  async #read(serials: readonly string[]): Promise<Map<string, StoredDocument>> {
    if (serials.length === 0) return new Map();
    const found = await this.#store.find(machineCollection, { filter: { _id: { oneOf: serials } } });
    return new Map(found.map((document) => [document._id, document]));
  }

  async #replace(serial: string, candidate: Candidate, seen: StoredDocument | undefined): Promise<void> {
    const next = registryDocument(candidate.base);
    let present = seen;
    for (let tries = 0; tries < triesAtMost; tries++) {
      present ??= (await this.#read([serial])).get(serial);
      if (present === undefined) {
        await this.#store.insertBatch(machineCollection, [{ document: next, series: serial }]);
        continue;
      }
      if (present._base === next._base && surplus(present, next).length === 0) return;
      if (present._base !== next._base && !isLater(candidate, present)) return;
      const { _id, ...set } = next;
      // In one step, so that nothing newer is replaced that another copy of the centre enters meanwhile.
      const unset = surplus(present, next);
      const filter = { _base: present._base as string };
      const written = await this.#store.update(machineCollection, serial, { set, unset }, { filter });
      if (written !== undefined) return;
      present = undefined;
    }
    this.#logger.warn({ serial }, 'a machine changes too fast for its base information to be entered');
  }
}

/** The newest of each machine; of two that nothing tells apart the later in the list. */
function newestOfEach(candidates: readonly Candidate[]): Map<string, Candidate> {
  const newest = new Map<string, Candidate>();
  for (const candidate of candidates) {
    const serial = String(candidate.base[queryKeys.serial]);
    const other = newest.get(serial);
    if (other === undefined || compareBase(candidate.base, other.base) >= 0) newest.set(serial, candidate);
  }
  return newest;
}

/** Of two that nothing tells apart the later to arrive counts, unless it is a repeat: that may be of the older one. */
function isLater({ base, isDuplicate }: Candidate, present: StoredDocument): boolean {
  const order = compareBase(base, present);
  return isDuplicate ? order > 0 : order >= 0;
}

/** The fields that only the first has. */
const surplus = (document: StoredDocument, than: StoredDocument): string[] =>
  Object.keys(document).filter((key) => !Object.hasOwn(than, key));
