/**
 * Brings reports to the gateway and its answers back.
 *
 * A report is published until the gateway has said `stored` or `failed`: again after each reconnect, and when a PUBACK
 * was not followed by an answer. That is harmless: for the gateway the same id is one report for 24 h. A PUBACK alone
 * confirms nothing here. What is on disk but not in the database is asked about once after each reconnect, slowly, in
 * case the gateway has lost our session; not when it is so old that the gateway may have forgotten the id.
 */
import { NodeError } from './node-error.ts';
import type { Pending } from './pending.ts';
import type { ReportEvent } from './report-outlets.ts';
import type { Report } from './report-store.ts';
import type { Session } from './session.ts';
import type { Timers } from './timers.ts';
import { requestTopic } from './topics.ts';

export interface ReportSenderOptions {
  /** The user name, which is part of the topics. */
  readonly client: string;
  readonly pending: Pending;
  readonly timers: Timers;
  readonly onEvent: (event: ReportEvent) => void;
  /** After any change of the figures. */
  readonly onCounts: () => void;
  readonly tuning?: Partial<SenderTuning>;
}

export interface SenderTuning {
  /** Reports published and without PUBACK. */
  readonly window: number;
  /** So long after a PUBACK an answer is missing. */
  readonly answerWithinMs: number;
  /** Between two questions about reports on disk. */
  readonly askAgainEveryMs: number;
}

const defaultTuning: SenderTuning = { window: 64, answerWithinMs: 30_000, askAgainEveryMs: 50 };
/** The gateway knows an id for 24 h; on the safe side. */
const askableForMs = 23 * 3_600_000;

export class ReportSender {
  readonly #options: ReportSenderOptions;
  readonly #tuning: SenderTuning;
  /** To be published on this session, oldest first. */
  readonly #unsent = new Set<Report>();
  #underWay = 0;
  #session: Session | undefined;
  #askAgain: Report[] = [];
  #cancelAsking: (() => void) | undefined;
  #cancelScan: (() => void) | undefined;

  constructor(options: ReportSenderOptions) {
    this.#options = options;
    this.#tuning = { ...defaultTuning, ...options.tuning };
  }

  up(session: Session): void {
    this.down();
    this.#session = session;
    const { store } = this.#options.pending;
    for (const report of store.waiting()) this.#unsent.add(report);
    this.#askAgain = [...store.askable()];
    this.#pump();
    this.#scanLater();
    this.#askLater();
  }

  down(): void {
    this.#session = undefined;
    this.#underWay = 0;
    this.#unsent.clear();
    this.#askAgain = [];
    this.#cancelAsking?.();
    this.#cancelScan?.();
    for (const report of this.#options.pending.store.waiting()) report.acknowledgedMs = undefined;
  }

  /** A report that was just added. */
  submit(report: Report): void {
    if (report.state === 'stored') {
      // Its id was taken before: this message hears what the others have heard.
      this.#tell(report, { state: 'stored' }, report.waiters.slice(-1));
    } else if (this.#session && report.firstSentMs === undefined) {
      this.#unsent.add(report);
      this.#pump();
    }
    this.#options.onCounts();
  }

  /** Asks the gateway about a report, when it is connected and the body is at hand. */
  askAbout(report: Report): void {
    if (report.state === 'stored') this.#publish(report, () => undefined);
  }

  answer(kind: 'stored' | 'delivered' | 'failed', id: string, body: Readonly<Record<string, unknown>>): void {
    const { store } = this.#options.pending;
    const report = store.get(id);
    if (report) this.#unsent.delete(report);
    if (kind === 'stored') this.#stored(id, report, body);
    else if (kind === 'delivered') this.#delivered(id, report);
    else this.#failed(id, report, body);
    this.#options.onCounts();
  }

  #stored(id: string, report: Report | undefined, { sequence }: Readonly<Record<string, unknown>>): void {
    const number = typeof sequence === 'number' ? sequence : undefined;
    const { store } = this.#options.pending;
    if (!report) {
      // Of an earlier Node-RED; a repeated answer to one that is finished says nothing new.
      if (!store.outcome(id)) this.#tell(strange(id), { state: 'stored', sequence: number }, []);
      return;
    }
    if (report.state === 'stored') return;
    const { waiters } = report;
    store.stored(report, number);
    this.#tell(report, { state: 'stored' }, waiters);
  }

