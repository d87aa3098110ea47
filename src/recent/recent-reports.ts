/**
 * The newest reports that passed through the box, kept for queries while the centre is away (contracts/machines.md, 'At
 * the gateway').
 *
 * Invariants: a report comes here after it is on the spool's disk, and nobody waits for it; what waits to be written is
 * bounded in number and bytes, and beyond that the oldest is passed over and counted. What is kept is the document that
 * the centre makes of the same report, the newest `keep` of each machine and channel in the order of acceptance, and at
 * most `keepInAll` of each channel. Indexes are made with the first report or query: a box that rests is not to have
 * the store's thread.
 * Failure behaviour: nothing here fails a report. While the store fails there is an alarm, and what comes is passed over
 * once the queue is full; it goes on by itself. After a crash the last moments may be missing.
 */
import type { Alarms } from '../alarms.ts';
import { MachineRegistry, toDocument } from '../documents/index.ts';
import { describeError, HoldfastError } from '../errors.ts';
import type { AcceptedReport } from '../intake/index.ts';
import type { Counters } from '../metrics.ts';
import type { Clock, Logger, SiteTime, Timer } from '../platform/index.ts';
import { type MachineChannel, messageFields } from '../protocols/machines/index.ts';
import { type QueriedStore, queryIndexes } from '../protocols/machines/queries/index.ts';
import type {
  CollectionName,
  DocumentStore,
  IndexDefinition,
  NewDocument,
  SqliteDocumentStore,
} from '../store/index.ts';

/** What the box's cache is made of. */
export interface RecentReportsOptions {
  /** Of its own; started and stopped here. */
  readonly store: SqliteDocumentStore;
  /** Part of each `_id`, which is the `message_id` that the centre stores the report under. */
  readonly gatewayId: string;
  readonly boot: string;
  readonly siteTime: SiteTime;
  readonly keep: number;
  readonly keepInAll: number;
  readonly alarms: Alarms;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: RecentLimits;
}

/** Limits of what waits. */
export interface RecentLimits {
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
  /** A larger report is not kept here: the newest of all machines must not fill the box. */
  readonly maxReportBytes: number;
  /** Reports of one write, and the least pause after each; see `restShare`. */
  readonly batch: number;
  readonly pauseMs: number;
}

export const defaultRecentLimits: RecentLimits = {
  maxQueued: 5000,
  maxQueuedBytes: 8 * 2 ** 20,
  maxReportBytes: 32 * 1024,
  batch: 200,
  pauseMs: 50,
};

/** How it stands, for /healthz. */
export interface RecentState {
  /** Queries are answered, as far as is known. */
  readonly ready: boolean;
  readonly queued: number;
  /** Since the start. */
  readonly kept: number;
  /** Since the start: too many at once, or too large. */
  readonly passedOver: number;
  readonly error?: string;
}

const retryMs = 5000;
/** The pause after a write is so many times as long as the write, as long as reports come in: the processor is theirs. */
const restShare = 9;
const serialKey = messageFields.base.serial.key;
const kinds: ReadonlySet<string> = new Set(['base', 'process', 'error']);

/** The index that says which reports of a machine are the newest: by their acceptance, whatever their own time says. */
const acceptance = ({ database, collection }: CollectionName): IndexDefinition => ({
  database,
  collection,
  name: 'serial_accepted',
  keys: [
    [serialKey, 1],
    ['_seq', -1],
  ],
});

export class RecentReports {
  readonly #options: RecentReportsOptions;
  readonly #limits: RecentLimits;
  readonly #registry: MachineRegistry;
  readonly #bounded = new Set<string>();
  #queue: AcceptedReport[] = [];
  #queuedBytes = 0;
  #kept = 0;
  #passedOver = 0;
  /** Reports that came since the last write began. */
  #came = 0;
  #isOpen = false;
  #error: string | undefined;
  #isStopped = true;
  #timer: Timer | undefined;
  #work: Promise<void> | undefined;

  constructor(options: RecentReportsOptions) {
    this.#options = options;
    this.#limits = options.limits ?? defaultRecentLimits;
    this.#registry = new MachineRegistry(options);
  }

