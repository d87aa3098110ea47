import { type Counters, countBy } from '../metrics.ts';
import type { Clock, SiteTime } from '../platform/index.ts';
import { authorizationChannel, type ReplyWriter, replyTopic } from '../protocols/machines/index.ts';
import type { Answer, AuthorizationAnswer } from './asking.ts';
import { type AuthorizationRecords, answerKind } from './records.ts';

/** What answers are made of. */
export interface AnswersOptions {
  readonly records: AuthorizationRecords;
  readonly replies: ReplyWriter;
  readonly siteTime: SiteTime;
  readonly clock: Clock;
  readonly counters: Counters;
}

/** Nobody can be asked, or the answer could not be put down. */
export const notAvailable: Answer = { granted: false, source: 'nobody', text: 'not-available', said: undefined };

/** Puts answers into the machine's words, and into the audit log before they are given. */
export class Answers {
  readonly #options: AnswersOptions;

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** Site time of now. */
  get time(): string {
    return this.#options.siteTime.format(this.#options.clock.wallMs());
  }

  reply(serial: string, { granted, source, text, said }: Answer): AuthorizationAnswer {
    const { replies } = this.#options;
    const body = replies.authorization({ serial, text, said, time: this.time });
    const error = text === undefined ? (said ?? '') : replies.words(text);
    return { topic: replyTopic(authorizationChannel, serial), body, permission: { serial, granted, source, error } };
  }

  /** The reply, once it is in the audit log; instead of what cannot be put there, that authorization is not available. */
  async record(serial: string, answer: Answer, isLate: boolean): Promise<AuthorizationAnswer> {
    const { records, counters } = this.#options;
    const reply = this.reply(serial, answer);
    const { granted, source, error } = reply.permission;
    try {
      await records.answered({ serial, granted, error, source, time: this.time, isLate });
    } catch {
      countBy(counters.authorizationAnswered, 'not-recorded');
      return this.reply(serial, notAvailable);
    }
    countBy(counters.authorizationAnswered, answerKind(answer));
    return reply;
  }
}