  #delivered(id: string, report: Report | undefined): void {
    const { store } = this.#options.pending;
    if (!report && store.outcome(id)) return;
    // The answer before this one was lost: what is in the database was on disk.
    if (report?.state === 'waiting') this.#stored(id, report, {});
    const { channel, sequence } = report ?? strange(id);
    store.finished(id, { state: 'delivered', channel, sequence });
    this.#tell(report ?? strange(id), { state: 'delivered' }, report?.waiters ?? []);
  }

  #failed(id: string, report: Report | undefined, body: Readonly<Record<string, unknown>>): void {
    const { store } = this.#options.pending;
    if (!report && store.outcome(id)) return;
    const code = typeof body.code === 'string' ? body.code : 'failed';
    const text = typeof body.text === 'string' ? body.text : '';
    const { channel, sequence } = report ?? strange(id);
    store.finished(id, { state: 'failed', channel, sequence, code, text });
    this.#tell(report ?? strange(id), { state: 'failed', code, text }, report?.waiters ?? []);
  }

  #tell(
    report: Pick<Report, 'id' | 'channel' | 'sequence'> | { id: string; channel: undefined; sequence: undefined },
    what: Pick<ReportEvent, 'state'> & Partial<ReportEvent>,
    waiters: Report['waiters'],
  ): void {
    const { id, channel, sequence } = report;
    const event: ReportEvent = { id, channel, sequence, ...what };
    this.#options.pending.outlets.emit(event, waiters);
    this.#options.onEvent(event);
  }

  #pump(): void {
    const { timers } = this.#options;
    for (const report of this.#unsent) {
      if (this.#underWay >= this.#tuning.window) return;
      this.#unsent.delete(report);
      this.#underWay++;
      report.firstSentMs ??= timers.now();
      this.#publish(report, () => {
        this.#underWay--;
        report.acknowledgedMs = timers.now();
        this.#pump();
      });
    }
  }

  #publish(report: Report, acknowledged: () => void): void {
    const session = this.#session;
    if (!session || !report.wire) return;
    session.publish(requestTopic(this.#options.client, 'report', report.id), report.wire, () => {
      if (this.#session === session) acknowledged();
    });
  }

  #scanLater(): void {
    const { timers, pending } = this.#options;
    const { answerWithinMs } = this.#tuning;
    this.#cancelScan = timers.after(answerWithinMs / 2, () => {
      for (const report of pending.store.waiting()) {
        if (report.acknowledgedMs === undefined || timers.now() - report.acknowledgedMs < answerWithinMs) continue;
        report.acknowledgedMs = undefined;
        this.#unsent.add(report);
      }
      this.#pump();
      this.#scanLater();
    });
  }

  #askLater(): void {
    if (this.#askAgain.length === 0) return;
    const { timers, pending } = this.#options;
    this.#cancelAsking = timers.after(this.#tuning.askAgainEveryMs, () => {
      const report = this.#askAgain.shift();
      if (report && pending.store.get(report.id) === report) {
        if (timers.now() - (report.firstSentMs ?? 0) < askableForMs) this.askAbout(report);
        else pending.store.dropBody(report);
      }
      this.#askLater();
    });
  }
}

function strange(id: string) {
  return { id, channel: undefined, sequence: undefined };
}

/** The error for a failed report. */
export function failure({ id, code = 'failed', text = '' }: ReportEvent): NodeError {
  return new NodeError(code, `the report ${id} failed (${code})${text === '' ? '' : `: ${text}`}`, { id });
}
