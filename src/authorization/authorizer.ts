/**
 * Answers machines' queries for authorization (contracts/machines.md, 'Authorization at the gateway'): by the centre
 * while it answers, by a lease while it does not.
 *
 * Invariants: an answer counts only for the identity that was asked about; no lease is used on a connection before all
 * that the centre had pushed is applied; lease, denial and the answer's audit line are on disk before the answer is
 * given; a question ends, with "0" at the latest after four queries without an answer.
 * Failure behaviour: what cannot be put into the audit log is not granted: the machine hears that authorization is not
 * available. A query that the broker does not take, or that there is no link for, counts as a centre that is away.
 * Memory is bounded by limits on questions, joined queries and rates; what is over them is refused and counted.
 */
import { describeError } from '../errors.ts';
import { countBy } from '../metrics.ts';
import { type Identity, parseBody, readIdentity, readReply, sameIdentity } from '../protocols/machines/index.ts';
import type { QueryListener, Receipt } from '../uplink/index.ts';
import { Answers, type AnswersOptions, notAvailable } from './answers.ts';
import { Asker, type AskerOptions } from './asker.ts';
import { type Answer, type Asking, type AuthorizationAnswer, newAsking } from './asking.ts';
import { type CentreAnswer, readCentreAnswer } from './centre-answer.ts';
import type { ControlRouter } from './control.ts';
import { defaultTiming, nextStep, type Timing } from './decision.ts';
import { defaultQueryLimits, type QueryLimits, QueryRates } from './query-limits.ts';
import type { LeaseClock } from './types.ts';
import type { Verdict, Verdicts } from './verdicts.ts';

/** A query that `validateReport` has accepted. */
export interface MachineQuery {
  readonly serial: string;
  readonly payload: Buffer;
  /** How it came; those over `mqtt` share one answer on the machine's topic. */
  readonly transport: 'mqtt' | 'http' | 'serial' | 'flow';
}

/** What an authorizer is made of. */
export interface AuthorizerOptions extends AskerOptions, AnswersOptions {
  readonly verdicts: Verdicts;
  readonly control: ControlRouter;
  readonly leaseClock: Pick<LeaseClock, 'noteCentreTime'>;
  /** Sends to whoever reads a machine's topic: an answer that nobody waits for any more. */
  readonly publish: (topic: string, body: Buffer) => void;
  readonly timing?: Partial<Timing>;
  readonly limits?: Partial<QueryLimits>;
}

/** How authorization stands, for /healthz. */
export interface AuthorizerState {
  /** Questions under way. */
  readonly open: number;
  /** False while connected and not all that the centre pushed is applied: no lease is used then. */
  readonly mayUseLeases: boolean;
}

/** An answer that comes so soon tells the time of the centre. */
const promptMs = 5000;

const noAnswer: Answer = { granted: false, source: 'nobody', text: 'no-answer', said: undefined };
const byLease: Answer = { granted: true, source: 'lease', text: undefined, said: undefined };

