import type { Alarms } from '../alarms.ts';
import type { ErrorCode, HoldfastError } from '../errors.ts';

/** Channels whose reports the broker rejects (a missing queue): nothing is sent to them for a growing while. */
export class ChannelPauses {
  readonly #alarms: Alarms;
  readonly #pauses: { readonly firstMs: number; readonly longestMs: number };
  readonly #channels = new Map<string, { untilMs: number; pauseMs: number; code: ErrorCode }>();

  constructor(options: { alarms: Alarms; pauses: { readonly firstMs: number; readonly longestMs: number } }) {
    this.#alarms = options.alarms;
    this.#pauses = options.pauses;
  }

  /** True while nothing may be sent to the channel. */
  has(channel: string, now: number): boolean {
    const paused = this.#channels.get(channel);
    return paused !== undefined && paused.untilMs > now;
  }

  /** A report of the channel was rejected. */
  onRejected(channel: string, error: HoldfastError, now: number): void {
    const paused = this.#channels.get(channel);
    if (paused === undefined || paused.untilMs <= now) {
      const pauseMs = Math.min(this.#pauses.longestMs, (paused?.pauseMs ?? this.#pauses.firstMs / 2) * 2);
      this.#channels.set(channel, { untilMs: now + pauseMs, pauseMs, code: error.code });
    }
    this.#alarms.raise(error.code, { text: error.message }, channel);
  }

  /** A report of the channel was confirmed: it is in order again. */
  onConfirmed(channel: string): void {
    const paused = this.#channels.size > 0 ? this.#channels.get(channel) : undefined;
    if (paused === undefined) return;
    this.#channels.delete(channel);
    this.#alarms.clear(paused.code, channel);
  }
}
