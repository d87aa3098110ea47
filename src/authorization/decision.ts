/**
 * What to do next about a query of a machine: a pure function over a small state, asked again after everything that
 * happens (docs/authorization.md has its outcomes as a table).
 *
 * Invariants: a valid lease answers at once when the centre is known to be away, and after `answerWithinMs` in any case;
 * no lease is used on a connection whose control queue is not drained; without a lease at most `maxTries` queries are
 * sent; every state ends.
 */

/** The times of contracts/machines.md, in ms. */
export interface Timing {
  /** How long the centre has before a valid lease answers, from the machine's query on. */
  readonly answerWithinMs: number;
  /** How long a query waits for its answer before it counts as unanswered; a later answer still counts. */
  readonly timeoutMs: number;
  /** From there to the next query. */
  readonly pauseMs: number;
  /** Queries sent for one question of a machine. */
  readonly maxTries: number;
  /** How long unsent base information may hold up the first query. */
  readonly baseWaitMs: number;
}

/** The seed's times; a machine itself gives up after 3 s. */
export const defaultTiming: Timing = {
  answerWithinMs: 2000,
  timeoutMs: 3000,
  pauseMs: 10_000,
  maxTries: 4,
  baseWaitMs: 1000,
};

/**
 * One sending of a query. `preparing`: what has to go before it is under way; `unsent`: there was no link for it;
 * `sent`; `rejected`: the broker did not take it; `undecided`: the centre answered without deciding.
 */
export interface Try {
  readonly state: 'preparing' | 'unsent' | 'sent' | 'rejected' | 'undecided';
  /** Monotonic ms of its beginning, then of its sending. */
  readonly atMs: number;
}

/** Everything that the next step depends on. Times are monotonic ms. */
export interface Situation {
  readonly nowMs: number;
  /** When the machine asked. */
  readonly sinceMs: number;
  readonly connected: boolean;
  /**
   * There is no connection, and that is known. Right after a start it is not: what the centre has pushed meanwhile may
   * be a moment away, so a lease waits for that as long as for an answer.
   */
  readonly away: boolean;
  /** All that the centre pushed before this connection is applied. */
  readonly drained: boolean;
  /** A lease for exactly this identity would answer. */
  readonly hasLease: boolean;
  /** Tries so far, the present one included. */
  readonly tries: number;
  readonly current: Try | undefined;
  /** After an answer that decided nothing: whether one more query may decide it. */
  readonly mayRepeat: boolean;
}

export type Step =
  /** Answer from the lease. */
  | { readonly kind: 'lease' }
  /** Begin the next try. */
  | { readonly kind: 'try' }
  /** Send the present try, for which there was no link until now. */
  | { readonly kind: 'send' }
  /** Ask once more, as soon as the centre has the base information. */
  | { readonly kind: 'repeat' }
  /** Answer "0" with what the centre said, although it decided nothing. */
  | { readonly kind: 'conclude' }
  /** Answer "0": the centre does not answer. */
  | { readonly kind: 'give-up' }
  /** Nothing before this instant, unless something happens. */
  | { readonly kind: 'wait'; readonly untilMs: number };

/** The next step. */
export function nextStep(situation: Situation, timing: Timing): Step {
  const { nowMs, sinceMs, connected, drained, hasLease, tries, current } = situation;
  const isAway = situation.away || current?.state === 'rejected';
  const isUndecided = current?.state === 'undecided';
  const patienceEndsMs = sinceMs + timing.answerWithinMs;
  if (hasLease && (drained || !connected) && (isAway || isUndecided || nowMs >= patienceEndsMs)) {
    return { kind: 'lease' };
  }
  if (current === undefined) return { kind: 'try' };
  if (isUndecided) {
    // The lease may be used in a moment, when the control queue is drained.
    if (hasLease && nowMs < patienceEndsMs) return { kind: 'wait', untilMs: patienceEndsMs };
    return { kind: situation.mayRepeat ? 'repeat' : 'conclude' };
  }
  if (current.state === 'unsent' && connected) return { kind: 'send' };
  const timeoutMs = current.atMs + timing.timeoutMs;
  const isLast = tries >= timing.maxTries;
  if (isLast && nowMs >= timeoutMs) return { kind: 'give-up' };
  const nextMs = isLast ? timeoutMs : timeoutMs + timing.pauseMs;
  if (nowMs >= nextMs) return { kind: 'try' };
  return { kind: 'wait', untilMs: hasLease && nowMs < patienceEndsMs ? Math.min(patienceEndsMs, nextMs) : nextMs };
}
