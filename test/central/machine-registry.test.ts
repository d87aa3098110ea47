import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareBase, MachineRegistry, machineCollection, registryDocument } from '../../src/documents/index.ts';
import { silentLogger } from '../../src/platform/index.ts';
import type { DocumentStore, StoredDocument } from '../../src/store/index.ts';
import { MongoDocumentStore } from '../../src/store/mongodb.ts';
import { type MongoServer, startMongo } from '../support/mongodb.ts';

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute));

interface Base {
  readonly gateway?: string;
  readonly seq?: number;
  readonly accepted?: number;
  readonly clock?: 'trusted' | 'untrusted';
  readonly received: number;
}

const base = (id: string, { gateway, seq, accepted, clock, received }: Base, more: object = {}): StoredDocument => ({
  _id: id,
  序列号: 'sn1',
  机器名称: id,
  ...(gateway !== undefined && { _gateway: gateway }),
  ...(seq !== undefined && { _seq: BigInt(seq) }),
  ...(accepted !== undefined && { _accepted: at(accepted) }),
  ...(clock !== undefined && { _clock: clock }),
  _received: at(received),
  ...more,
});

/** Which of two is newer: `one`, `other`, or `none` when nothing tells them apart. */
const table: readonly [title: string, one: Base, other: Base, newer: 'one' | 'other' | 'none'][] = [
  [
    'of one gateway by sequence, whatever the times say',
    { gateway: 'a', seq: 2, accepted: 1, clock: 'trusted', received: 1 },
    { gateway: 'a', seq: 1, accepted: 9, clock: 'trusted', received: 9 },
    'one',
  ],
  [
    'between gateways with trusted clocks by acceptance',
    { gateway: 'a', seq: 1, accepted: 5, clock: 'trusted', received: 6 },
    { gateway: 'b', seq: 9, accepted: 4, clock: 'trusted', received: 9 },
    'one',
  ],
  [
    'one clock not trusted: by arrival at the centre',
    { gateway: 'a', seq: 1, accepted: 5, clock: 'trusted', received: 6 },
    { gateway: 'b', seq: 9, accepted: 4, clock: 'untrusted', received: 9 },
    'other',
  ],
  [
    'no clock trusted: by arrival at the centre',
    { gateway: 'a', seq: 1, accepted: 50, clock: 'untrusted', received: 7 },
    { gateway: 'b', seq: 9, accepted: 4, clock: 'untrusted', received: 6 },
    'one',
  ],
  [
    'a machine without a gateway: by arrival at the centre',
    { received: 7 },
    { gateway: 'b', seq: 9, accepted: 40, clock: 'trusted', received: 6 },
    'one',
  ],
  [
    'over MQTT a sequence is known and no time: by sequence',
    { gateway: 'a', seq: 3, received: 1 },
    { gateway: 'a', seq: 2, received: 2 },
    'one',
  ],
  [
    'between gateways over MQTT: by arrival',
    { gateway: 'a', seq: 3, received: 1 },
    { gateway: 'b', seq: 2, received: 2 },
    'other',
  ],
  [
    'of one gateway without a sequence: by arrival',
    { gateway: 'a', received: 3 },
    { gateway: 'a', received: 2 },
    'one',
  ],
  ['nothing to tell them apart', { received: 3 }, { received: 3 }, 'none'],
];

const compared = suite('which base information is the newest');
for (const [title, one, other, newer] of table) {
  compared(title, () => {
    const sign = { one: 1, other: -1, none: 0 }[newer];
    assert.is(Math.sign(compareBase(base('one', one), base('other', other))), sign);
    assert.is(Math.sign(compareBase(base('other', other), base('one', one))), sign === 0 ? 0 : -sign);
  });
}

compared('never by 报文时间', () => {
  const early = base('early', { received: 2 }, { 报文时间: '2020-01-01 00:00:00', _time: at(-9999) });
  const late = base('late', { received: 1 }, { 报文时间: '2030-01-01 00:00:00', _time: at(9999) });
  assert.ok(compareBase(early, late) > 0);
});

compared('the order between machines is that of acceptance where the clock was trusted', () => {
  const trusted = base('a', { accepted: 3, clock: 'trusted', received: 9 });
  assert.equal(registryDocument(trusted)._order, at(3));
  assert.equal(registryDocument({ ...trusted, _clock: 'untrusted' })._order, at(9));
  assert.equal(registryDocument(base('a', { received: 9 }))._order, at(9));
});

compared.run();

let mongo: MongoServer;
let store: DocumentStore;
const bases = { database: 'device_info', collection: 'device_base' };
const test = suite('registry of machines');

test.before(async () => {
  mongo = await startMongo();
  store = new MongoDocumentStore({ url: mongo.url, databasePrefix: mongo.databasePrefix });
  await store.start();
});

test.after(async () => {
  await store.stop();
  await mongo.stop();
});

test.before.each(async () => {
  await store.remove(bases, {});
  await store.remove(machineCollection, {});
});

