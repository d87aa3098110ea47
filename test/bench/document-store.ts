/**
 * The box's document store, as the gateway uses it for queries: 500 machines × 500 reports of some 600 bytes, newest
 * kept. How fast they come in, what a page costs, newest first by machine, anywhere in its 500, and what all of it
 * costs in memory, after a collection of garbage: that of the process with its thread, against the same after the same
 * work with few documents kept. Beside it the same file with every commit on the device, as a centre without a database
 * server has it.
 *
 *     bin/node test/bench/document-store.ts [--quick] [--rounds N]
 */
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type NewDocument, SqliteDocumentStore } from '../../src/store/index.ts';
import { Random } from '../support/random.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { type Bench, benchmark, round } from './support/bench.ts';

const mebibyte = 1024 * 1024;
const batch = 100;
const newest = [
  ['_time', -1],
  ['_seq', -1],
] as const;
const target = { database: 'device_info', collection: 'device_process' };
const index = { ...target, name: 'serial_newest', keys: [['序列号', 1], ...newest] } as const;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: object) => void;

await benchmark(async (bench) => {
  const machines = bench.pick(500, 20);
  const perMachine = bench.pick(500, 50);
  const count = machines * perMachine;
  const queries = bench.pick(4000, 100);

  const kept = temporaryFolder();
  const store = new SqliteDocumentStore({ folder: kept.path, durable: false });
  const without = await resident(bench);
  await store.start();
  await store.ping();
  const thread = (await resident(bench)) - without;
  bench.state({ name: 'memory of the thread', unit: 'MiB', ours: [thread / mebibyte] });
  bench.note(
    "run from TypeScript, the thread also holds Node's translator, some 10 MiB that the built program does not",
  );
  const random = new Random(1);
  // The same work, with few documents kept: what the JavaScript engine takes for it belongs to the work.
  await store.keepNewest(index, { perGroup: 40, total: count });
  for (let n = 0; n * batch < count; n++) await fill(store, 1_000_000 + n, batch, machines);
  await timesOf(queries, () => page(store, random, machines, 40));
  const before = await resident(bench);
  await store.remove(target, {});
  await store.keepNewest(index, { perGroup: perMachine, total: count });
  const alone = await timesOf(count / batch, (n) => fill(store, n, batch, machines));
  const kept500 = 'reports of 600 B come in, the newest kept';
  bench.state({ name: kept500, unit: 'documents/s', ours: [(1000 * count) / sum(alone)] });
  bench.state({ name: `the slowest of ${count / batch} batches of ${batch}`, unit: 'ms', ours: [Math.max(...alone)] });
  if ((await store.count(target)) !== count) throw new Error('it keeps another number');

  const pages = await timesOf(queries, () => page(store, random, machines, perMachine));
  stateTimes(bench, 'a page of 20 anywhere in the newest of a machine', pages, 20);
  const deep = await timesOf(queries / 4, () => page(store, random, machines, perMachine, perMachine - 20));
  stateTimes(bench, 'the last page of a machine', deep, 20);
  const busy = await besideWrites(store, random, machines, perMachine, queries / 4);
  stateTimes(bench, 'a page while reports come in, a batch after the other', busy);

  const after = await resident(bench);
  const work = 'memory that the work itself has taken, with 40 of each machine kept';
  bench.state({ name: work, unit: 'MiB', ours: [(before - without - thread) / mebibyte] });
  const growth = (after - before) / mebibyte;
  const with250 = `growth of memory with ${count.toLocaleString('en')} documents`;
  bench.state({ name: with250, unit: 'MiB', ours: [growth], target: { atMost: 16 } });
  await store.stop();
  const bytes = statSync(kept.file('documents.db')).size;
  bench.note(`${round(bytes / mebibyte)} MiB on disk, ${round(bytes / count)} bytes a document with its index`);

  const durable = new SqliteDocumentStore({ folder: temporaryFolder().path });
  await durable.start();
  await durable.ensureIndexes([index]);
  const safe = await timesOf(bench.pick(250, 10), (n) => fill(durable, n, 1000, machines));
  bench.state({ name: 'on the device, batches of 1000', unit: 'documents/s', ours: [(1e6 * safe.length) / sum(safe)] });
  const single = await timesOf(bench.pick(500, 20), (n) => fill(durable, 1_000_000 + n, 1, machines));
  stateTimes(bench, 'on the device, one by itself', single);
  await durable.stop();
});

/** Batch `n`: a report each of machines in turn. */
async function fill(store: SqliteDocumentStore, n: number, size: number, machines: number): Promise<void> {
  const documents = Array.from({ length: size }, (_, place) => report(n * size + place, machines));
  const outcomes = await store.insertBatch(target, documents);
  if (outcomes.some(({ kind }) => kind !== 'inserted')) throw new Error('a report was not inserted');
}

function report(n: number, machines: number): NewDocument {
  const serial = `sn${String(n % machines).padStart(6, '0')}`;
  const at = new Date(Date.UTC(2024, 2, 18) + n * 1000);
  const document = {
    _id: `gateway-0001-0123456789abcdef-${n}`,
    序列号: serial,
    报文时间: at.toISOString().slice(0, 19).replace('T', ' '),
    机器型号: 'P440',
    机器名称: '重庆1号机',
    地址: '中国重庆市沙坪坝25号2层',
    设备状态: '打印',
    打印开始时间: '2024-03-18 15:30:45',
    打印结束时间: '2024-03-18 15:31:45',
    打印时长: '60',
    打印层数: '1',
    当前层号: String(n),
    当前层打印面积: '360.5',
    _time: at,
    _received: at,
    _accepted: at,
    _clock: 'trusted',
    _gateway: 'gateway-0001',
    _seq: BigInt(n),
    _prev: BigInt(Math.max(0, n - machines)),
  };
  return { document, series: serial };
}

async function page(
  store: SqliteDocumentStore,
  random: Random,
  machines: number,
  perMachine: number,
  skip = random.below(perMachine - 20),
): Promise<void> {
  const 序列号 = `sn${String(random.below(machines)).padStart(6, '0')}`;
  const found = await store.find(target, { filter: { 序列号 }, sort: newest, skip, limit: 20 });
  if (found.length !== 20) throw new Error(`${found.length} documents on a page`);
}

/** Pages, one after the other, while batches come in the same way. */
async function besideWrites(
  store: SqliteDocumentStore,
  random: Random,
  machines: number,
  perMachine: number,
  queries: number,
): Promise<number[]> {
  let isOver = false;
  const writing = (async () => {
    for (let n = 100_000; !isOver; n++) await fill(store, n, batch, machines);
  })();
  const times = await timesOf(queries, () => page(store, random, machines, perMachine));
  isOver = true;
  await writing;
  return times;
}

/** Milliseconds of each. */
async function timesOf(count: number, task: (n: number) => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    const begin = performance.now();
    await task(n);
    times.push(performance.now() - begin);
  }
  return times;
}

function stateTimes(bench: Bench, name: string, times: readonly number[], atMost?: number): void {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * sorted.length)]!;
  bench.state({ name: `${name}: median`, unit: 'ms', ours: [at(0.5)] });
  const target = atMost === undefined ? {} : { target: { atMost } };
  bench.state({ name: `${name}: 95th of 100`, unit: 'ms', ours: [at(0.95)], ...target });
}

async function resident(bench: Bench): Promise<number> {
  await sleep(bench.pick(3000, 200));
  // Gives free pages back too, as the gateway does when it rests (platform/idle-memory.ts).
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  return process.memoryUsage.rss();
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
