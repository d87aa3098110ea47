/**
 * Stores reports and makes their answers, however they came: AMQP, RabbitMQ's MQTT plugin, the embedded broker.
 *
 * Invariants: an answer says "stored" only once the database has the report (`DocumentStore.insertBatch`); one `_id` is
 * stored once and answered as often as it comes; within a batch the reports of a machine and channel are inserted in
 * their order, and none after one that was refused.
 * Failure behaviour: rejects with `database-unreachable`; then nothing may be acknowledged, and the whole batch is given
 * again. A malformed message is kept in `device_info.rejected` and answered for good; a report that the database
 * refuses while it takes others is answered with `storage-failed`, which a gateway repeats.
 */
import { isDeepStrictEqual } from 'node:util';
import type { MachineRegistry, StoredBase } from '../documents/index.ts';
import { type Origin, type TimeReader, timeKeyOf, toDocument } from '../documents/index.ts';
import type { Clock, Logger, SiteTime } from '../platform/index.ts';
import {
  type MachineChannel,
  type ReplyWriter,
  type TextId,
  type Validation,
  validateReport,
} from '../protocols/machines/index.ts';
import { type DocumentStore, Double, type NewDocument, type StoredDocument } from '../store/index.ts';
import type { Gateways, Via } from './gateways.ts';
import type { CentralCounters } from './metrics.ts';
import { contentId, documentId, maxBodyBytes, rejectedCollection, rejection } from './rejection.ts';

/** A message as it arrived. */
export interface Arrival extends Omit<Origin, 'id'> {
  readonly channel: string;
  readonly body: Buffer;
  /** undefined from a machine that talks to the centre directly. */
  readonly messageId: string | undefined;
  /** How it came. */
  readonly via?: Via | undefined;
}

/** What became of a message, and what its sender is told. */
export interface Answer {
  readonly outcome:
    | 'stored'
    | 'duplicate'
    | 'malformed'
    | 'failed'
    | 'unknown-channel'
    | 'granted'
    | 'refused'
    | 'dropped';
  /** 序列号 or gateway that the answer is for; undefined when the message named none that is usable. */
  readonly serial: string | undefined;
  /** undefined: no answer is given. */
  readonly body: Buffer | undefined;
}

/** Takes messages and answers each; rejects with `database-unreachable`, and is given the same again then. */
export interface Taker {
  take(arrivals: readonly Arrival[]): Promise<Answer[]>;
}

/** What an Ingest is made of. */
export interface IngestOptions {
  readonly store: DocumentStore;
  /** Told of base information before it is answered. */
  readonly registry: Pick<MachineRegistry, 'take'>;
  /** Told of the gateways that messages come from, before these are answered. */
  readonly gateways: Pick<Gateways, 'note'>;
  /** Channels that are stored, by name. */
  readonly channels: ReadonlyMap<string, MachineChannel>;
  readonly siteTime: SiteTime;
  readonly replies: ReplyWriter;
  readonly counters: CentralCounters;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Item {
  readonly arrival: Arrival;
  readonly channel: MachineChannel;
  readonly validation: Validation | { ok: false; serial: undefined; state: undefined; reason: string; key: undefined };
  insert: NewDocument;
  outcome: Answer['outcome'] | undefined;
}

interface Group {
  readonly target: { readonly database: string; readonly collection: string };
  readonly items: Item[];
}

export class Ingest implements Taker {
  readonly #options: IngestOptions;
  readonly #times = new Map<string, TimeReader>();
  #lagMs = 0;

  constructor(options: IngestOptions) {
    this.#options = options;
  }

  /** From a gateway's acceptance to storage, of the report stored last, in ms; as exact as the two clocks. */
  get lagMs(): number {
    return this.#lagMs;
  }

