/**
 * The HTTP queries of operation software (contracts/machines.md, 'HTTP queries'), at the centre and on the box.
 *
 * Invariants: every answer is JSON with `错误`; HTTP 200 whatever it says, and 429 where a limit was met. Nothing of a
 * query string is logged. A query has a place until the store is done with it and its answer is handed over, so that
 * neither clients that leave and ask again pile up work, nor those that do not read pile up answers; who takes nothing
 * of an answer for half a minute is cut off. What comes after the store is not done for a client that has left.
 * Failure behaviour: what the store says stands in `错误`; the next query is asked as if nothing had been.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Login } from '../../../accounts/index.ts';
import { redactText } from '../../../config/index.ts';
import { describeError, isHoldfastError } from '../../../errors.ts';
import type { Logger } from '../../../platform/index.ts';
import type { TextSource } from '../live-texts.ts';
import type { Language, TextId } from '../texts.ts';
import { answerKeys, loginResults, queryNames } from '../wire.ts';
import type { Ask } from './asks.ts';
import type { Gate } from './gate.ts';
import { readParameters, textOf } from './parameters.ts';
import { answer, handedOver, member, send } from './send.ts';
import { cookieToken, endedCookie, sessionCookie } from './session-cookie.ts';

/** What the routes are made of. */
export interface QueryRoutesOptions {
  readonly asks: ReadonlyMap<string, Ask>;
  readonly login: Login;
  readonly texts: TextSource;
  readonly language: Language;
  /** Whether a password may be taken from this address without TLS. */
  readonly mayBePlain: (address: string | undefined) => boolean;
  readonly gate: Gate;
  readonly logger: Logger;
}

/** Adds the routes, to each server that is to have them. */
export function queryRoutes(options: QueryRoutesOptions): (app: FastifyInstance) => void {
  const { asks, login, texts, language, mayBePlain, gate, logger } = options;
  const textFor = (id: TextId | undefined) => (id === undefined ? '' : texts.current[id][language]);

  function loginAnswer(reply: FastifyReply, text: TextId | string | undefined, token: string): FastifyReply {
    const error = text === undefined ? '' : text in texts.current ? textFor(text as TextId) : text;
    const result = token === '' ? loginResults.failure : loginResults.success;
    const { error: first, loginError, loginResult, token: tokenKey } = answerKeys;
    return send(
      reply,
      `{${[member(first, error), member(loginError, error), member(loginResult, result), member(tokenKey, token)].join(',')}}`,
    );
  }

  async function loginRoute(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const address = request.socket.remoteAddress;
    const isSecure = 'encrypted' in request.socket;
    if (!isSecure && !mayBePlain(address)) {
      logger.info({ address }, 'a login without TLS was refused');
      return loginAnswer(reply, 'login-needs-tls', '');
    }
    const parameters = readParameters(request.url);
    const name = textOf(parameters, ...queryNames.account) ?? '';
    const password = textOf(parameters, ...queryNames.password) ?? '';
    try {
      const outcome = await login.login(name, password, address);
      if (outcome.kind === 'limited') {
        tooMany(reply, outcome.waitMs);
        return loginAnswer(reply, 'too-many-attempts', '');
      }
      if (outcome.kind === 'wrong') {
        logger.info({ address }, 'a login failed');
        return loginAnswer(reply, 'bad-login', '');
      }
      reply.header('set-cookie', sessionCookie(outcome.token, isSecure));
      return loginAnswer(reply, undefined, outcome.token);
    } catch (error) {
      return loginAnswer(reply, failure(error), '');
    }
  }

  /** A route behind a token. */
  function guarded({ ask, without }: Ask) {
    return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const parameters = readParameters(request.url);
      const { socket } = request;
      const isGone = () => socket.destroyed;
      try {
        const token = textOf(parameters, answerKeys.token) ?? cookieToken(request) ?? '';
        const who = await login.account(token, socket.remoteAddress);
        if (who.kind === 'limited') {
          tooMany(reply, who.waitMs);
          return answer(reply, textFor('too-many-attempts'), without);
        }
        if (who.kind === 'unknown') return answer(reply, textFor('token-expired'), without);
        const place = isGone() ? undefined : gate.enter(who.account.name);
        if (place === undefined) {
          tooMany(reply, 1000);
          return answer(reply, textFor('too-many-requests'), without);
        }
        try {
          const reader = { isGone, grow: place.grow };
          const found = await ask({ parameters, account: who.account, reader });
          handedOver(reply, gate.limits.stalledMs, place.leave);
          return answer(reply, textFor('text' in found ? found.text : undefined), found.members);
        } catch (error) {
          place.leave();
          throw error;
        }
      } catch (error) {
        return answer(reply, failure(error), without);
      }
    };
  }

  async function logoutRoute(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const token = textOf(readParameters(request.url), answerKeys.token) ?? cookieToken(request) ?? '';
    const who = await login.account(token, request.socket.remoteAddress).catch((error: unknown) => failure(error));
    if (typeof who === 'string') return answer(reply, who, []);
    if (who.kind !== 'account') return answer(reply, textFor('token-expired'), []);
    try {
      await login.logout(token);
    } catch (error) {
      return answer(reply, failure(error), []);
    }
    reply.header('set-cookie', endedCookie('encrypted' in request.socket));
    return answer(reply, '', []);
  }

  /** The database's own words, without what a URL in them may hold; a mistake of ours is none of the client's business. */
  function failure(error: unknown): string {
    if (!isHoldfastError(error)) logger.error({ err: error }, 'a query failed');
    else logger.warn({ error: describeError(error) }, 'a query could not be answered');
    return isHoldfastError(error) ? redactText(describeError(error)) : textFor('storage-failed');
  }

  const handlers: Record<string, (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>> = {
    '/login': loginRoute,
    '/deviceInfo/logout': logoutRoute,
  };
  for (const [path, ask] of asks) handlers[path] = guarded(ask);

  return (app) => {
    for (const [path, handler] of Object.entries(handlers)) app.get(path, { exposeHeadRoute: false }, handler);
  };
}

function tooMany(reply: FastifyReply, waitMs: number): void {
  reply.status(429).header('retry-after', String(Math.max(1, Math.ceil(waitMs / 1000))));
}
