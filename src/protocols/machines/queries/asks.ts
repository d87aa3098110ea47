/**
 * What is asked under each path and how it is answered, whoever asks: over HTTP (`routes.ts`) or a flow (`within.ts`).
 */
import type { Account } from '../../../accounts/index.ts';
import type { TextId } from '../texts.ts';
import { answerKeys, levels, queryNames } from '../wire.ts';
import type { AuthorizationRecords } from './authorization-records.ts';
import { MachineQueries, type Page, type QueriedStore } from './machine-queries.ts';
import type { PageReader } from './page.ts';
import { integerOf, type Parameters, textOf } from './parameters.ts';
import { list, type Member, member } from './send.ts';

/** A query, once it is known who asks. */
export interface Asked {
  readonly parameters: Parameters;
  readonly account: Account;
  readonly reader: PageReader;
}

/** What is answered besides `错误`, as the text of JSON members; with a text when nothing matches or it may not be. */
export type Found =
  | { readonly members: readonly Member[] }
  | { readonly text: TextId; readonly members: readonly Member[] };

/** One query. `without` is what is answered besides `错误` when there is nothing to tell. */
export interface Ask {
  readonly ask: (asked: Asked) => Promise<Found>;
  readonly without: readonly Member[];
}

/** A page beyond it would walk the index for minutes. */
const largestSkip = 10_000_000;
const largestLimit = 1000;
const defaultLimit = 20;
/** Unix seconds up to the year 9999. */
const latestSecond = 253_402_300_799;
const mostDays = 36_500;

/** The queries by path. */
export function createAsks(options: {
  readonly store: QueriedStore;
  readonly authorizations: AuthorizationRecords;
}): ReadonlyMap<string, Ask> {
  const queries = new MachineQueries(options.store);
  const { authorizations } = options;

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

  const noCustomers = [member(answerKeys.customers, [])];
  const noDevices = [member(answerKeys.devices, [])];
  const noItems = [member(answerKeys.items, [])];
  const asks: Record<string, Ask> = {
    '/deviceInfo/base/customer/names': entry(async ({ account }) => {
      const customers = await queries.customers(account);
      const objects = customers.map((customer) => ({ [answerKeys.customer]: customer }));
      return objects.length === 0 ? nothing(noCustomers) : { members: [member(answerKeys.customers, objects)] };
    }, noCustomers),
    '/deviceInfo/base/customer/devices': entry(async ({ parameters, account, reader }) => {
      const customer = textOf(parameters, ...queryNames.customer);
      const devices = customer === undefined ? [] : await queries.devices(account, customer, reader.isGone);
      return devices.length === 0 ? nothing(noDevices) : { members: [member(answerKeys.devices, devices)] };
    }, noDevices),
    '/deviceInfo/base/sn': entry(async ({ parameters, account }) => {
      const serial = textOf(parameters, 'sn');
      return fields(serial === undefined ? undefined : await queries.baseOf(account, serial));
    }),
    '/deviceInfo/base/device': entry(async ({ parameters, account }) => {
      const name = textOf(parameters, ...queryNames.machine);
      const customer = textOf(parameters, ...queryNames.customer);
      return fields(await queries.baseOfNamed(account, { name, customer }));
    }),
    '/deviceInfo/process/sn': entry(async ({ parameters, account, reader }) => {
      const serial = textOf(parameters, 'sn');
      const page = pageOf(parameters);
      const times = timesOf(parameters);
      if (serial === undefined || page === undefined || times === undefined) return nothing(noItems);
      return items(await queries.processOf(account, serial, page, times, reader), noItems);
    }, noItems),
    '/deviceInfo/error/sn': entry(async ({ parameters, account, reader }) => {
      const serial = textOf(parameters, 'sn');
      const page = pageOf(parameters);
      const wanted = levelsOf(parameters);
      if (serial === undefined || page === undefined || wanted === undefined) return nothing(noItems);
      return items(await queries.errorsOf(account, serial, page, wanted, reader), noItems);
    }, noItems),
    '/deviceInfo/auth/sn': entry(authorization),
  };

  return new Map(Object.entries(asks));
}

const entry = (ask: Ask['ask'], without: readonly Member[] = []): Ask => ({ ask, without });

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
