/**
 * The reports of one gateway node that are not finished: those that wait for the box's disk, and those on disk that wait
 * for the centre's database. It outlives the nodes: a deploy makes new ones, which find their reports here.
 *
 * Invariants: a waiting report is never given up for another one (a new one is refused instead: `queue-full`); a report
 * that is on disk costs little: its body is given up when room is needed, and beyond `maxStored` the oldest one is
 * forgotten, which loses only the news of its delivery. Node-RED's own end loses all of it: what was not yet on disk
 * has not been confirmed to anybody.
 */
import { NodeError } from './node-error.ts';

/** Who waits for a report: a node, and what it needs to go on. */
export interface Waiter {
  /** Id of the node. */
  readonly owner: string;
  /** The message that brought the report; only its ids remain once the report is on disk. */
  readonly message: Readonly<Record<string, unknown>>;
  readonly done: (error?: Error) => void;
}

export interface Report {
  readonly id: string;
  readonly channel: string;
  /** What is published; undefined once it was given up. */
  wire: Buffer | undefined;
  state: 'waiting' | 'stored';
  sequence: number | undefined;
  /** `Timers.now()` when it was first published; undefined before. */
  firstSentMs: number | undefined;
  /** `Timers.now()` of the PUBACK on this session; undefined before. */
  acknowledgedMs: number | undefined;
  waiters: Waiter[];
}

export interface ReportLimits {
  readonly maxWaiting: number;
  /** Of all bodies together. */
  readonly maxBytes: number;
  readonly maxStored: number;
  readonly maxOutcomes: number;
}

export const defaultReportLimits: ReportLimits = {
  maxWaiting: 10_000,
  maxBytes: 16 * 1024 * 1024,
  maxStored: 50_000,
  maxOutcomes: 1_000,
};

/** How a report ended. */
export interface Outcome {
  readonly state: 'delivered' | 'failed';
  readonly channel: string | undefined;
  readonly sequence: number | undefined;
  readonly code?: string | undefined;
  readonly text?: string | undefined;
}

/** Figures of one node, or of all. */
export interface ReportCounts {
  readonly waiting: number;
  readonly undelivered: number;
}

/** Messages that one report may wait with. */
const maxWaiters = 64;

export class ReportStore {
  limits: ReportLimits;
  /** Reports on disk whose delivery will not be told, because there were too many. */
  forgotten = 0;
  readonly #waiting = new Map<string, Report>();
  readonly #stored = new Map<string, Report>();
  /** Those of `#stored` that still have a body, oldest first. */
  readonly #withBody = new Map<string, Report>();
  readonly #outcomes = new Map<string, Outcome>();
  #waitingBytes = 0;
  #bytes = 0;

  constructor(limits: ReportLimits) {
    this.limits = limits;
  }

  get(id: string): Report | undefined {
    return this.#waiting.get(id) ?? this.#stored.get(id);
  }

  outcome(id: string): Outcome | undefined {
    return this.#outcomes.get(id);
  }

  /** In the order in which they came. */
  waiting(): IterableIterator<Report> {
    return this.#waiting.values();
  }

  /** On disk, not in the database, body still at hand. */
  askable(): IterableIterator<Report> {
    return this.#withBody.values();
  }

  counts(owner?: string): ReportCounts {
    if (owner === undefined) return { waiting: this.#waiting.size, undelivered: this.#stored.size };
    const count = (reports: Map<string, Report>) => {
      let sum = 0;
      for (const { waiters } of reports.values()) for (const each of waiters) if (each.owner === owner) sum++;
      return sum;
    };
    return { waiting: count(this.#waiting), undelivered: count(this.#stored) };
  }

  /**
   * Takes a report; one whose id already waits gets a further waiter.
   *
   * @throws NodeError `queue-full`
   */
  add({ id, channel, wire, waiter }: { id: string; channel: string; wire: Buffer; waiter: Waiter }): Report {
    const known = this.get(id);
    if (known) {
      if (known.waiters.length >= maxWaiters) throw full(id, `${maxWaiters} messages wait for the report ${id}`);
      known.waiters.push(waiter);
      return known;
    }
    const { maxWaiting, maxBytes } = this.limits;
    if (this.#waiting.size >= maxWaiting || this.#waitingBytes + wire.length > maxBytes) {
      throw full(id, `${this.#waiting.size} reports (${this.#waitingBytes} bytes) wait for the box already`);
    }
    const report: Report = {
      id,
      channel,
      wire,
      state: 'waiting',
      sequence: undefined,
      firstSentMs: undefined,
      acknowledgedMs: undefined,
      waiters: [waiter],
    };
    this.#waiting.set(id, report);
    this.#waitingBytes += wire.length;
    this.#bytes += wire.length;
    this.#makeRoom();
    return report;
  }

  /** The box has it on disk. The waiters as they were are for the caller; what stays of them is small. */
  stored(report: Report, sequence: number | undefined): void {
    if (!this.#waiting.delete(report.id)) return;
    this.#waitingBytes -= report.wire?.length ?? 0;
    report.state = 'stored';
    report.sequence = sequence;
    report.waiters = report.waiters.map(reduced);
    this.#stored.set(report.id, report);
    if (report.wire) this.#withBody.set(report.id, report);
    if (this.#stored.size > this.limits.maxStored) {
      for (const oldest of this.#stored.values()) {
        this.#remove(oldest);
        this.forgotten++;
        break;
      }
    }
  }

  /** It is in the database, or never will be. */
  finished(id: string, outcome: Outcome): void {
    const report = this.get(id);
    if (report) this.#remove(report);
    this.#outcomes.set(id, outcome);
    if (this.#outcomes.size > this.limits.maxOutcomes) {
      for (const oldest of this.#outcomes.keys()) {
        this.#outcomes.delete(oldest);
        break;
      }
    }
  }

  /** Gives up the body of a report on disk: it is not asked about again. */
  dropBody(report: Report): void {
    if (!this.#withBody.delete(report.id)) return;
    this.#bytes -= report.wire?.length ?? 0;
    report.wire = undefined;
  }

  #makeRoom(): void {
    for (const report of this.#withBody.values()) {
      if (this.#bytes <= this.limits.maxBytes) return;
      this.dropBody(report);
    }
  }

  #remove(report: Report): void {
    if (this.#waiting.delete(report.id)) this.#waitingBytes -= report.wire?.length ?? 0;
    this.#stored.delete(report.id);
    this.#withBody.delete(report.id);
    this.#bytes -= report.wire?.length ?? 0;
  }
}

/** Without the body of the message, which nobody needs any more. */
function reduced({ owner, message }: Waiter): Waiter {
  const { _msgid, topic } = message;
  return { owner, message: { _msgid, ...(topic !== undefined && { topic }) }, done: nothing };
}

function nothing(): void {}

function full(id: string, detail: string): NodeError {
  const text = `the report was not taken: ${detail}; see why the box cannot be reached, or send slower`;
  return new NodeError('queue-full', text, { id });
}
