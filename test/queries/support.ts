import { request as requestHttp } from 'node:http';
import { Accounts, accountIndexes, Login, type LoginLimits, Sessions, wirePassword } from '../../src/accounts/index.ts';
import { CentralHttp } from '../../src/central/index.ts';
import { MachineRegistry, toDocument } from '../../src/documents/index.ts';
import { type Clock, type Logger, SiteTime, silentLogger } from '../../src/platform/index.ts';
import { defaultTexts, messageFields, type RoleName, type TextSource } from '../../src/protocols/machines/index.ts';
import {
  type AuthorizationRecords,
  createAsks,
  defaultQueryLimits,
  errorCollection,
  Gate,
  processCollection,
  type QueryLimits,
  queryIndexes,
  queryRoutes,
} from '../../src/protocols/machines/queries/index.ts';
import { type CollectionName, type DocumentStore, SqliteDocumentStore } from '../../src/store/index.ts';
import { MongoDocumentStore } from '../../src/store/mongodb.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startMongo } from '../support/mongodb.ts';
import { temporaryFolder } from '../support/temporary.ts';

export const siteTime = new SiteTime('Asia/Shanghai');
export const startMs = Date.parse('2024-03-20T00:00:00Z');

/** A kind of store, and how to get an empty one with the indexes. */
export interface StoreKind {
  readonly name: string;
  open(): Promise<DocumentStore>;
  close(): Promise<void>;
}

export const sqlite: StoreKind = {
  name: 'sqlite',
  async open() {
    const store = new SqliteDocumentStore({ folder: temporaryFolder().path, durable: false });
    await store.start();
    await store.ensureIndexes([...queryIndexes, ...accountIndexes]);
    return store;
  },
  async close() {},
};

/** One server for all stores of it. */
export async function mongo(): Promise<StoreKind> {
  const server = await startMongo();
  let opened = 0;
  return {
    name: 'mongodb',
    async open() {
      const store = new MongoDocumentStore({
        url: server.url,
        databasePrefix: `${server.databasePrefix}q${opened++}_`,
      });
      await store.start();
      await store.ensureIndexes([...queryIndexes, ...accountIndexes]);
      return store;
    },
    close: () => server.stop(),
  };
}

/** Authorizations of a test: a table, and what `set` was asked for. */
export class TestAuthorizations implements AuthorizationRecords {
  readonly until = new Map<string, string>();
  readonly changes: { serial: string; days: number; by: string }[] = [];
  outcome: 'changed' | 'unknown' | 'offline' = 'changed';

  async read(serial: string) {
    return this.until.get(serial);
  }

  async set(serial: string, days: number, by: string) {
    this.changes.push({ serial, days, by });
    if (this.outcome !== 'changed') return { kind: this.outcome };
    const until = `day ${days}`;
    this.until.set(serial, until);
    return { kind: 'changed' as const, until };
  }
}

/** A logger that keeps every line. */
export function recordingLogger(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const add = (facts: object, message: string) => {
    const plain = Object.fromEntries(
      Object.entries(facts).map(([key, value]) => [key, value instanceof Error ? `${value.stack}` : value]),
    );
    lines.push(`${JSON.stringify(plain)} ${message}`);
  };
  const logger: Logger = { debug: add, info: add, warn: add, error: add, child: () => logger };
  return { logger, lines };
}

export interface ServerOptions {
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly texts?: TextSource;
  readonly mayBePlain?: (address: string | undefined) => boolean;
  readonly limits?: Partial<QueryLimits>;
  readonly loginLimits?: LoginLimits;
}

