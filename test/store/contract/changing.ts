import * as assert from 'uvu/assert';
import { Double } from '../../../src/store/index.ts';
import { type Each, fails, idsOf, item, kinds, sorted, target } from './support.ts';

/** Documents that are put, changed in one step, and removed. */
export function changingContract(each: Each): void {
  each('puts documents in the place of others', async ({ store, reopen }) => {
    await store.ensureIndexes([{ ...target, name: 'v', keys: [['v', 1]] }]);
    await store.put(target, { _id: 'a', v: 1n, only: 'first' });
    await store.put(target, { _id: 'a', v: new Double(2), at: new Date(0) });
    assert.equal(await store.find(target, { filter: { v: 2n } }), [{ _id: 'a', v: 2, at: new Date(0) }]);
    assert.equal(await store.find(target, { filter: { v: 1n } }), []);
    await Promise.all(Array.from({ length: 20 }, (_, n) => store.put(target, { _id: 'b', n: BigInt(n) })));
    assert.is(await store.count(target), 2);
    const again = await reopen();
    assert.is(await again.count(target, { _id: 'a', v: 2n }), 1);
    await again.stop();
  });

  each('changes one document in one step', async ({ store }) => {
    await store.put(target, { _id: 'a', n: 1n, half: 0.5, state: 'free' });
    const change = { set: { state: 'taken', at: new Date(5) }, add: { n: 2n, fresh: 1n, half: 1n } };
    const changed = { _id: 'a', n: 3n, half: 1.5, state: 'taken', at: new Date(5), fresh: 1n };
    assert.equal(sorted(await store.update(target, 'a', change, { filter: { state: 'free' } })), sorted(changed));
    assert.equal((await store.find(target)).map(sorted), [sorted(changed)]);
    assert.is(await store.update(target, 'a', change, { filter: { state: 'free' } }), undefined);
    assert.is(await store.update(target, 'a', change, { filter: { state: 'free' }, insert: true }), undefined);
    assert.is(await store.update(target, 'b', change), undefined);
    assert.equal(sorted(await store.update(target, 'a', {})), sorted(changed));
    assert.is((await store.update(target, 'a', { setOnInsert: { state: 'x' } }, { insert: true }))?.state, 'taken');
    assert.is(await store.count(target), 1);
  });

  each('takes fields away, those that are there', async ({ store }) => {
    await store.put(target, { _id: 'a', v: 'x', old: 1n, older: { deep: 'y' } });
    const change = { set: { v: 'z' }, unset: ['old', 'older', 'missing'] };
    assert.is(await store.update(target, 'a', change, { filter: { v: 'y' } }), undefined);
    assert.equal(sorted(await store.update(target, 'a', change)), sorted({ _id: 'a', v: 'z' }));
    assert.equal(await store.find(target), [{ _id: 'a', v: 'z' }]);
    assert.equal(await store.find(target, { filter: { old: 1n } }), []);
    assert.equal(await store.update(target, 'b', { unset: ['v'] }, { insert: true }), { _id: 'b' });
  });

  each('makes the document that is not there, without the filter', async ({ store }) => {
    const change = { set: { v: 'x' }, add: { n: 5n }, setOnInsert: { first: new Double(1) } };
    const made = await store.update(target, 'a', change, { insert: true, filter: { state: 'free' } });
    assert.equal(sorted(made), sorted({ _id: 'a', v: 'x', n: 5n, first: 1 }));
    assert.equal((await store.find(target)).map(sorted), [sorted(made)]);
    assert.equal(await store.update(target, 'b', {}, { insert: true }), { _id: 'b' });
  });

  each('two changes at once do not lose one', async ({ store }) => {
    const many = 40;
    const results = await Promise.all(
      Array.from({ length: many }, () => store.update(target, 'a', { add: { n: 1n } }, { insert: true })),
    );
    const numbers = results.map((document) => Number(document?.n)).sort((a, b) => a - b);
    assert.equal(
      numbers,
      Array.from({ length: many }, (_, index) => index + 1),
    );
    const taken = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        store.update(
          target,
          'lock',
          { set: { state: 'taken', by: BigInt(n) } },
          { filter: { state: 'free' }, insert: true },
        ),
      ),
    );
    assert.is(taken.filter((document) => document !== undefined).length, 1);
  });

  each('nothing is added to what is no integer', async ({ store }) => {
    await store.put(target, { _id: 'a', text: 'x', most: 9223372036854775807n });
    await fails(store.update(target, 'a', { add: { text: 1n } }));
    await fails(store.update(target, 'a', { add: { most: 1n } }));
    assert.equal(await store.find(target), [{ _id: 'a', text: 'x', most: 9223372036854775807n }]);
  });

  each('removes what matches', async ({ store }) => {
    await store.insertBatch(target, [item('a'), item('b'), item('c', 'sn2'), item('d', 'sn3', { n: 1n })]);
    assert.is(await store.remove(target, { 序列号: 'sn1' }), 2);
    assert.is(await store.remove(target, { 序列号: 'sn1' }), 0);
    assert.is(await store.remove(target, { n: { atMost: 0n } }), 0);
    assert.equal(idsOf(await store.find(target, { sort: [['_id', 1]] })), ['c', 'd']);
    assert.is(await store.remove(target, {}), 2);
    assert.is(await store.remove({ ...target, collection: 'nothing' }, {}), 0);
    assert.equal(kinds(await store.insertBatch(target, [item('a')])), ['inserted']);
  });
}
