import * as assert from 'uvu/assert';
import type { Filter } from '../../../src/store/index.ts';
import { attempt, type Each, fails, idsOf, item, kinds, target } from './support.ts';

/** What is no query, no change and no call: words of a client, and calls after the end. */
export function refusingContract(each: Each): void {
  each('values of a client are values, and objects match nothing', async ({ store }) => {
    const hostile = [
      '$where',
      '{"$gt": ""}',
      "' OR 1=1 --",
      '"; DROP TABLE documents_1; --',
      '.*',
      '\0',
      '%',
      '__proto__',
    ];
    const stored = await store.insertBatch(
      target,
      hostile.map((text, index) =>
        // FerretDB takes no quotation mark in a key, and a key is never a path or an operator (central/values.ts).
        item(`h${index}`, text, { [/^\$|[."\0]/.test(text) ? 'k' : text]: 'v' }),
      ),
    );
    assert.equal(new Set(kinds(stored)), new Set(['inserted']), JSON.stringify(stored));
    for (const [index, text] of hostile.entries()) {
      assert.equal(idsOf(await store.find(target, { filter: { 序列号: text } })), [`h${index}`]);
    }
    const objects = [{ $gt: '' }, { $ne: null }, { $regex: '.*' }, { atLeast: { $gt: '' } }, { oneOf: [{ $gt: '' }] }];
    const more = [{ atLeast: '', $ne: 1 }, {}, ['a'], undefined, () => true, Number.NaN, new Date(Number.NaN)];
    for (const value of [...objects, ...more]) {
      const filter = { 序列号: value } as unknown as Filter;
      assert.equal(await store.find(target, { filter }), []);
      assert.is(await store.count(target, filter), 0);
      assert.equal(await store.distinct(target, '序列号', filter), []);
      assert.is(await store.remove(target, filter), 0);
      assert.is(await store.update(target, 'h0', { set: { x: 'y' } }, { filter }), undefined);
    }
    assert.is(await store.count(target), hostile.length);
    for (const name of ['$where', 'a.b', 'a\0', '', '__proto__']) {
      await fails(
        attempt(() => store.find(target, { filter: { [name]: 'x' } })),
        TypeError,
      );
      await fails(
        attempt(() => store.distinct(target, name)),
        TypeError,
      );
      await fails(
        attempt(() => store.update(target, 'a', { set: { [name]: 'x' } }, { insert: true })),
        TypeError,
      );
    }
    await fails(
      attempt(() => store.update(target, 'a', { set: { _id: 'b' } })),
      TypeError,
    );
    await fails(
      attempt(() => store.update(target, 'a', { set: { n: 1n }, add: { n: 1n } })),
      TypeError,
    );
  });

  each('says so when it is stopped', async ({ store }) => {
    await store.stop();
    const calls = [
      () => store.ping(),
      () => store.insertBatch(target, [item('a')]),
      () => store.find(target),
      () => store.count(target),
      () => store.distinct(target, 'a'),
      () => store.put(target, { _id: 'a' }),
      () => store.update(target, 'a', { set: { b: 'c' } }),
      () => store.remove(target, {}),
    ];
    for (const call of calls) await fails(attempt(call));
  });
}
