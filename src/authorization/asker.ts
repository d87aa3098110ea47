import { describeError } from '../errors.ts';
import type { Counters } from '../metrics.ts';
import type { Clock, Logger } from '../platform/index.ts';
import { authorizationChannel } from '../protocols/machines/index.ts';
import { queryId, type Receipt, type UplinkTransport } from '../uplink/index.ts';
import type { Asking, Attempt } from './asking.ts';
import { type NotTaken, Outstanding, type SentQuery } from './outstanding.ts';
import type { AuthorizationRecords } from './records.ts';

/** Unsent base information of machines, as the forwarder brings it to the centre. */
export interface BaseInformation {
  /** Whether some of this machine is not receipted yet. */
  isWaiting(serial: string): Promise<boolean>;
  /** Sends it before everything else; resolves when it is receipted, or after `deadlineMs`. */
  bringForward(serial: string, deadlineMs: number): Promise<void>;
}

/** What sends queries to the centre. */
export interface AskerOptions {
  readonly gatewayId: string;
  /** Unlike that of any other start. */
  readonly boot: string;
  /** undefined: there is no uplink, the centre is always away. */
  readonly link: Pick<UplinkTransport, 'state' | 'ask' | 'watchReplies'> | undefined;
  readonly base: BaseInformation;
  readonly records: AuthorizationRecords;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly logger: Logger;
}

/** Sends queries to the centre, and knows which of them an answer is for. */
export class Asker {
  readonly #options: AskerOptions;
  readonly #outstanding: Outstanding;
  #queries = 0;

  constructor(options: AskerOptions) {
    this.#options = options;
    this.#outstanding = new Outstanding(() => options.clock.monotonicMs());
  }

  get isConnected(): boolean {
    return this.#options.link?.state.connected ?? false;
  }

  /** There is no connection, and that is known: before the first one is made or has failed, it is not. */
  get isAway(): boolean {
    const state = this.#options.link?.state;
    if (state === undefined) return true;
    return !state.connected && (state.connects > 0 || state.lastError !== undefined);
  }

  /**
   * Base information first, for up to `baseWaitMs`, then the query; resolves when `attempt` says what came of it. What
   * cannot be prepared counts as rejected.
   */
  async send(asking: Asking, attempt: Attempt, baseWaitMs: number): Promise<void> {
    const { link, base, gatewayId, boot, clock, counters, records, logger } = this.#options;
    const { serial } = asking.identity;
    try {
      if (await base.isWaiting(serial)) {
        await base.bringForward(serial, baseWaitMs);
        attempt.isBaseWaiting = await base.isWaiting(serial);
      }
      if (this.isConnected) await link?.watchReplies(authorizationChannel, serial);
      if (asking.isSettled || asking.current !== attempt) return;
      if (link === undefined || !this.isConnected) {
        attempt.state = 'unsent';
        return;
      }
      const messageId = queryId(gatewayId, boot, ++this.#queries);
      link.ask({ messageId, channel: authorizationChannel, serial, body: asking.payload });
      attempt.state = 'sent';
      attempt.atMs = clock.monotonicMs();
      attempt.messageId = messageId;
      this.#outstanding.add({ messageId, identity: asking.identity, sentAtMs: attempt.atMs });
      counters.authorizationSent++;
      records.note('sent', { serial, messageId, send: asking.tries });
    } catch (error) {
      logger.warn({ serial, error: describeError(error) }, 'a query could not be sent to the centre');
      attempt.state = 'rejected';
    }
  }

  /** The query that an answer is for, or why it is for none. */
  take(answer: Receipt): SentQuery | NotTaken {
    return this.#outstanding.take(answer);
  }

  /** The broker did not take this query: no answer will come. */
  withdraw(messageId: string): SentQuery | undefined {
    return this.#outstanding.withdraw(messageId);
  }
}