/** The routes over a store, on a free port. */
export async function startQueries(store: DocumentStore, options: ServerOptions = {}) {
  const { clock = new ManualClock(startMs), logger = silentLogger } = options;
  const accounts = new Accounts({ store, clock, siteTime });
  const sessions = new Sessions({ store, accounts, clock, siteTime });
  const login = new Login({
    accounts,
    sessions,
    clock,
    ...(options.loginLimits !== undefined && { limits: options.loginLimits }),
  });
  const authorizations = new TestAuthorizations();
  const routes = queryRoutes({
    asks: createAsks({ store, authorizations }),
    login,
    texts: options.texts ?? { current: defaultTexts },
    language: 'zh',
    mayBePlain: options.mayBePlain ?? (() => true),
    gate: new Gate(clock, { ...defaultQueryLimits, ratePerSecond: 0, ...options.limits }),
    logger,
  });
  const http = new CentralHttp({
    host: '127.0.0.1',
    port: 0,
    health: () => ({ ok: true, status: 'ok' }),
    metrics: { contentType: 'text/plain', metrics: async () => '' },
    routes: [routes],
  });
  await http.start();
  const port = http.port!;
  const addAccount = (name: string, customers: string[], role: RoleName = 'viewer') =>
    accounts.add({ name, password: wirePassword(`${name}'s`, 'sha256'), customers, role });
  const logIn = async (name: string, password = `${name}'s`): Promise<string> => {
    const { body } = await ask(port, '/login/', { name, passwd: wirePassword(password, 'sha256') });
    return String(body.token);
  };
  return { store, clock, accounts, sessions, login, authorizations, http, port, addAccount, logIn };
}

export interface Answered {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into key by key.
  readonly body: any;
}

/** Asks a path, with parameters or a ready query string. */
export function ask(
  port: number,
  path: string,
  query: Record<string, string | number> | string = {},
  headers: Record<string, string> = {},
): Promise<Answered> {
  const pairs = typeof query === 'string' ? query : encoded(query);
  return new Promise((resolve, reject) => {
    const request = requestHttp(
      { host: '127.0.0.1', port, path: pairs === '' ? path : `${path}?${pairs}`, headers },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part) => parts.push(part));
        response.on('end', () => {
          const text = Buffer.concat(parts).toString();
          resolve({ status: response.statusCode!, headers: response.headers, text, body: parsed(text) });
        });
      },
    );
    request.on('error', reject);
    request.end();
  });
}

export const encoded = (query: Record<string, string | number>): string =>
  Object.entries(query)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&');

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

let sequence = 0;
const timeReader = { key: messageFields.base.time.key, parse: (text: string) => siteTime.parse(text) };

/** Stores reports as the centre does, in their order. */
export async function storeReports(
  store: DocumentStore,
  target: CollectionName | 'base',
  bodies: readonly object[],
): Promise<void> {
  const documents = bodies.map((body) => {
    const own = ++sequence;
    const origin = {
      id: `gw-${own}`,
      receivedMs: startMs + own,
      acceptedMs: startMs + own,
      clock: 'trusted' as const,
      gateway: 'gw',
      sequence: own,
    };
    return { document: toDocument(Buffer.from(JSON.stringify(body)), origin, timeReader), series: 'all' };
  });
  if (target !== 'base') {
    await store.insertBatch(target, documents);
    return;
  }
  const registry = new MachineRegistry({ store, logger: silentLogger });
  await registry.take(documents.map(({ document }) => ({ document, isDuplicate: false })));
}

export const base = (序列号: string, 客户名称: string, 机器名称: string, more: object = {}) => ({
  序列号,
  机器型号: 'P440',
  机器名称,
  客户名称,
  地址: '中国重庆市沙坪坝25号',
  报文时间: '2024-03-18 15:30:45',
  ...more,
});

export const clockText = (second: number): string =>
  siteTime.format(Date.parse('2024-03-18T07:30:00Z') + second * 1000);

export const process = (序列号: string, second: number, more: object = {}) => ({
  序列号,
  报文时间: clockText(second),
  机器型号: 'P440',
  机器名称: '重庆1号机',
  地址: '中国重庆市沙坪坝25号2层',
  设备状态: '预热完成',
  预热时长: '20',
  ...more,
});

export const error = (序列号: string, second: number, 异常等级: string, 异常描述: string) => ({
  序列号,
  报文时间: clockText(second),
  机器型号: 'P440',
  机器名称: '重庆1号机',
  地址: '中国重庆市沙坪坝25号2层',
  异常等级,
  异常描述,
});

export { errorCollection, processCollection };
