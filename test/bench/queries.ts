/**
 * The queries on the box over 500 machines with 500 reports each: how long an operator waits for an answer, alone and
 * while reports come in. The target of both is 20 ms for the 95th percentile.
 *
 *     bin/node test/bench/queries.ts [--quick] [--rounds N]
 */
import { Agent, request } from 'node:http';
import { accountIndexes } from '../../src/accounts/index.ts';
import { toDocument } from '../../src/documents/index.ts';
import { systemClock } from '../../src/platform/index.ts';
import { queryIndexes } from '../../src/protocols/machines/queries/index.ts';
import { type DocumentStore, SqliteDocumentStore } from '../../src/store/index.ts';
import {
  base,
  encoded,
  error,
  errorCollection,
  processCollection,
  process as processReport,
  siteTime,
  startQueries,
  storeReports,
} from '../queries/support.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { type Bench, benchmark } from './support/bench.ts';

const agent = new Agent({ keepAlive: true, maxSockets: 4 });

await benchmark(async (bench) => {
  const machines = bench.pick(500, 20);
  const reports = bench.pick(500, 50);
  const store = new SqliteDocumentStore({ folder: temporaryFolder('holdfast-bench-').path, durable: false });
  await store.start();
  await store.ensureIndexes([...queryIndexes, ...accountIndexes]);
  await fill(store, machines, reports);
  const server = await startQueries(store, { clock: systemClock() });
  await server.addAccount(
    'some',
    Array.from({ length: 10 }, (_, index) => `客户${index}`),
  );
  const token = await server.logIn('some');
  const queries = [
    (sn: string) => `process/sn/?${encoded({ sn, token, limit: 20 })}`,
    (sn: string) => `process/sn/?${encoded({ sn, token, skip: Math.floor(reports * 0.9), limit: 20 })}`,
    (sn: string) => `process/sn/?${encoded({ sn, token, min_time: 1_710_700_000, max_time: 1_720_000_000 })}`,
    (sn: string) => `error/sn/?${encoded({ sn, token, error: 1, warn: 1 })}`,
    (sn: string) => `base/sn/?${encoded({ sn, token })}`,
    (sn: string) => `base/device/?${encoded({ device: `机器${sn.slice(2)}`, token })}`,
    () => `base/customer/devices/?${encoded({ customer: '客户3', token })}`,
    () => `base/customer/names/?${encoded({ token })}`,
  ];
  const count = bench.pick(2000, 40);
  const round = async () => {
    const times: number[] = [];
    for (let index = 0; index < count; index++) {
      const path = queries[index % queries.length]!(`sn${Math.floor(Math.random() * machines)}`);
      const before = performance.now();
      await ask(server.port, `/deviceInfo/${path}`);
      times.push(performance.now() - before);
    }
    return percentile95(times);
  };
  const alone: number[] = [];
  const beside: number[] = [];
  for (let index = 0; index < bench.rounds(5); index++) {
    alone.push(await round());
    const writing = write(store, machines);
    beside.push(await round());
    await writing.stop();
  }
  state(bench, 'p95 of a query', alone);
  state(bench, 'p95 of a query while 500 reports/s are kept', beside);
  await server.http.stop();
  await store.stop();
});

function state(bench: Bench, name: string, ours: readonly number[]): void {
  bench.state({ name, unit: 'ms', ours, target: { atMost: 20 } });
}

async function fill(store: DocumentStore, machines: number, reports: number): Promise<void> {
  for (let machine = 0; machine < machines; machine++) {
    const serial = `sn${machine}`;
    await storeReports(store, 'base', [base(serial, `客户${machine % 20}`, `机器${machine}`)]);
    const numbers = Array.from({ length: reports }, (_, index) => index);
    await storeReports(
      store,
      processCollection,
      numbers.map((index) => processReport(serial, index * 30)),
    );
    const levels = ['故障', '报警', '提示'];
    await storeReports(
      store,
      errorCollection,
      numbers.slice(0, 100).map((index) => error(serial, index * 60, levels[index % 3]!, '电机运动超时')),
    );
  }
}

/** 500 reports a second, in groups as the box writes them. */
function write(store: DocumentStore, machines: number): { stop(): Promise<void> } {
  let isRunning = true;
  let sequence = 10_000_000;
  const time = { key: '报文时间', parse: (text: string) => siteTime.parse(text) };
  const run = async () => {
    while (isRunning) {
      const documents = Array.from({ length: 50 }, () => {
        const own = ++sequence;
        const body = Buffer.from(JSON.stringify(processReport(`sn${own % machines}`, own % 100_000)));
        return {
          document: toDocument(body, { id: `w-${own}`, receivedMs: own, sequence: own }, time),
          series: `${own}`,
        };
      });
      await store.insertBatch(processCollection, documents);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const running = run();
  return {
    stop() {
      isRunning = false;
      return running;
    },
  };
}

function ask(port: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      response.on('end', () => {
        if (response.statusCode === 200 && text.startsWith('{"错误":')) resolve();
        else reject(new Error(`${response.statusCode} ${text.slice(0, 200)}`));
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

function percentile95(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.95)]!;
}
