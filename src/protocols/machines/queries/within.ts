import type { Account } from '../../../accounts/index.ts';
import { redactText } from '../../../config/index.ts';
import { describeError, isHoldfastError } from '../../../errors.ts';
import type { Logger } from '../../../platform/index.ts';
import type { TextSource } from '../live-texts.ts';
import type { Language, TextId } from '../texts.ts';
import type { Ask } from './asks.ts';
import type { Gate } from './gate.ts';
import { answerText } from './send.ts';

/** An answer as HTTP gives it. */
export interface WithinAnswer {
  /** 200, or 429 where a limit was met. */
  readonly status: 200 | 429;
  /** JSON with `错误`. */
  readonly body: Buffer;
}

/** Asks as an account of its own, without HTTP. */
export type AskWithin = (question: {
  /** A path of `contracts/machines.md`, with or without a slash at its end. */
  readonly path: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly account: Account;
}) => Promise<WithinAnswer | 'no-such-path'>;

/** The queries for who is on the box already: the same answers under the same limits. Never rejects. */
export function askWithin(options: {
  readonly asks: ReadonlyMap<string, Ask>;
  readonly gate: Gate;
  readonly texts: TextSource;
  readonly language: Language;
  readonly logger: Logger;
}): AskWithin {
  const { asks, gate, texts, language, logger } = options;
  const words = (id: TextId) => texts.current[id][language];
  return async ({ path, parameters, account }) => {
    const found = asks.get(path.replace(/\/$/, ''));
    if (found === undefined) return 'no-such-path';
    const { ask, without } = found;
    const place = gate.enter(account.name);
    if (place === undefined) return { status: 429, body: answerText(words('too-many-requests'), without) };
    try {
      const answer = await ask({ parameters, account, reader: { isGone: () => false, grow: place.grow } });
      return { status: 200, body: answerText('text' in answer ? words(answer.text) : '', answer.members) };
    } catch (error) {
      if (!isHoldfastError(error)) logger.error({ err: error }, 'a query of a flow failed');
      const text = isHoldfastError(error) ? redactText(describeError(error)) : words('storage-failed');
      return { status: 200, body: answerText(text, without) };
    } finally {
      place.leave();
    }
  };
}
