import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { NewDocument } from '../../src/store/index.ts';
import { MongoDocumentStore } from '../../src/store/mongodb.ts';
import { startMongo } from '../support/mongodb.ts';
import { kinds } from './contract/support.ts';
import { storeContract } from './document-store-contract.ts';

const shared = await startMongo();
let opened = 0;

storeContract(
  'mongodb',
  async () => {
    const databasePrefix = `${shared.databasePrefix}c${opened++}_`;
    const open = async () => {
      const store = new MongoDocumentStore({ url: shared.url, databasePrefix });
      await store.start();
      return store;
    };
    const store = await open();
    const reopen = async () => {
      await store.stop();
      return open();
    };
    return { store, reopen };
  },
  () => shared.stop(),
);

const target = { database: 'device_info', collection: 'device_base' };
const item = (id: string, series: string, value: unknown = 1n): NewDocument =>
  ({ document: { _id: id, value }, series }) as NewDocument;

const test = suite('document store: mongodb server');

test('the order of a series is kept when a part of a large batch was there before', async () => {
  const server = await startMongo();
  const store = new MongoDocumentStore({ url: server.url, databasePrefix: server.databasePrefix });
  await store.start();
  const all = Array.from({ length: 450 }, (_, index) => item(`id-${index}`, 's'));
  await store.insertBatch(target, all.slice(0, 30));
  const outcomes = kinds(await store.insertBatch(target, all));
  assert.ok(outcomes.every((kind, index) => kind === (index < 30 ? 'duplicate' : 'inserted')));
  assert.equal(
    (await store.find(target)).map(({ _id }) => _id),
    all.map(({ document }) => document._id),
  );
  await store.stop();
  await server.stop();
});

test('a query of a declared index is served by it, on a server that can explain', async () => {
  const server = await startMongo();
  const store = new MongoDocumentStore({ url: server.url, databasePrefix: server.databasePrefix });
  await store.start();
  await store.insertBatch(target, [item('a', 's')]);
  await store.ensureIndexes([{ ...target, name: 'by_value', keys: [['value', 1]] }]);
  const plan = JSON.stringify(
    await store.explain(target, { filter: { value: { oneOf: [1n, 2n] } }, sort: [['value', -1]] }),
    (_, value) => (typeof value === 'bigint' ? String(value) : value),
  );
  if (plan.includes('winningPlan')) assert.match(plan, /IXSCAN.*by_value/);
  else assert.match(plan, /"filter":\{"value":\{"\$in":/);
  await store.stop();
  await server.stop();
});

test('a server that is away is said so within seconds, and is found again', async () => {
  const server = await startMongo({ own: true });
  const store = new MongoDocumentStore({ url: server.url, serverSelectionMs: 500 });
  await store.start();
  assert.equal(kinds(await store.insertBatch(target, [item('a', 's')])), ['inserted']);
  await server.kill();
  const begin = performance.now();
  const error = await store.insertBatch(target, [item('b', 's')]).then(
    () => undefined,
    (thrown) => thrown,
  );
  assert.is(error?.code, 'database-unreachable');
  assert.ok(performance.now() - begin < 5000);
  await server.restart();
  for (let tries = 0; ; tries++) {
    try {
      await store.ping();
      break;
    } catch (failure) {
      if (tries > 20) throw failure;
    }
  }
  assert.equal(kinds(await store.insertBatch(target, [item('a', 's'), item('b', 's')])), ['duplicate', 'inserted']);
  await store.stop();
  await server.stop();
});

test('a server that is away when it is first asked, by several at once, is found later', async () => {
  const server = await startMongo({ own: true });
  await server.kill();
  const store = new MongoDocumentStore({ url: server.url, serverSelectionMs: 300 });
  await store.start();
  const refusals = await Promise.allSettled(Array.from({ length: 5 }, () => store.ping()));
  assert.ok(refusals.every(({ status }) => status === 'rejected'));
  await server.restart();
  await store.ping();
  await store.stop();
  await server.stop();
});

test.run();
