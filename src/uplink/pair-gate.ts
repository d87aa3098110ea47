import { describeError } from '../errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import type { ChannelPauses } from './channel-pauses.ts';
import type { Correlation } from './correlation.ts';
import type { Pair } from './flight.ts';
import type { ReportTransport } from './transport.ts';

export interface PairGateOptions {
  readonly transport: ReportTransport;
  readonly correlation: Correlation;
  readonly pauses: ChannelPauses;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly acknowledge: 'stored' | 'broker';
  readonly isConnected: () => boolean;
  /** True while the centre answers nothing, and something of this channel waits for an answer. */
  readonly isSilent: (channel: string) => boolean;
  /** A pair that was waiting for its reply queue need not wait for that any more. */
  readonly onOpened: () => void;
}

/**
 * Whether the next report of a machine and channel may be sent now: the centre is not silent, it does not refuse it, the broker takes its
 * channel, answers for it are heard, and without correlation nothing else of it is under way.
 */
export class PairGate {
  readonly #options: PairGateOptions;

  constructor(options: PairGateOptions) {
    this.#options = options;
  }

  mayGo(pair: Pair): boolean {
    const { clock, pauses, acknowledge, correlation, isSilent } = this.#options;
    if (isSilent(pair.channel)) return false;
    const now = clock.monotonicMs();
    if (pair.opening || (pair.hold !== undefined && (pair.hold.untilMs > now || pair.flying.length > 0))) return false;
    if (pauses.has(pair.channel, now)) return false;
    if (acknowledge === 'broker') return true;
    if (correlation.isGiven !== true && (pair.flying.length > 0 || pair.quietUntilMs > now)) return false;
    return this.isWatched(pair);
  }

  /** True when answers for this pair are heard; else begins to listen. */
  isWatched(pair: Pair): boolean {
    const { isConnected, transport, logger, onOpened } = this.#options;
    if (!isConnected()) return false;
    const opening = transport.watchReplies(pair.channel, pair.serial);
    if (opening === undefined) return true;
    pair.opening = true;
    opening
      .catch((error: unknown) => {
        logger.warn({ channel: pair.channel, error: describeError(error) }, 'cannot listen to the replies');
      })
      .finally(() => {
        pair.opening = false;
        onOpened();
      });
    return false;
  }
}