/** See the head of this file. */
export class Authorizer implements QueryListener {
  readonly #options: AuthorizerOptions;
  readonly #timing: Timing;
  readonly #limits: QueryLimits;
  readonly #rates: QueryRates;
  readonly #asker: Asker;
  readonly #answers: Answers;
  /** By 序列号; more than one only about different identities. */
  readonly #askings = new Map<string, Asking[]>();
  #open = 0;
  #isDrained = false;
  #isStopped = false;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#timing = { ...defaultTiming, ...options.timing };
    this.#limits = { ...defaultQueryLimits, ...options.limits };
    this.#rates = new QueryRates(options.clock, this.#limits);
    this.#asker = new Asker(options);
    this.#answers = new Answers(options);
  }

  get state(): AuthorizerState {
    return { open: this.#open, mayUseLeases: this.#isDrained || !this.#asker.isConnected };
  }

  /**
   * Resolves with the answer, once its line is in the audit log; with undefined when another query's answer on the same
   * topic is this one's too. Never rejects.
   */
  ask({ serial, payload, transport }: MachineQuery): Promise<AuthorizationAnswer | undefined> {
    const { counters, records, clock } = this.#options;
    counters.authorizationQueries++;
    const body = parseBody(payload);
    const identity = typeof body === 'string' ? undefined : readIdentity(body);
    const refusal = this.#isStopped || identity === undefined ? 'stopped' : this.#rates.refuse(serial);
    if (refusal !== undefined || identity === undefined) return this.#refuse(serial, refusal ?? 'stopped');
    const asking = this.#find(identity);
    if (asking === undefined) {
      if (this.#open >= this.#limits.open) return this.#refuse(serial, 'open');
      if ((this.#askings.get(serial)?.length ?? 0) >= this.#limits.identities)
        return this.#refuse(serial, 'identities');
    } else if (asking.waiters.length >= this.#limits.joined) return this.#refuse(serial, 'joined');
    records.asked(identity, transport, this.#answers.time);
    return new Promise((resolve) => {
      const waiter = { isShared: transport === 'mqtt', resolve };
      if (asking !== undefined) {
        asking.waiters.push(waiter);
        return;
      }
      // What was read from a connection is reused there.
      const opened = newAsking(identity, Buffer.from(payload), clock.monotonicMs());
      opened.waiters.push(waiter);
      this.#askings.set(serial, [...(this.#askings.get(serial) ?? []), opened]);
      this.#open++;
      this.#evaluate(opened);
    });
  }

  /** Puts down a query that could not be understood, and its answer; resolves when that is on disk, or could not be. */
  async refused(serial: string | undefined, reason: string): Promise<void> {
    if (this.#rates.refuse(serial ?? 'unknown') !== undefined) return;
    const { records, replies } = this.#options;
    await records.malformed(serial, reason, replies.words('malformed'), this.#answers.time).catch(() => {});
  }

  /** Answers all that wait: not available. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const open = [...this.#askings.values()].flat();
    await Promise.all(open.map((asking) => this.#settle(asking, notAvailable)));
  }

  /** Part of `QueryListener`. */
  onConnected(): void {
    this.#evaluateAll();
  }

  /** Part of `QueryListener`. */
  onDisconnected(): void {
    this.#isDrained = false;
    this.#evaluateAll();
  }

  /** Part of `QueryListener`. */
  onControlDrained(): void {
    this.#isDrained = true;
    this.#evaluateAll();
  }

  /** Part of `QueryListener`. */
  async onControl(body: Buffer): Promise<void> {
    await this.#options.control.apply(body);
    this.#evaluateAll();
  }

  /** Part of `QueryListener`: the centre counts as away for this query. */
  onRejected(messageId: string): void {
    const query = this.#asker.withdraw(messageId);
    const asking = query && this.#find(query.identity);
    if (asking?.current?.messageId !== messageId) return;
    asking.current.state = 'rejected';
    this.#evaluate(asking);
  }

  /** Part of `QueryListener`. */
  onAnswer(receipt: Receipt): void {
    const { counters, logger } = this.#options;
    // Without correlation only the queue says whose it is; what is not of that machine answers nothing.
    if (receipt.messageId === undefined && readReply(receipt.body)?.serial !== receipt.serial) {
      countBy(counters.authorizationIgnored, 'foreign');
      return;
    }
    const query = this.#asker.take(receipt);
    if (typeof query === 'string') {
      countBy(counters.authorizationIgnored, query);
      return;
    }
    const isPrompt = this.#now() - query.sentAtMs < promptMs;
    this.#decide(query.identity, readCentreAnswer(receipt.body, query.identity), isPrompt).catch((error: unknown) => {
      logger.error({ error: describeError(error) }, 'an answer of the centre could not be used');
    });
  }

  #now(): number {
    return this.#options.clock.monotonicMs();
  }

  #find(identity: Identity): Asking | undefined {
    return this.#askings.get(identity.serial)?.find((asking) => sameIdentity(asking.identity, identity));
  }

  #evaluateAll(): void {
    for (const askings of [...this.#askings.values()]) for (const asking of askings) this.#evaluate(asking);
  }

  /** Does what is next about a question. */
  #evaluate(asking: Asking): void {
    if (asking.isSettled || asking.isDeciding) return;
    asking.timer?.cancel();
    const nowMs = this.#now();
    const step = nextStep(
      {
        nowMs,
        sinceMs: asking.sinceMs,
        connected: this.#asker.isConnected,
        away: this.#asker.isAway,
        drained: this.#isDrained,
        hasLease: this.#options.verdicts.hasLease(asking.identity),
        tries: asking.tries,
        current: asking.current,
        mayRepeat: asking.mayRepeat,
      },
      this.#timing,
    );
    switch (step.kind) {
      case 'lease':
        void this.#settle(asking, byLease);
        return;
      case 'give-up':
        void this.#settle(asking, noAnswer);
        return;
      case 'conclude':
        void this.#settle(asking, asking.undecided ?? noAnswer);
        return;
      case 'repeat':
        asking.mayRepeat = false;
        this.#begin(asking, true, this.#timing.pauseMs);
        return;
      case 'try':
        this.#begin(asking, true, this.#timing.baseWaitMs);
        return;
      case 'send':
        this.#begin(asking, false, this.#timing.baseWaitMs);
        return;
      case 'wait':
        asking.timer = this.#options.clock.after(step.untilMs - nowMs, () => this.#evaluate(asking));
    }
  }

  #begin(asking: Asking, isNew: boolean, baseWaitMs: number): void {
    if (isNew) asking.tries++;
    const state = this.#asker.isConnected ? 'preparing' : 'unsent';
    asking.current = { state, atMs: this.#now(), messageId: undefined, isBaseWaiting: false };
    const attempt = asking.current;
    if (state === 'preparing') {
      void this.#asker.send(asking, attempt, baseWaitMs).then(() => {
        if (asking.current === attempt) this.#evaluate(asking);
      });
    }
    this.#evaluate(asking);
  }

  /** Takes what the centre said: leases and denials on disk first, then the answer to those who wait, or a late one. */
  async #decide(identity: Identity, answer: CentreAnswer, isPrompt: boolean): Promise<void> {
    const { verdicts, records, counters } = this.#options;
    const { serial } = identity;
    const asking = this.#find(identity);
    if (answer.kind === 'foreign' || answer.kind === 'unreadable') {
      countBy(counters.authorizationIgnored, answer.kind);
      records.note('centre', { serial, outcome: answer.kind });
      return;
    }
    if (asking !== undefined) asking.isDeciding = true;
    let verdict: Verdict = { kind: 'none' };
    try {
      const isPremature = answer.kind === 'undecided' || (await this.#isPremature(serial, answer, asking));
      if (answer.kind === 'granted') verdict = await verdicts.grant(identity, answer);
      else if (isPremature) this.#undecided(serial, answer, asking);
      else if (answer.kind === 'denied') verdict = await verdicts.deny(identity, answer);
    } finally {
      if (asking !== undefined) asking.isDeciding = false;
    }
    if (verdict.kind === 'none') {
      if (asking !== undefined) this.#evaluate(asking);
      return;
    }
    if (isPrompt) this.#noteTime(answer);
    if (asking !== undefined && !asking.isSettled) await this.#settle(asking, verdict.answer);
    else await this.#tellLate(serial, verdict.answer);
  }

  /** 设备信息不一致 is no denial while the centre has not got the machine's base information. */
  async #isPremature(serial: string, answer: CentreAnswer, asking: Asking | undefined): Promise<boolean> {
    if (answer.kind !== 'denied' || answer.text !== 'identity-mismatch') return false;
    return asking?.current?.isBaseWaiting === true || (await this.#options.base.isWaiting(serial).catch(() => true));
  }

  #undecided(
    serial: string,
    answer: CentreAnswer & { kind: 'denied' | 'undecided' },
    asking: Asking | undefined,
  ): void {
    const { text, said } = answer;
    this.#options.records.note('centre', { serial, granted: false, error: text ?? said, outcome: 'undecided' });
    if (asking?.current === undefined) return;
    asking.undecided = { granted: false, source: 'centre', text, said: text === undefined ? said : undefined };
    asking.current.state = 'undecided';
    // Only what is missing at the centre may be there a moment later; another "0" is final.
    if (answer.kind === 'undecided') asking.mayRepeat = false;
  }

  /** What is signed says more than what is not. */
  #noteTime(answer: CentreAnswer): void {
    if (answer.kind !== 'granted' && answer.kind !== 'denied') return;
    const time = answer.grant?.grantedAt ?? answer.time;
    const ms = time === undefined ? undefined : this.#options.siteTime.parse(time);
    if (ms !== undefined) this.#options.leaseClock.noteCentreTime(ms);
  }

  async #settle(asking: Asking, answer: Answer): Promise<void> {
    if (asking.isSettled) return;
    asking.isSettled = true;
    asking.timer?.cancel();
    const { serial } = asking.identity;
    const rest = this.#askings.get(serial)?.filter((other) => other !== asking) ?? [];
    if (rest.length === 0) this.#askings.delete(serial);
    else this.#askings.set(serial, rest);
    this.#open--;
    const reply = await this.#answers.record(serial, answer, false);
    const { counters } = this.#options;
    counters.authorizationAnswers++;
    counters.authorizationSeconds += (this.#now() - asking.sinceMs) / 1000;
    let isTold = false;
    for (const { isShared, resolve } of asking.waiters) {
      resolve(isShared && isTold ? undefined : reply);
      isTold ||= isShared;
    }
  }

  /** An answer to a question that was answered otherwise meanwhile. */
  async #tellLate(serial: string, answer: Answer): Promise<void> {
    this.#options.counters.authorizationLate++;
    const reply = await this.#answers.record(serial, answer, true);
    this.#options.publish(reply.topic, reply.body);
  }

  #refuse(serial: string, reason: string): Promise<AuthorizationAnswer> {
    countBy(this.#options.counters.authorizationRefused, reason);
    return Promise.resolve(this.#answers.reply(serial, notAvailable));
  }
}
