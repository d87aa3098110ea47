import type { Alarms } from '../alarms.ts';
import { describeError } from '../errors.ts';
import type { Counters } from '../metrics.ts';
import type { Clock, Logger } from '../platform/index.ts';
import {
  authorizationLogKeys,
  authorizationLogKinds,
  authorizationLogSources,
  type Identity,
} from '../protocols/machines/index.ts';
import type { Spool } from '../spool/index.ts';
import type { Audit, AuditFields } from './types.ts';

/** Whose word an answer is; `nobody`: the centre did not answer and there was no lease. */
export type AnswerSource = 'centre' | 'lease' | 'nobody';

/** What is put down about an answer. */
export interface AnswerRecord {
  readonly serial: string;
  readonly granted: boolean;
  /** 错误 as the machine reads it. */
  readonly error: string;
  readonly source: AnswerSource;
  /** Site time of the answer. */
  readonly time: string;
  /** Given after another answer to the same question. */
  readonly isLate: boolean;
}

/** The label of an answer in the figures. */
export const answerKind = ({ granted, source }: Pick<AnswerRecord, 'granted' | 'source'>): string =>
  source === 'nobody' ? 'no-answer' : `${granted ? 'granted' : 'denied'}-by-${source}`;

const channel = 'device_auth_log';
/** So long an answer waits for its copy in the spool; a lane that is synced later must not keep a machine waiting. */
const copyWithinMs = 200;
const sources = { centre: authorizationLogSources.centre, lease: authorizationLogSources.lease, nobody: '' };

/**
 * Puts down what is asked and answered: in the audit log of the box, and upstream through the spool. The audit log is
 * what counts: an answer waits for its line. It waits for its copy in the spool too, so that what a machine was told
 * reaches the centre whatever happens to the box, but never for long; what the spool does not take is counted and stands
 * in the audit log alone.
 */
export class AuthorizationRecords {
  readonly #audit: Audit;
  readonly #spool: Pick<Spool, 'append' | 'nextSequence'>;
  readonly #gatewayId: string;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #alarms: Alarms;
  readonly #logger: Logger;

  constructor(options: {
    audit: Audit;
    spool: Pick<Spool, 'append' | 'nextSequence'>;
    gatewayId: string;
    clock: Clock;
    counters: Counters;
    alarms: Alarms;
    logger: Logger;
  }) {
    this.#audit = options.audit;
    this.#spool = options.spool;
    this.#gatewayId = options.gatewayId;
    this.#clock = options.clock;
    this.#counters = options.counters;
    this.#alarms = options.alarms;
    this.#logger = options.logger;
  }

  /** A machine asks; nothing waits for this line, that of the answer comes after it in the same log. */
  asked(identity: Identity, transport: string, time: string): void {
    const { serial, model, name, address, customer } = identity;
    this.note('query', { serial, model, name, address, customer, transport });
    this.#forwardQuery(serial, time);
  }

  /** A query that could not be understood, with the words that it is answered at once. Otherwise as `answered`. */
  async malformed(serial: string | undefined, reason: string, error: string, time: string): Promise<void> {
    await this.write('malformed', { serial, reason, granted: false, error });
    this.#forwardQuery(serial ?? '', time);
    await this.#forwardAnswer({ serial: serial ?? '', granted: false, error, source: 'nobody', time });
  }

  /**
   * Resolves when the answer's line is on disk, and its copy for the centre is or cannot be for now; rejects with
   * `audit-write-failed`: then it must not be given.
   */
  async answered(answer: AnswerRecord): Promise<void> {
    const { serial, granted, error, source, isLate } = answer;
    await this.write('answer', { serial, granted, error, source, ...(isLate && { late: true }) });
    await this.#forwardAnswer(answer);
  }

  /** A line that nothing waits for. */
  note(event: string, fields: AuditFields): void {
    this.write(event, fields).catch(() => {});
  }

  /** Resolves when the line is on disk; rejects with `audit-write-failed`, which is an alarm too. */
  async write(event: string, fields: AuditFields): Promise<void> {
    try {
      await this.#audit.append(event, fields);
    } catch (error) {
      this.#alarms.raise('audit-write-failed', { text: describeError(error) });
      throw error;
    }
    this.#alarms.clear('audit-write-failed');
  }

  #forwardQuery(serial: string, time: string): void {
    void this.#forward(serial, {
      [authorizationLogKeys.kind]: authorizationLogKinds.query,
      [authorizationLogKeys.granted]: '',
      [authorizationLogKeys.error]: '',
      [authorizationLogKeys.source]: '',
      [authorizationLogKeys.time]: time,
    });
  }

  /** Resolves when the copy is on disk, when the spool does not take it, and after `copyWithinMs`. */
  #forwardAnswer({ serial, granted, error, source, time }: Omit<AnswerRecord, 'isLate'>): Promise<void> {
    const copied = this.#forward(serial, {
      [authorizationLogKeys.kind]: authorizationLogKinds.answer,
      [authorizationLogKeys.granted]: granted ? '1' : '0',
      [authorizationLogKeys.error]: error,
      [authorizationLogKeys.source]: sources[source],
      [authorizationLogKeys.time]: time,
    });
    return new Promise((resolve) => {
      const timer = this.#clock.after(copyWithinMs, resolve);
      copied.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Resolves when the line is in the spool or was counted as lost to it. */
  async #forward(serial: string, fields: Readonly<Record<string, string>>): Promise<void> {
    const body = {
      gateway: this.#gatewayId,
      seq: this.#spool.nextSequence,
      [authorizationLogKeys.serial]: serial,
      ...fields,
    };
    const payload = Buffer.from(JSON.stringify(body));
    try {
      await this.#spool.append('state', { channel, serial: this.#gatewayId, payload });
    } catch (error) {
      this.#counters.authorizationLogLost++;
      const said = 'a line for the centre stands in the audit log alone';
      this.#logger.debug({ serial, error: describeError(error) }, said);
    }
  }
}