  /** Stores a batch in its order and resolves with an answer for each message. */
  async take(arrivals: readonly Arrival[]): Promise<Answer[]> {
    const items = arrivals.map((arrival) => this.#read(arrival));
    const groups = new Map<string, Group>();
    for (const item of items) {
      if (item === undefined) continue;
      const target = item.validation.ok ? item.channel : rejectedCollection;
      const name = `${target.database}.${target.collection}`;
      const group = groups.get(name);
      if (group === undefined) groups.set(name, { target, items: [item] });
      else group.items.push(item);
    }
    await Promise.all([...groups.values()].map((group) => this.#store(group)));
    await this.#follow(items);
    this.#count(items);
    const time = this.#options.siteTime.format(this.#options.clock.wallMs());
    return items.map((item, index) => this.#answer(arrivals[index]!, item, time));
  }

  #read(arrival: Arrival): Item | undefined {
    const channel = this.#options.channels.get(arrival.channel);
    if (channel === undefined) return undefined;
    const { body } = arrival;
    const validation =
      body.length > maxBodyBytes
        ? ({ ok: false, serial: undefined, state: undefined, reason: 'too-large', key: undefined } as const)
        : validateReport(channel, body);
    const id = documentId(arrival);
    const insert = validation.ok
      ? { document: toDocument(body, { ...arrival, id }, this.#timeOf(channel)), series: validation.serial }
      : rejection(arrival, id, validation.reason, validation.key, validation.serial);
    return { arrival, channel, validation, insert, outcome: undefined };
  }

  async #store({ target, items }: Group): Promise<void> {
    const outcomes = await this.#options.store.insertBatch(
      target,
      items.map(({ insert }) => insert),
    );
    const lost: Item[] = [];
    for (const [index, item] of items.entries()) {
      const result = outcomes[index]!;
      if (!item.validation.ok) item.outcome = 'malformed';
      else item.outcome = result.kind === 'inserted' ? 'stored' : result.kind === 'error' ? 'failed' : 'duplicate';
      if (result.kind !== 'error') continue;
      const { document } = item.insert;
      this.#options.logger.error(
        { ...target, id: document._id, reason: result.reason },
        'the database refused a document; its sender is told',
      );
      if (item.validation.ok && item.arrival.messageId === undefined) lost.push(item);
    }
    const doubtful = items.filter(
      ({ arrival, outcome }) =>
        outcome === 'duplicate' && arrival.gateway === undefined && arrival.messageId !== undefined,
    );
    if (doubtful.length > 0) await this.#storeUnderOwnId(target, doubtful);
    // A gateway keeps what was refused; a machine that talks to the centre directly may not.
    if (lost.length === 0) return;
    const kept = lost.map(({ arrival, insert, validation }) =>
      rejection(arrival, insert.document._id, 'storage-failed', undefined, validation.serial),
    );
    await this.#options.store.insertBatch(rejectedCollection, kept);
  }

  /**
   * A machine's own `message_id` may be another's, or count from one again after a start. What stands under it with
   * another content is another report: this one is stored under the id of its content.
   */
  async #storeUnderOwnId(target: Group['target'], items: readonly Item[]): Promise<void> {
    const { store } = this.#options;
    const others: Item[] = [];
    for (const item of items) {
      const { document, series } = item.insert;
      const [stored] = await store.find(target, { filter: { _id: document._id } });
      if (stored === undefined || isDeepStrictEqual(content(stored), content(document))) continue;
      item.insert = { document: { ...document, _id: contentId(item.arrival) }, series };
      others.push(item);
    }
    if (others.length === 0) return;
    const outcomes = await store.insertBatch(
      target,
      others.map(({ insert }) => insert),
    );
    for (const [index, item] of others.entries()) {
      const { kind } = outcomes[index]!;
      item.outcome = kind === 'inserted' ? 'stored' : kind === 'error' ? 'failed' : 'duplicate';
    }
  }

  /** What hangs on reports that are stored. A repeat counts as well: the first time may have ended before this. */
  async #follow(items: readonly (Item | undefined)[]): Promise<void> {
    const bases: StoredBase[] = [];
    const sightings = [];
    for (const item of items) {
      if (item === undefined) continue;
      const { gateway, via } = item.arrival;
      const isStored = item.outcome === 'stored' || item.outcome === 'duplicate';
      const isBase = isStored && item.channel.kind === 'base';
      if (isBase) bases.push({ document: item.insert.document, isDuplicate: item.outcome === 'duplicate' });
      if (isStored) sightings.push({ gateway, via, serial: isBase ? item.validation.serial : undefined, isBase });
    }
    // In this order: whoever hears of a machine at a gateway finds it in the registry.
    await this.#options.registry.take(bases);
    await this.#options.gateways.note(sightings);
  }

  #count(items: readonly (Item | undefined)[]): void {
    const { counters, clock } = this.#options;
    for (const item of items) {
      switch (item?.outcome) {
        case 'stored':
          counters.stored++;
          break;
        case 'duplicate':
          counters.duplicates++;
          break;
        case 'malformed':
          counters.rejected++;
          break;
        case 'failed':
          counters.failed++;
          break;
        default:
          counters.unknownChannel++;
      }
    }
    const acceptedMs = items.findLast((item) => item?.outcome === 'stored')?.arrival.acceptedMs;
    if (acceptedMs !== undefined) this.#lagMs = Math.max(0, clock.wallMs() - acceptedMs);
  }

  #answer(arrival: Arrival, item: Item | undefined, time: string): Answer {
    const outcome = item?.outcome ?? 'unknown-channel';
    let text: TextId | undefined;
    if (outcome === 'malformed') text = 'malformed';
    else if (outcome === 'failed' || outcome === 'unknown-channel') text = 'storage-failed';
    const serial = item?.validation.serial;
    const channel = item?.channel ?? ({ kind: 'extra', table: arrival.channel } as const);
    const body = this.#options.replies.report({
      channel,
      serial,
      state: item?.validation.state,
      text,
      time,
      withCode: true,
    });
    return { outcome, serial, body };
  }

  #timeOf(channel: MachineChannel): TimeReader {
    let reader = this.#times.get(channel.name);
    if (reader === undefined) {
      const { siteTime } = this.#options;
      reader = { key: timeKeyOf(channel), parse: (text) => siteTime.parse(text) ?? isoTime(text) };
      this.#times.set(channel.name, reader);
    }
    return reader;
  }
}

/** What two documents of the same report have in common; a store gives decimals back without their wrapper. */
function content({ _received, ...fields }: StoredDocument): unknown {
  const plain = (_key: string, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value instanceof Double ? value.value : value;
  return JSON.parse(JSON.stringify(fields, plain));
}

/** An instant with its offset from UTC, as the gateway's own bodies may have it. */
function isoTime(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const timeMs = Date.parse(text);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}
