/**
 * The reports of one machine on one channel, in order: sent, acknowledged, replied to.
 *
 * Invariants: at most `inflight` are under way (one, on a real machine); a report is repeated byte for byte, after
 * `replyTimeoutMs` without an answer at most three times (seed 000), and as often as its connection is lost.
 * Failure behaviour: after its tries, and for a wrong reply, the report is counted as wrong and the next one follows.
 */
import type { Clock } from '../platform/index.ts';
import { checkReply, mayAnswer } from './check-reply.ts';
import type { Door } from './door.ts';
import type { Figures } from './figures.ts';
import { pause } from './pause.ts';
import type { Report } from './report-writer.ts';

/** What an outbox is made of. */
export interface OutboxOptions {
  readonly door: Door;
  readonly figures: Figures;
  readonly clock: Clock;
  readonly inflight: number;
  readonly replyTimeoutMs: number;
  /** Told what was wrong, with whom. */
  readonly onWrong: (sentence: string) => void;
}

const maxRepeats = 3;

/** One sending of a report: over once it is acknowledged and replied to, lost, or not answered in time. */
interface Attempt {
  readonly report: Report;
  acknowledged: boolean;
  reply: Buffer | undefined;
  readonly end: (outcome: 'answered' | 'lost' | 'silent') => void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #stopping = new AbortController();
  #attempts: Attempt[] = [];
  #waiting: (() => void)[] = [];
  #underWay = 0;
  /** Copies that were followed or outlived by another: their replies may still come, or not. */
  #extraCopies = 0;
  #quietUntilMs = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Reports that are sent and not settled. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Resolves once another report may be sent; false after `stop`. */
  async room(): Promise<boolean> {
    const { signal } = this.#stopping;
    while (!signal.aborted && this.#underWay >= this.#options.inflight) await this.#change();
    return !signal.aborted;
  }

  /** Resolves when nothing is under way any more, or after `stop`. */
  async idle(): Promise<void> {
    while (!this.#stopping.signal.aborted && this.#underWay > 0) await this.#change();
  }

  /** Sends a report, again and again if need be; to be called when there is room. */
  send(report: Report): void {
    this.#underWay++;
    this.#settle(report).finally(() => {
      this.#underWay--;
      this.#wake();
    });
  }

  /** A reply has come on this channel. */
  onReply(payload: Buffer): void {
    const attempt = this.#attempts.find(({ report, reply }) => reply === undefined && mayAnswer(payload, report));
    const { figures, onWrong } = this.#options;
    if (attempt !== undefined) this.#replied(attempt, payload);
    else if (this.#extraCopies > 0) {
      this.#extraCopies--;
      figures.late++;
    } else {
      figures.wrong++;
      onWrong(`a reply to nothing that is under way: ${payload.toString('utf8', 0, 200)}`);
    }
  }

  /** The connection is lost: everything under way is in doubt. */
  onLost(): void {
    for (const { end } of [...this.#attempts]) end('lost');
  }

  /** Nothing is sent any more; what is under way stays unanswered. */
  stop(): void {
    this.#stopping.abort();
    this.onLost();
    this.#wake();
  }

  async #settle(report: Report): Promise<void> {
    const { door, figures, clock, replyTimeoutMs } = this.#options;
    const { signal } = this.#stopping;
    const known = { acknowledged: false };
    const quietMs = this.#quietUntilMs - clock.monotonicMs();
    if (quietMs > 0) await pause(clock, quietMs, signal);
    let copies = 0;
    for (let silences = 0; silences <= maxRepeats; ) {
      await door.ready();
      if (signal.aborted) break;
      if (copies++ === 0) figures.sent++;
      else {
        figures.repeated++;
        this.#extraCopies++;
      }
      const { outcome, reply } = await this.#attempt(report, known);
      if (outcome === 'silent') silences++;
      if (outcome !== 'answered') continue;
      // Replies name no report: a late one must not be taken for the answer to the next of the same state.
      if (silences > 0 || (copies > 1 && door.keepsReplies)) this.#quietUntilMs = clock.monotonicMs() + replyTimeoutMs;
      const mistake = checkReply(reply!, report);
      if (mistake === undefined) figures.replied++;
      else this.#wrong(report, `reply ${mistake}`);
      return;
    }
    this.#extraCopies++;
    if (!signal.aborted) this.#wrong(report, `no answer to ${maxRepeats + 1} sends`);
    else if (copies > 0) figures.unanswered++;
  }

  #wrong({ serial, channel, state }: Report, what: string): void {
    this.#options.figures.wrong++;
    this.#options.onWrong(`${serial} ${channel}${state === undefined ? '' : ` ${state}`}: ${what}`);
  }

  async #attempt(
    report: Report,
    known: { acknowledged: boolean },
  ): Promise<{ outcome: 'answered' | 'lost' | 'silent'; reply: Buffer | undefined }> {
    const { door, figures, clock, replyTimeoutMs } = this.#options;
    const { promise, resolve: end } = Promise.withResolvers<'answered' | 'lost' | 'silent'>();
    const attempt: Attempt = { report, acknowledged: false, reply: undefined, end };
    this.#attempts.push(attempt);
    const timer = clock.after(replyTimeoutMs, () => end('silent'));
    door.send(report.channel, report.body).then(
      (reply) => {
        attempt.acknowledged = true;
        if (!known.acknowledged) figures.acknowledged++;
        known.acknowledged = true;
        if (reply !== undefined) attempt.reply = reply;
        if (attempt.reply !== undefined) end('answered');
      },
      () => end('lost'),
    );
    const outcome = await promise;
    timer.cancel();
    this.#attempts = this.#attempts.filter((other) => other !== attempt);
    return { outcome, reply: attempt.reply };
  }

  #replied(attempt: Attempt, payload: Buffer): void {
    attempt.reply = payload;
    if (attempt.acknowledged) attempt.end('answered');
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
