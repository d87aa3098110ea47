import * as assert from 'uvu/assert';
import { type DocumentStore, Double } from '../../../src/store/index.ts';
import { type Each, idsOf, item, kinds, target } from './support.ts';

/** What is inserted: each document once, in the order of its series, with every type of value, for good. */
export function insertingContract(each: Each): void {
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

  each('a refused document holds back the later ones of its series only', async ({ store }) => {
    // Too large for any of them.
    const large = 'x'.repeat(17 * 1024 * 1024);
    const of = (id: string, series: string, text = '') => item(id, series, { text });
    await store.insertBatch(target, [of('known', 'other')]);
    const outcomes = await store.insertBatch(target, [
      of('a1', 'a'),
      of('b1', 'b'),
      of('a2', 'a', large),
      of('b2', 'b'),
      of('a3', 'a'),
      of('known', 'other'),
      of('b3', 'b'),
    ]);
    assert.equal(kinds(outcomes), ['inserted', 'inserted', 'error', 'inserted', 'error', 'duplicate', 'inserted']);
    assert.equal(idsOf(await store.find(target)), ['known', 'a1', 'b1', 'b2', 'b3']);
    assert.equal(kinds(await store.insertBatch(target, [of('c1', 'c', large)])), ['error']);
  });

  each('gives back every type of value', async ({ store, reopen }) => {
    const values = {
      text: '预热 "quoted"\n\u0000 end',
      whole: 20n,
      large: 9223372036854775807n,
      small: -9223372036854775808n,
      beyond: 9007199254740993n,
      decimal: 1.25,
      tiny: 5e-324,
      nothing: null,
      yes: true,
      at: new Date('2024-03-18T07:30:45.123Z'),
      before: new Date('1901-01-01T00:00:00Z'),
      list: ['a', 1n, { deep: [2.5] }],
      empty: {},
    };
    await store.insertBatch(target, [
      item('a', 'sn1', { ...values, one: new Double(1), vast: 1e300, bytes: Buffer.from([0, 255]) }),
    ]);
    const check = async (opened: DocumentStore) => {
      const [found] = await opened.find(target);
      const { bytes, ...rest } = found!;
      assert.equal(rest, { _id: 'a', 序列号: 'sn1', ...values, one: 1, vast: 1e300 });
      assert.equal(Buffer.from(bytes as Uint8Array), Buffer.from([0, 255]));
    };
    await check(store);
    const again = await reopen();
    await check(again);
    await again.stop();
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
}
