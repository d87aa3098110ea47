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
import type { Account, Login } from '../../../accounts/index.ts';
import { redactText } from '../../../config/index.ts';
import { describeError, isHoldfastError } from '../../../errors.ts';
import type { Clock, Logger } from '../../../platform/index.ts';
import type { DocumentStore } from '../../../store/index.ts';
import type { TextSource } from '../live-texts.ts';
import type { Language, TextId } from '../texts.ts';
import { answerKeys, levels, loginResults, queryNames } from '../wire.ts';
import type { AuthorizationRecords } from './authorization-records.ts';
import { Gate, type QueryLimits } from './gate.ts';
import { MachineQueries, type Page } from './machine-queries.ts';
import type { PageReader } from './page.ts';
import { integerOf, type Parameters, readParameters, textOf } from './parameters.ts';
import { answer, handedOver, list, type Member, member, send } from './send.ts';
import { cookieToken, endedCookie, sessionCookie } from './session-cookie.ts';

/** What the routes are made of. */
export interface QueryRoutesOptions {
  readonly store: DocumentStore;
  readonly login: Login;
  readonly authorizations: AuthorizationRecords;
  readonly texts: TextSource;
  readonly language: Language;
  /** Whether a password may be taken from this address without TLS. */
  readonly mayBePlain: (address: string | undefined) => boolean;
  readonly limits: QueryLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A query, once it is known who asks. */
interface Asked {
  readonly parameters: Parameters;
  readonly account: Account;
  readonly reader: PageReader;
}

/** What is answered besides `错误`, as the text of JSON members; `empty` when nothing matches. */
type Found = { readonly members: readonly Member[] } | { readonly text: TextId; readonly members: readonly Member[] };

/** A page beyond it would walk the index for minutes. */
const largestSkip = 10_000_000;
const largestLimit = 1000;
const defaultLimit = 20;
/** Unix seconds up to the year 9999. */
const latestSecond = 253_402_300_799;
const mostDays = 36_500;

/** Adds the routes, to each server that is to have them. One set of limits for all of them. */
export function queryRoutes(options: QueryRoutesOptions): (app: FastifyInstance) => void {
  const { login, authorizations, texts, language, mayBePlain, clock, logger } = options;
  const queries = new MachineQueries(options.store);
  const gate = new Gate(clock, options.limits);
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

  /** A route behind a token. `without` is what is answered besides `错误` when there is nothing to tell. */
  function guarded(ask: (asked: Asked) => Promise<Found>, without: readonly Member[] = []) {
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
          handedOver(reply, options.limits.stalledMs, place.leave);
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

  async function authorization({ parameters, account }: Asked): Promise<Found> {
    const serial = textOf(parameters, 'sn');
    const days = integerOf(parameters, 'time', { least: -mostDays, most: mostDays, fallback: 0 });
    if (serial === undefined || days === 'invalid') return nothing();
    if (days !== 0 && account.role !== 'authorizer') return { text: 'not-permitted', members: [] };
    if (!(await queries.mayAsk(account, serial))) return nothing();
    let until: string | undefined;
    if (days === 0) {
      until = await authorizations.read(serial);
    } else {
      const change = await authorizations.set(serial, days, account.name);
      if (change.kind === 'offline') return { text: 'set-at-centre', members: [] };
      if (change.kind === 'changed') until = change.until;
    }
    if (until === undefined) return nothing();
    return { members: [member(answerKeys.serial, serial), member(answerKeys.until, until)] };
  }

  /** The database's own words, without what a URL in them may hold; a mistake of ours is none of the client's business. */
  function failure(error: unknown): string {
    if (!isHoldfastError(error)) logger.error({ err: error }, 'a query failed');
    else logger.warn({ error: describeError(error) }, 'a query could not be answered');
    return isHoldfastError(error) ? redactText(describeError(error)) : textFor('storage-failed');
  }

  const noCustomers = [member(answerKeys.customers, [])];
  const noDevices = [member(answerKeys.devices, [])];
  const noItems = [member(answerKeys.items, [])];
  const handlers = {
    '/login': loginRoute,
    '/deviceInfo/logout': logoutRoute,
    '/deviceInfo/base/customer/names': guarded(async ({ account }) => {
      const customers = await queries.customers(account);
      const objects = customers.map((customer) => ({ [answerKeys.customer]: customer }));
      return objects.length === 0 ? nothing(noCustomers) : { members: [member(answerKeys.customers, objects)] };
    }, noCustomers),
    '/deviceInfo/base/customer/devices': guarded(async ({ parameters, account, reader }) => {
      const customer = textOf(parameters, ...queryNames.customer);
      const devices = customer === undefined ? [] : await queries.devices(account, customer, reader.isGone);
      return devices.length === 0 ? nothing(noDevices) : { members: [member(answerKeys.devices, devices)] };
    }, noDevices),
    '/deviceInfo/base/sn': guarded(async ({ parameters, account }) => {
      const serial = textOf(parameters, 'sn');
      return fields(serial === undefined ? undefined : await queries.baseOf(account, serial));
    }),
    '/deviceInfo/base/device': guarded(async ({ parameters, account }) => {
      const name = textOf(parameters, ...queryNames.machine);
      const customer = textOf(parameters, ...queryNames.customer);
      return fields(await queries.baseOfNamed(account, { name, customer }));
    }),
    '/deviceInfo/process/sn': guarded(async ({ parameters, account, reader }) => {
      const serial = textOf(parameters, 'sn');
      const page = pageOf(parameters);
      const times = timesOf(parameters);
      if (serial === undefined || page === undefined || times === undefined) return nothing(noItems);
      return items(await queries.processOf(account, serial, page, times, reader), noItems);
    }, noItems),
    '/deviceInfo/error/sn': guarded(async ({ parameters, account, reader }) => {
      const serial = textOf(parameters, 'sn');
      const page = pageOf(parameters);
      const wanted = levelsOf(parameters);
      if (serial === undefined || page === undefined || wanted === undefined) return nothing(noItems);
      return items(await queries.errorsOf(account, serial, page, wanted, reader), noItems);
    }, noItems),
    '/deviceInfo/auth/sn': guarded(authorization),
  };

  return (app) => {
    for (const [path, handler] of Object.entries(handlers)) app.get(path, { exposeHeadRoute: false }, handler);
  };
}

const nothing = (members: readonly Member[] = []): Found => ({ text: 'empty-query', members });

function fields(found: Readonly<Record<string, unknown>> | undefined): Found {
  if (found === undefined) return nothing();
  return { members: Object.entries(found).map(([key, value]) => member(key, value)) };
}

function items(texts: readonly Buffer[], without: readonly Member[]): Found {
  return texts.length === 0 ? nothing(without) : { members: [list(answerKeys.items, texts)] };
}

function pageOf(parameters: Parameters): Page | undefined {
  const most = Number.MAX_SAFE_INTEGER;
  const skip = integerOf(parameters, 'skip', { least: 0, most: largestSkip, fallback: 0 });
  const limit = integerOf(parameters, 'limit', { least: 0, most, fallback: defaultLimit });
  if (skip === 'invalid' || limit === 'invalid') return undefined;
  return { skip, limit: Math.min(limit, largestLimit) };
}

function timesOf(parameters: Parameters): { fromMs: number | undefined; untilMs: number | undefined } | undefined {
  const bounds = { least: 0, most: latestSecond, fallback: -1 };
  const from = integerOf(parameters, 'min_time', bounds);
  const until = integerOf(parameters, 'max_time', bounds);
  if (from === 'invalid' || until === 'invalid') return undefined;
  return { fromMs: from < 0 ? undefined : from * 1000, untilMs: until < 0 ? undefined : until * 1000 };
}

/** The wire's words of the levels that are asked for; undefined when a flag is neither 0 nor 1. */
function levelsOf(parameters: Parameters): string[] | undefined {
  const words: string[] = [];
  for (const [name, word] of [
    ['error', levels.fault],
    ['warn', levels.alarm],
    ['prompt', levels.hint],
  ] as const) {
    const flag = integerOf(parameters, name, { least: 0, most: 1, fallback: 0 });
    if (flag === 'invalid') return undefined;
    if (flag === 1) words.push(word);
  }
  return words;
}

function tooMany(reply: FastifyReply, waitMs: number): void {
  reply.status(429).header('retry-after', String(Math.max(1, Math.ceil(waitMs / 1000))));
}
