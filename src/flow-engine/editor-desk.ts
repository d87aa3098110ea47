import { describeError } from '../errors.ts';
import type { Logger } from '../platform/index.ts';
import type { Question } from './protocol.ts';
import type { EditorAccounts } from './types.ts';

export interface EditorDeskOptions {
  readonly accounts: EditorAccounts;
  /** Whether a password may come from there without TLS. */
  readonly mayBePlain: (address: string | undefined) => boolean;
  readonly logger: Logger;
}

/** Answers what the editor asks about people. Whatever goes wrong lets nobody in. */
export class EditorDesk {
  readonly #options: EditorDeskOptions;

  constructor(options: EditorDeskOptions) {
    this.#options = options;
  }

  async answer(question: Question): Promise<unknown> {
    const { accounts, logger } = this.#options;
    try {
      if (question.kind === 'login') return await this.#login(question);
      if (question.kind === 'token') return await accounts.token(question.token, question.address);
      await accounts.logout(question.token);
      return {};
    } catch (error) {
      logger.warn({ error: describeError(error) }, 'the editor could not be told who somebody is');
      return undefined;
    }
  }

  async #login({ name, password, address, isSecure }: Extract<Question, { kind: 'login' }>): Promise<object> {
    const { accounts, mayBePlain, logger } = this.#options;
    if (!isSecure && !mayBePlain(address)) {
      logger.warn(
        { address },
        'a password for the editor came without TLS from a network that http.plainFrom does not name',
      );
      return { refused: 'a password is not taken from this network without HTTPS' };
    }
    const outcome = await accounts.login(name, password, address);
    if (outcome === 'wrong') {
      logger.warn({ address }, 'a login to the editor was wrong');
      return { refused: 'wrong name or password, or an account that may not use the editor' };
    }
    if ('waitMs' in outcome) return { waitMs: outcome.waitMs };
    logger.info({ address, user: outcome.user.name, permissions: outcome.user.permissions }, 'logged in to the editor');
    return { token: outcome.token };
  }
}