  get state(): RecentState {
    return {
      ready: !this.#isStopped && (this.#isOpen || this.#error === undefined),
      queued: this.#queue.length,
      kept: this.#kept,
      passedOver: this.#passedOver,
      ...(this.#error !== undefined && { error: this.#error }),
    };
  }

  /** What is kept, for queries. Rejects with `database-unreachable` while the store cannot be opened. */
  readonly documents: QueriedStore = {
    find: async (target, query) => (await this.#opened()).find(target, query),
    distinct: async (target, field, filter) => (await this.#opened()).distinct(target, field, filter),
  };

  /**
   * Makes the store's file where there is none, or looks whether it is sound. Never rejects: while that fails it is tried
   * again, with an alarm. Idempotent.
   */
  async start(): Promise<void> {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#work = this.#turn(() => this.#look());
    await this.#work;
  }

  /** Writes what waits, if the store takes it, and closes. Idempotent. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#work;
    while (this.#queue.length > 0 && this.#error === undefined) await this.#turn();
    await this.#options.store.stop();
    this.#isOpen = false;
  }

  /** Takes a report; returns at once and never throws. What is no machine's report is not kept. */
  note(report: AcceptedReport): void {
    if (this.#isStopped || !kinds.has(report.channel.kind)) return;
    if (report.payload.length > this.#limits.maxReportBytes) {
      this.#passOver(1);
      return;
    }
    this.#queue.push(report);
    this.#came++;
    this.#queuedBytes += report.payload.length;
    const { maxQueued, maxQueuedBytes } = this.#limits;
    if (this.#queue.length > maxQueued || this.#queuedBytes > maxQueuedBytes) this.#dropOldest();
    // A failed turn has set its own time for the next.
    if (this.#work === undefined && this.#error === undefined) this.#later(this.#limits.pauseMs);
  }

  /** A tenth at once: taking one from the front of a long list costs as much as taking many. */
  #dropOldest(): void {
    const count = Math.max(1, Math.floor(this.#queue.length / 10));
    for (const { payload } of this.#queue.splice(0, count)) this.#queuedBytes -= payload.length;
    this.#passOver(count);
  }

  #passOver(count: number): void {
    this.#passedOver += count;
    this.#options.counters.recentPassedOver += count;
  }

  #later(delayMs: number): void {
    if (this.#isStopped || this.#timer !== undefined) return;
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#work ??= this.#turn();
    });
  }

  /** One write, or `work`; then the next is planned, when there is something to write. */
  async #turn(work = () => this.#openAndWrite()): Promise<void> {
    const { alarms, logger, clock } = this.#options;
    const begunMs = clock.monotonicMs();
    this.#came = 0;
    try {
      await work();
      if (this.#error !== undefined) {
        this.#error = undefined;
        alarms.clear('recent-unavailable');
      }
    } catch (error) {
      const text = describeError(error);
      if (this.#error === undefined) {
        logger.warn({ error: text }, 'the newest reports cannot be kept for queries');
        alarms.raise('recent-unavailable', { cause: text });
      }
      this.#error = text;
    }
    this.#work = undefined;
    if (this.#error !== undefined) this.#later(retryMs);
    else if (this.#queue.length > 0) {
      const restMs = this.#came === 0 ? 0 : (clock.monotonicMs() - begunMs) * restShare;
      this.#later(Math.max(this.#limits.pauseMs, restMs));
    }
  }

  /** After a power cut the first report does it: there may be a large log to be worked off, and a start has no time. */
  async #look(): Promise<void> {
    const { store } = this.#options;
    await store.start();
    if (!store.hasLog) await store.ping();
  }

  async #openAndWrite(): Promise<void> {
    const { store } = this.#options;
    if (!this.#isOpen) {
      await store.start();
      await store.ensureIndexes(queryIndexes);
      this.#isOpen = true;
    }
    await this.#write();
  }

  /** The store with its indexes, which the first that asks for it, or the first report, makes. */
  async #opened(): Promise<DocumentStore> {
    // The first may be the start's, which does not open.
    for (let turns = 0; !this.#isOpen; turns++) {
      const error = this.#isStopped ? 'the newest reports are closed' : turns === 2 ? this.#error : undefined;
      if (error !== undefined) throw new HoldfastError('database-unreachable', error);
      this.#work ??= this.#turn();
      await this.#work;
    }
    return this.#options.store;
  }

  async #write(): Promise<void> {
    const reports = this.#queue.slice(0, this.#limits.batch);
    if (reports.length === 0) return;
    const groups = new Map<MachineChannel, NewDocument[]>();
    for (const report of reports) {
      const document = this.#document(report);
      const group = groups.get(report.channel);
      const item = { document, series: document._id };
      if (group === undefined) groups.set(report.channel, [item]);
      else group.push(item);
    }
    for (const [channel, documents] of groups) await this.#store(channel, documents);
    // What was passed over meanwhile stood at the front of the same list.
    const written = new Set(reports);
    const waiting = this.#queue.filter((report) => !written.has(report));
    this.#queuedBytes = waiting.reduce((sum, { payload }) => sum + payload.length, 0);
    this.#queue = waiting;
    this.#kept += reports.length;
  }

  async #store(channel: MachineChannel, documents: readonly NewDocument[]): Promise<void> {
    const { store, keep, keepInAll, logger } = this.#options;
    if (!this.#bounded.has(channel.name)) {
      await store.keepNewest(acceptance(channel), { perGroup: keep, total: keepInAll });
      this.#bounded.add(channel.name);
    }
    const outcomes = await store.insertBatch(channel, documents);
    const refused = outcomes.find((outcome) => outcome.kind === 'error');
    if (refused?.kind === 'error') logger.warn({ reason: refused.reason }, 'a report cannot be kept for queries');
    if (channel.kind !== 'base') return;
    await this.#registry.take(documents.map(({ document }) => ({ document, isDuplicate: false })));
  }

  #document({ payload, sequence, acceptedMs, clockTrusted }: AcceptedReport) {
    const { gatewayId, boot, siteTime } = this.#options;
    return toDocument(
      payload,
      {
        id: `${gatewayId}-${boot}-${sequence}`,
        receivedMs: acceptedMs,
        acceptedMs,
        clock: clockTrusted ? 'trusted' : 'untrusted',
        gateway: gatewayId,
        sequence,
      },
      { key: messageFields.base.time.key, parse: (text) => siteTime.parse(text) },
    );
  }
}
