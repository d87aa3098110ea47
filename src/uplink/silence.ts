import type { Alarms } from '../alarms.ts';
import type { Flight } from './flight.ts';

/** What to do about the oldest report under way; `probe` because nothing at all is answered, `send-again` because it was passed over. */
export type Patience = 'wait' | 'probe' | 'send-again' | 'give-up';

/** Sendings of one report before the centre counts as silent: one, and three repeats. */
const triesAtOnce = 4;

/**
 * How long to wait for receipts (contracts/machines.md, 'Gateway to centre'). The clock restarts whenever any receipt
 * arrives, so that a slow centre is not flooded with repeats; after three repeats nothing but the oldest report of each
 * channel is sent, with growing pauses, until the centre answers. A channel that alone is not answered (an older centre
 * does not read the gateway's own ones) does not keep the others back.
 */
export class Silence {
  readonly #timeoutMs: number;
  readonly #longestPauseMs: number;
  readonly #alarms: Alarms;
  #lastReceiptMs = 0;
  /** When the report of the latest receipt was sent. */
  #newestReceiptedMs = Number.NEGATIVE_INFINITY;
  #pause: { untilMs: number; lengthMs: number } | undefined;
  /** A centre that is back takes a while to answer what has come together. */
  #judgeAgainMs = Number.NEGATIVE_INFINITY;

  constructor(options: { timeoutMs: number; longestPauseMs: number; alarms: Alarms }) {
    this.#timeoutMs = options.timeoutMs;
    this.#longestPauseMs = options.longestPauseMs;
    this.#alarms = options.alarms;
  }

  /** True while the centre does not answer at all. */
  get isLasting(): boolean {
    return this.#pause !== undefined;
  }

  onConnected(now: number): void {
    this.#lastReceiptMs = now;
    if (this.#pause !== undefined) this.#pause.untilMs = now;
  }

  /** Any receipt ends the silence. */
  onReceipt(now: number, flight: Flight): void {
    this.#lastReceiptMs = now;
    this.#newestReceiptedMs = Math.max(this.#newestReceiptedMs, flight.sentAtMs);
    if (this.#pause === undefined) return;
    this.#pause = undefined;
    this.#judgeAgainMs = now + this.#timeoutMs;
    this.#alarms.clear('uplink-no-receipt');
  }

  /** To be asked now and then, with the report that has been under way for longest. */
  judge(now: number, oldest: Flight | undefined): Patience {
    if (this.#pause !== undefined) return this.#judgePause(now, this.#pause);
    if (oldest?.confirmedAtMs === undefined || now - oldest.confirmedAtMs < this.#timeoutMs) return 'wait';
    if (now < this.#judgeAgainMs) return 'wait';
    const isTried = oldest.tries >= triesAtOnce;
    // Later reports were answered, this one was passed over: now, or at any of its tries. Its channel may have no reader.
    const sinceMs = isTried ? oldest.firstSentAtMs : oldest.sentAtMs;
    if (sinceMs + this.#timeoutMs < this.#newestReceiptedMs) return isTried ? 'give-up' : 'send-again';
    if (now - this.#lastReceiptMs < this.#timeoutMs) return 'wait';
    // What stands aside is tried again from there; it says nothing about the others.
    if (oldest.log === 'deferred') return 'give-up';
    this.#lastReceiptMs = now;
    if (isTried) {
      this.#pause = { lengthMs: this.#timeoutMs * 2, untilMs: now + this.#timeoutMs };
      this.#alarms.raise('uplink-no-receipt', { channel: oldest.pair.channel, messageId: oldest.messageId });
      return 'wait';
    }
    return 'probe';
  }

  #judgePause(now: number, pause: { untilMs: number; lengthMs: number }): Patience {
    if (pause.untilMs > now) return 'wait';
    this.#pause = {
      lengthMs: Math.min(this.#longestPauseMs, pause.lengthMs * 2),
      untilMs: now + pause.lengthMs,
    };
    return 'probe';
  }
}
