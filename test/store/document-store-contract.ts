import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type DocumentStore, Double, type NewDocument } from '../../src/store/index.ts';

const target = { database: 'device_info', collection: 'device_process' };

/** A store, started and empty, and how to open the same documents again. */
export interface StoreUnderTest {
  readonly store: DocumentStore;
  reopen(): Promise<DocumentStore>;
}

const item = (id: string, serial = 'sn1', more: object = {}): NewDocument => ({
  document: { _id: id, 序列号: serial, ...more },
  series: serial,
});

/** What every DocumentStore must do. `open` is called once for each test. */
export function storeContract(name: string, open: () => Promise<StoreUnderTest>, close: () => Promise<void>): void {
  const test = suite(`document store: ${name}`);
  const each = (title: string, body: (opened: StoreUnderTest) => Promise<void>) =>
    test(title, async () => {
      const opened = await open();
      try {
        await body(opened);
      } finally {
        await opened.store.stop();
      }
    });

  each('says for each document whether it is new', async ({ store }) => {
    const first = await store.insertBatch(target, [item('a'), item('b')]);
    assert.equal(kinds(first), ['inserted', 'inserted']);
    const second = await store.insertBatch(target, [item('b'), item('c'), item('a'), item('d'), item('d')]);
    assert.equal(kinds(second), ['duplicate', 'inserted', 'duplicate', 'inserted', 'duplicate']);
    assert.is(await store.count(target), 4);
    assert.equal(await store.insertBatch(target, []), []);
  });

  each('keeps the first of two with one id', async ({ store }) => {
    await store.insertBatch(target, [item('a', 'sn1', { v: 'first' })]);
    await store.insertBatch(target, [item('a', 'sn1', { v: 'second' })]);
    assert.equal(await store.find(target), [{ _id: 'a', 序列号: 'sn1', v: 'first' }]);
  });

  each('gives back every type of value', async ({ store, reopen }) => {
    const values = {
      text: '预热 "quoted"\n\u0000 end',
      whole: 20n,
      large: 9223372036854775807n,
      small: -9223372036854775808n,
      decimal: 1.25,
      tiny: 5e-324,
      nothing: null,
      yes: true,
      at: new Date('2024-03-18T07:30:45.123Z'),
      list: ['a', 1n, { deep: [2.5] }],
      empty: {},
    };
    await store.insertBatch(target, [
      item('a', 'sn1', { ...values, one: new Double(1), bytes: Buffer.from([0, 255]) }),
    ]);
    for (const opened of [store, await reopen()]) {
      const [found] = await opened.find(target);
      const { bytes, ...rest } = found!;
      assert.equal(rest, { _id: 'a', 序列号: 'sn1', ...values, one: 1 });
      assert.equal(Buffer.from(bytes as Uint8Array), Buffer.from([0, 255]));
      if (opened !== store) await opened.stop();
    }
  });

  each('finds, sorts, skips and cuts', async ({ store }) => {
    const time = (second: number) => new Date(Date.UTC(2024, 2, 18, 7, 30, second));
    await store.insertBatch(target, [
      item('a', 'sn1', { _time: time(1), _seq: 1n }),
      item('b', 'sn1', { _time: time(2), _seq: 2n }),
      item('c', 'sn2', { _time: time(3), _seq: 3n }),
      item('d', 'sn1', { _time: time(2), _seq: 4n }),
      item('e', 'sn1', { _time: null, _seq: 5n }),
    ]);
    const newestFirst = [
      ['_time', -1],
      ['_seq', -1],
    ] as const;
    const ids = async (query: object) => (await store.find(target, query)).map(({ _id }) => _id).join('');
    assert.is(await ids({ filter: { 序列号: 'sn1' }, sort: newestFirst }), 'dbae');
    assert.is(await ids({ filter: { 序列号: 'sn1' }, sort: newestFirst, skip: 1, limit: 2 }), 'ba');
    assert.is(await ids({ filter: { _seq: 3n } }), 'c');
    assert.is(await store.count(target, { 序列号: 'sn1' }), 4);
    assert.is(await store.count({ database: 'device_info', collection: 'nothing' }), 0);
  });

  each('makes indexes, again without harm', async ({ store }) => {
    const index = {
      ...target,
      name: 'newest',
      keys: [
        ['序列号', 1],
        ['_time', -1],
      ] as const,
    };
    await store.ensureIndexes([index]);
    await store.ensureIndexes([index]);
    await store.insertBatch(target, [item('a')]);
    assert.is(await store.count(target), 1);
  });

  each('is the same after a restart', async ({ store, reopen }) => {
    const many = Array.from({ length: 2500 }, (_, index) => item(`id-${index}`));
    assert.ok(kinds(await store.insertBatch(target, many)).every((kind) => kind === 'inserted'));
    await store.stop();
    await store.stop();
    const again = await reopen();
    assert.is(await again.count(target), 2500);
    const outcomes = await again.insertBatch(target, [item('id-0'), item('id-2500'), item('id-2499')]);
    assert.equal(kinds(outcomes), ['duplicate', 'inserted', 'duplicate']);
    await again.stop();
  });

  each('says so when it is stopped', async ({ store }) => {
    await store.stop();
    for (const call of [() => store.ping(), () => store.insertBatch(target, [item('a')])]) {
      const error = await call().then(
        () => assert.unreachable(),
        (thrown) => thrown,
      );
      assert.is(error.code, 'database-unreachable');
    }
  });

  test.after(close);
  test.run();
}

/** The kinds of the outcomes, in order. */
export const kinds = (outcomes: readonly { kind: string }[]): string[] => outcomes.map(({ kind }) => kind);
