/**
 * Asks whether a machine may print, as the seed demands: a query, 3 s for its answer, 10 s of pause, three repeats.
 *
 * Invariants: one query is under way at a time; only a missing answer is repeated, an answered "0" is final; whoever does
 * not know does not print. The machine hears whether, not who granted it: centre or lease.
 * Failure behaviour: a connection that is lost is a missing answer. An answer of another shape, or for another machine,
 * is counted as wrong, and waited on.
 */
import type { Clock } from '../platform/index.ts';
import { authorizationChannel, encodeMessage, isTime, readReply } from '../protocols/machines/index.ts';
import type { Door } from './door.ts';
import type { Figures } from './figures.ts';
import type { Identity } from './identity.ts';
import { pause } from './pause.ts';

/** What a permission is made of. */
export interface PermissionOptions {
  readonly identity: Identity;
  readonly door: Door;
  readonly figures: Figures;
  readonly clock: Clock;
  /** How long an answer may take (3,000 ms in the seed). */
  readonly replyTimeoutMs: number;
  /** Told what was wrong, with whom. */
  readonly onWrong: (sentence: string) => void;
}

const pauseMs = 10_000;
const maxRepeats = 3;

/** What a query has come to. */
type Outcome = 'granted' | 'denied' | 'silence';

export class Permission {
  readonly #options: PermissionOptions;
  readonly #query: Buffer;
  #answered: ((outcome: Outcome) => void) | undefined;

  constructor(options: PermissionOptions) {
    this.#options = options;
    const { serial, model, name, address, customer } = options.identity;
    this.#query = encodeMessage('authorization', { serial, model, name, address, customer, asked: '1' });
  }

  /** Asks, and again while nobody answers; true when it is granted. Resolves with false when `signal` is aborted. */
  async ask(signal: AbortSignal): Promise<boolean> {
    const { figures } = this.#options;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#answered = resolve;
    const over = new AbortController();
    figures.asked++;
    try {
      const outcome = await Promise.race([promise, this.#sendAgainAndAgain(AbortSignal.any([signal, over.signal]))]);
      if (signal.aborted) return false;
      if (outcome === 'granted') figures.granted++;
      else if (outcome === 'denied') figures.denied++;
      else figures.unheard++;
      return outcome === 'granted';
    } finally {
      over.abort();
      this.#answered = undefined;
    }
  }

  /** An answer has come on the authorization channel. */
  onReply(payload: Buffer): void {
    const { figures, identity, onWrong } = this.#options;
    const reply = readReply(payload);
    const isRight = reply?.serial === identity.serial && isTime(reply.time) && (reply.granted || reply.error !== '');
    if (!isRight) {
      figures.wrong++;
      onWrong(`${identity.serial} ${authorizationChannel}: ${payload.toString('utf8', 0, 200)}`);
      return;
    }
    // What comes later, or twice, was not asked for now: the next question has its own answer.
    this.#answered?.(reply.granted ? 'granted' : 'denied');
  }

  async #sendAgainAndAgain(signal: AbortSignal): Promise<Outcome> {
    const { door, clock, replyTimeoutMs } = this.#options;
    for (let repeats = 0; ; repeats++) {
      await door.ready();
      if (signal.aborted) return 'silence';
      door.send(authorizationChannel, this.#query).then(
        // Over HTTP the answer comes with the acknowledgement.
        (reply) => reply !== undefined && !signal.aborted && this.onReply(reply),
        () => {},
      );
      await pause(clock, replyTimeoutMs, signal);
      if (repeats === maxRepeats) return 'silence';
      await pause(clock, pauseMs, signal);
    }
  }
}
