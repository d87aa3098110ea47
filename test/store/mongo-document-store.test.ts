import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MongoDocumentStore, type NewDocument } from '../../src/store/index.ts';
import { startMongo } from '../support/mongodb.ts';
import { kinds, storeContract } from './document-store-contract.ts';

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
    return { store: await open(), reopen: open };
  },
  () => shared.stop(),
);

const target = { database: 'device_info', collection: 'device_base' };
const item = (id: string, series: string, value: unknown = 1n): NewDocument =>
  ({ document: { _id: id, value }, series }) as NewDocument;

const test = suite('document store: mongodb server');

test('a refused document holds back the later ones of its series only', async () => {
  const server = await startMongo();
  const store = new MongoDocumentStore({ url: server.url, databasePrefix: server.databasePrefix });
  await store.start();
  // Too large for any server of the protocol, so refused by each.
  const large = 'x'.repeat(17 * 1024 * 1024);
  await store.insertBatch(target, [item('known', 'other')]);
  const outcomes = await store.insertBatch(target, [
    item('a1', 'a'),
    item('b1', 'b'),
    item('a2', 'a', large),
    item('b2', 'b'),
    item('a3', 'a'),
    item('known', 'other'),
    item('b3', 'b'),
  ]);
  assert.equal(kinds(outcomes), ['inserted', 'inserted', 'error', 'inserted', 'error', 'duplicate', 'inserted']);
  assert.equal(
    (await store.find(target)).map(({ _id }) => _id),
    ['known', 'a1', 'b1', 'b2', 'b3'],
  );
  assert.equal(kinds(await store.insertBatch(target, [item('c1', 'c', large)])), ['error']);
  await store.stop();
  await server.stop();
});

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