const registry = () => new MachineRegistry({ store, logger: silentLogger });
const present = async (serial = 'sn1') => (await registry().read([serial])).get(serial);
const fresh = (document: StoredDocument) => ({ document, isDuplicate: false });
const repeated = (document: StoredDocument) => ({ document, isDuplicate: true });

test('holds the newest base information flat, and nothing of the older one', async () => {
  const first = base('g-1', { gateway: 'g', seq: 1, received: 1 }, { 激光类型: '斯派特' });
  await registry().take([fresh(first)]);
  const { _id, ...fields } = first;
  assert.equal(await present(), { ...fields, _id: 'sn1', _base: 'g-1', _order: at(1) });
  const second = base('g-2', { gateway: 'g', seq: 2, received: 2 }, { 电机类型: '步科' });
  await registry().take([fresh(second)]);
  const document = await present();
  assert.equal([document?._base, document?.电机类型, document?._order], ['g-2', '步科', at(2)]);
  assert.is(Object.hasOwn(document!, '激光类型'), false);
});

test('an older one changes nothing, nor does a late repeat of it', async () => {
  const one = base('a-1', { gateway: 'a', seq: 1, received: 1 });
  const two = base('b-1', { gateway: 'b', seq: 1, received: 5 });
  await store.insertBatch(
    bases,
    [one, two].map((document) => ({ document, series: 'sn1' })),
  );
  await registry().take([fresh(one), fresh(two)]);
  assert.is((await present())?._base, 'b-1');
  // The repeat's own document says that it was received a moment ago.
  await registry().take([repeated({ ...one, _received: at(60) })]);
  assert.is((await present())?._base, 'b-1');
});

test('what a crash has kept from the registry comes with the repeat', async () => {
  const one = base('a-1', { gateway: 'a', seq: 1, received: 1 });
  await store.insertBatch(bases, [{ document: one, series: 'sn1' }]);
  await registry().take([repeated({ ...one, _received: at(60) })]);
  assert.equal((await present())?._received, at(1));
});

test('two in the same instant: the later in the queue counts, its repeat does not win twice', async () => {
  const one = base('x', { received: 1 });
  const two = base('y', { received: 1 });
  await store.insertBatch(
    bases,
    [one, two].map((document) => ({ document, series: 'sn1' })),
  );
  await registry().take([fresh(one), fresh(two)]);
  assert.is((await present())?._base, 'y');
  await registry().take([repeated(one)]);
  assert.is((await present())?._base, 'y');
});

test('copies of the centre that write at once end with the newest', async () => {
  const all = Array.from({ length: 30 }, (_, index) =>
    base(`g-${index}`, { gateway: 'g', seq: index + 1, received: 100 - index }, { [`only${index}`]: true }),
  );
  const shuffled = all.toSorted(
    (a, b) => Number(BigInt(a._id.length * 7) - BigInt(b._id.length * 7)) || (a._id < b._id ? 1 : -1),
  );
  const copies = [registry(), registry(), registry()];
  await Promise.all(shuffled.map((document, index) => copies[index % 3]!.take([fresh(document)])));
  const document = await present();
  assert.is(document?._base, 'g-29');
  assert.is(document?.only29, true);
});

test('an older one with fewer fields, which is being entered while a newer one is, does not replace that', async () => {
  let beforeEach: (() => Promise<void>) | undefined;
  // Between any two steps of the older one's copy the newer one may come.
  const slow = new Proxy(store, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      if (key !== 'put' && key !== 'update') return value.bind(target);
      return async (...words: unknown[]) => {
        await beforeEach?.();
        return value.apply(target, words);
      };
    },
  });
  const copy = new MachineRegistry({ store: slow, logger: silentLogger });
  for (const step of [1, 2]) {
    await store.remove(machineCollection, { _id: 'sn1' });
    const first = base('first', { gateway: 'g', seq: 1, accepted: 1, clock: 'trusted', received: 1 });
    await registry().take([fresh(first)]);
    let steps = 0;
    beforeEach = async () => {
      if (++steps === step) await registry().take([fresh(base('third', { gateway: 'g', seq: 3, received: 3 }))]);
    };
    await copy.take([fresh(base('second', { gateway: 'g', seq: 2, received: 2 }))]);
    const document = await present();
    assert.is(document?._base, step <= steps ? 'third' : 'second');
    assert.not.ok(document && Object.hasOwn(document, '_accepted'));
  }
});

test('a thousand machines at once', async () => {
  const many = Array.from({ length: 1000 }, (_, index) =>
    fresh(base(`m-${index}`, { gateway: 'g', seq: index + 1, received: 1 }, { 序列号: `sn${index}` })),
  );
  const begun = performance.now();
  await registry().take(many);
  assert.ok(performance.now() - begun < 5000, 'in batches, not one by one');
  assert.is(await store.count(machineCollection), 1000);
  assert.is((await present('sn999'))?._base, 'm-999');
});

test.run();
