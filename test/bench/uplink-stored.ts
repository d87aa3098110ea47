/**
 * The whole way: a backlog goes from the spool through RabbitMQ and one `holdfast central` into the database, and each
 * report leaves the box when the centre's answer has come (`acknowledge: stored`). Beside it the database alone: the
 * same documents in batches, inserted as the centre does it. What bounds the first shows in how much of a core each
 * process used.
 *
 *     bin/node test/bench/uplink-stored.ts [--quick] [--rounds N]
 */
import { cpSync } from 'node:fs';
import { basename } from 'node:path';
import { MongoClient } from 'mongodb';
import { centralIndexes } from '../../src/central/index.ts';
import { toDocument } from '../../src/documents/index.ts';
import { messageFields } from '../../src/protocols/machines/index.ts';
import type { NewDocument } from '../../src/store/index.ts';
import { MongoDocumentStore } from '../../src/store/mongodb.ts';
import { prepareMongo, startMongo } from '../support/mongodb.ts';
import { startRabbit } from '../support/rabbitmq.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { rateOf } from './support/arrivals.ts';
import { benchmark, median, round } from './support/bench.ts';
import { CentralProcess, GatewayProcess } from './support/gateway.ts';
import { childNamed, processorSeconds, until } from './support/processes.ts';
import { fillSpool, Reports } from './support/spool.ts';

const target = { database: 'device_info', collection: 'device_process' };
/** As many as the gateway has under way: what the centre can put into one insert. */
const batchSize = 512;

await benchmark(async (bench) => {
  const count = bench.pick(100_000, 3_000);
  const backlog = temporaryFolder('holdfast-bench-');
  const [rabbit, mongo] = await Promise.all([
    startRabbit(),
    startMongo({ own: true }),
    fillSpool(backlog.file('spool'), count),
  ]);
  const database = childNamed(basename(await prepareMongo()).slice(0, 15));
  const central = await CentralProcess.start({ broker: rabbit.url, mongodb: mongo.url });
  const client = await new MongoClient(mongo.url).connect();
  const collection = client.db(target.database).collection(target.collection);
  const shares = new Map<string, number[]>();

  const stored = async (attempt: number) => {
    const before = await collection.countDocuments();
    // Another gateway each time: the same one would send the same message ids, which are stored already.
    const gateway = await GatewayProcess.prepare({
      gateway: { id: `gw-bench-${attempt}` },
      upstream: { url: rabbit.url, acknowledge: 'stored' },
    });
    cpSync(backlog.file('spool'), gateway.spoolFolder, { recursive: true });
    await gateway.start();
    const pids = { gateway: gateway.pid, RabbitMQ: rabbit.pid, centre: central.pid, database };
    let warm: { at: number; used: Record<string, number> } | undefined;
    const usage = () =>
      Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, pid ? processorSeconds(pid) : Number.NaN]));
    const delivered = async () => (await gateway.counts()).delivered;
    const rate = await rateOf(delivered, count, () => {
      warm = { at: performance.now(), used: usage() };
    });
    const seconds = (performance.now() - warm!.at) / 1000;
    for (const [name, used] of Object.entries(usage())) {
      shares.set(name, [...(shares.get(name) ?? []), (used - warm!.used[name]!) / seconds]);
    }
    await gateway.remove();
    await until(async () => (await collection.countDocuments()) === before + count, `${count} more documents`, 10_000);
    return rate;
  };
  const rates = await bench.alternate(bench.rounds(3), {
    stored,
    database: (attempt) => insertAlone(mongo.url, count, attempt),
  });
  await client.close();
  await central.remove();
  await rabbit.remove();
  await mongo.stop();

  bench.compare({
    name: 'stored in the database, answered and off the disk',
    unit: 'messages/s',
    ours: rates.stored,
    beside: `inserts of ${batchSize} into the database alone`,
    theirs: rates.database,
  });
  const parts = [...shares].map(([name, values]) => `${name} ${round(median(values) * 100)} %`);
  bench.note(`processor meanwhile, of one core: ${parts.join(', ')}`);
});

/** Messages per second that the database takes by itself, with the centre's indexes, in a database of its own. */
async function insertAlone(url: string, count: number, attempt: number): Promise<number> {
  const store = new MongoDocumentStore({ url, databasePrefix: `alone${attempt}_` });
  await store.start();
  await store.ensureIndexes(centralIndexes.filter(({ collection }) => collection === target.collection));
  const reports = new Reports();
  const time = { key: messageFields.process.time.key, parse: () => Date.now() };
  let elapsed = 0;
  for (let done = 0; done < count; done += batchSize) {
    const batch: NewDocument[] = reports.take(Math.min(batchSize, count - done)).map(({ serial, payload }, index) => {
      const sequence = done + index + 1;
      const origin = {
        id: `gw-alone-0123456789abcdef-${sequence}`,
        receivedMs: Date.now(),
        gateway: 'gw-alone',
        sequence,
      };
      return { series: serial, document: toDocument(Buffer.from(payload), origin, time) };
    });
    const started = performance.now();
    const outcomes = await store.insertBatch(target, batch);
    elapsed += performance.now() - started;
    if (outcomes.some(({ kind }) => kind !== 'inserted')) throw new Error('the database did not take a document');
  }
  await store.stop();
  return (count / elapsed) * 1000;
}
