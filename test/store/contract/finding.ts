import * as assert from 'uvu/assert';
import {
  type Comparable,
  type Condition,
  Double,
  type Filter,
  type Query,
  type StoredValue,
} from '../../../src/store/index.ts';
import { type Each, idsOf, item, target } from './support.ts';

/** What queries, counts and indexes find, and in which order. */
export function findingContract(each: Each): void {
  each('finds, sorts, skips and cuts', async ({ store }) => {
    const time = (second: number) => new Date(Date.UTC(2024, 2, 18, 7, 30, second));
    await store.insertBatch(target, [
      item('a', 'sn1', { _time: time(1), _seq: 1n }),
      item('b', 'sn1', { _time: time(2), _seq: 2n }),
      item('c', 'sn2', { _time: time(3), _seq: 3n }),
      item('d', 'sn1', { _time: time(2), _seq: 4n }),
      item('e', 'sn1', { _time: null, _seq: 5n }),
      item('f', 'sn1', { _seq: 6n }),
    ]);
    const newestFirst = [
      ['_time', -1],
      ['_seq', -1],
    ] as const;
    const oldestFirst = [
      ['_time', 1],
      ['_seq', 1],
    ] as const;
    const ids = async (query: Query) => idsOf(await store.find(target, query)).join('');
    const both = async () => {
      assert.is(await ids({ filter: { 序列号: 'sn1' }, sort: newestFirst }), 'dbafe');
      assert.is(await ids({ filter: { 序列号: 'sn1' }, sort: oldestFirst }), 'efabd');
      assert.is(await ids({ filter: { 序列号: 'sn1' }, sort: newestFirst, skip: 1, limit: 2 }), 'ba');
      assert.is(await ids({ filter: { 序列号: 'sn1' }, sort: newestFirst, skip: 4, limit: 20 }), 'e');
      assert.is(await ids({ filter: { 序列号: 'sn1' }, sort: newestFirst, skip: 5 }), '');
      assert.is(await ids({ filter: { _seq: 3n } }), 'c');
      assert.is(await ids({ filter: { _id: 'd' } }), 'd');
      assert.is(await ids({ sort: [['_id', -1]], limit: 2 }), 'fe');
      assert.is(await store.count(target, { 序列号: 'sn1' }), 5);
      assert.is(await store.count(target), 6);
    };
    await both();
    await store.ensureIndexes([{ ...target, name: 'serial_newest', keys: [['序列号', 1], ...newestFirst] }]);
    await both();
    assert.is(await store.count({ database: 'device_info', collection: 'nothing' }), 0);
    assert.equal(await store.find({ database: 'device_info', collection: 'nothing' }), []);
  });

  each('matches within bounds of their own type only', async ({ store }) => {
    const values: StoredValue[] = [1n, 2.5, 3n, 'a', '中', '𐀀', new Date(1000), new Date(2000), true, false, null];
    await store.insertBatch(
      target,
      values.map((value, index) => item(`v${index}`, 'sn1', { value })).concat(item('missing')),
    );
    const found = async (value: Condition) =>
      idsOf(await store.find(target, { filter: { 序列号: 'sn1', value }, sort: [['_id', 1]] })).join(' ');
    const check = async () => {
      assert.is(await found({ atLeast: 2n }), 'v1 v2');
      assert.is(await found({ atMost: 2.5 }), 'v0 v1');
      assert.is(await found({ atLeast: 2.4, atMost: 2n }), '');
      assert.is(await found({ atLeast: 1, atMost: 3 }), 'v0 v1 v2');
      assert.is(await found({ atLeast: 'a' }), 'v3 v4 v5');
      assert.is(await found({ atMost: '中' }), 'v3 v4');
      assert.is(await found({ atLeast: '' }), 'v3 v4 v5');
      assert.is(await found({ atMost: '' }), '');
      assert.is(await found({ atLeast: new Date(1001) }), 'v7');
      assert.is(await found({ atMost: new Date(1000) }), 'v6');
      assert.is(await found({ atLeast: new Date(0), atMost: new Date(5000) }), 'v6 v7');
      assert.is(await found({ atLeast: true }), 'v8');
      assert.is(await found({ atMost: false }), 'v9');
      assert.is(await found({ atLeast: null }), 'missing v10');
      assert.is(await found({ atLeast: 1n, atMost: 'z' }), '');
    };
    await check();
    await store.ensureIndexes([
      {
        ...target,
        name: 'value',
        keys: [
          ['序列号', 1],
          ['value', 1],
        ],
      },
    ]);
    await check();
  });

  each('matches one of a list, with its sort', async ({ store }) => {
    const levels = ['故障', '报警', '提示', null];
    await store.insertBatch(
      target,
      Array.from({ length: 24 }, (_, n) =>
        item(`e${String(n).padStart(2, '0')}`, n < 20 ? 'sn1' : 'sn2', {
          level: levels[n % 4]!,
          _time: new Date(n),
          _seq: BigInt(n),
        }),
      ),
    );
    const newest = [
      ['_time', -1],
      ['_seq', -1],
    ] as const;
    const page = async (oneOf: readonly Comparable[], more: Query = {}) => {
      const filter: Filter = { 序列号: 'sn1', level: { oneOf }, ...more.filter };
      return idsOf(await store.find(target, { sort: newest, limit: 4, ...more, filter })).join(' ');
    };
    const check = async () => {
      assert.is(await page(['故障', '报警']), 'e17 e16 e13 e12');
      assert.is(await page(['故障', '报警'], { skip: 4 }), 'e09 e08 e05 e04');
      assert.is(await page(['故障', '报警'], { skip: 8 }), 'e01 e00');
      assert.is(await page(['提示']), 'e18 e14 e10 e06');
      assert.is(await page(['提示', null]), 'e19 e18 e15 e14');
      assert.is(await page(['提示', '提示', '提示']), 'e18 e14 e10 e06');
      assert.is(
        await page(['故障', '提示'], { filter: { _time: { atLeast: new Date(8), atMost: new Date(14) } } }),
        'e14 e12 e10 e08',
      );
      assert.is(await page([]), '');
      assert.is(await page(['no such']), '');
      assert.is(await page([{ $gt: '' } as unknown as string, '提示']), 'e18 e14 e10 e06');
      assert.is(await store.count(target, { 序列号: { oneOf: ['sn2', 'sn3'] } }), 4);
      assert.is(await store.count(target, { level: null }), 6);
    };
    await check();
    await store.ensureIndexes([
      { ...target, name: 'serial_newest', keys: [['序列号', 1], ...newest] },
      { ...target, name: 'serial_level_newest', keys: [['序列号', 1], ['level', 1], ...newest] },
    ]);
    await check();
  });

  each('sorts values of different types as MongoDB does', async ({ store }) => {
    const inOrder: [string, StoredValue | undefined][] = [
      ['number -1', -1n],
      ['number 0.5', 0.5],
      ['number 7', new Double(7)],
      ['number max', 9223372036854775807n],
      ['text', 'B'],
      ['text a', 'a'],
      ['text high', '\u{ff5e}'],
      ['text beyond', '\u{10000}'],
      ['object', { a: 1n }],
      ['bytes', Buffer.from([1])],
      ['false', false],
      ['true', true],
      ['date old', new Date(-1)],
      ['date', new Date(1)],
    ];
    const shuffled = [...inOrder].sort(([a], [b]) => ((a.length * 7) % 5) - ((b.length * 7) % 5));
    await store.insertBatch(
      target,
      shuffled.map(([id, value]) => item(id, 'sn1', { value })),
    );
    await store.insertBatch(target, [item('missing')]);
    const ids = ['missing', ...inOrder.map(([id]) => id)];
    const check = async () => {
      assert.equal(idsOf(await store.find(target, { sort: [['value', 1]] })), ids);
      assert.equal(idsOf(await store.find(target, { sort: [['value', -1]] })), [...ids].reverse());
    };
    await check();
    await store.ensureIndexes([{ ...target, name: 'value', keys: [['value', -1]] }]);
    await check();
  });

  each('gives the different texts of a field by code point', async ({ store }) => {
    const names = ['重庆', 'b', 'B', '\u{ff5e}', '\u{10000}', 'b', '', 7n, null, { $gt: '' }] as StoredValue[];
    await store.insertBatch(
      target,
      names.map((value, index) => item(`n${index}`, index < 2 ? 'sn1' : 'sn2', { value })),
    );
    const check = async () => {
      const all = await store.distinct(target, 'value');
      assert.equal(all, ['', 'B', 'b', '重庆', '\u{ff5e}', '\u{10000}']);
      assert.equal(await store.distinct(target, 'value', { 序列号: 'sn1' }), ['b', '重庆']);
      assert.equal(await store.distinct(target, 'value', { 序列号: { oneOf: ['sn1', 'sn3'] } }), ['b', '重庆']);
      assert.equal(await store.distinct(target, 'value', { 序列号: 'sn3' }), []);
      assert.equal(await store.distinct({ ...target, collection: 'nothing' }, 'value'), []);
    };
    await check();
    await store.ensureIndexes([
      {
        ...target,
        name: 'value',
        keys: [
          ['序列号', 1],
          ['value', 1],
        ],
      },
    ]);
    await check();
  });

  each('keeps collections and fields apart by case', async ({ store }) => {
    const upper = { database: 'device_info', collection: 'Device_process' };
    await store.ensureIndexes([
      {
        ...target,
        name: 'both',
        keys: [
          ['a', 1],
          ['A', 1],
        ],
      },
    ]);
    await store.put(target, { _id: 'x', a: 'one', A: 'two' });
    await store.put(upper, { _id: 'y' });
    assert.equal(idsOf(await store.find(target)), ['x']);
    assert.equal(idsOf(await store.find(upper)), ['y']);
    assert.is(await store.count(target, { a: 'one', A: 'two' }), 1);
    assert.is(await store.count(target, { a: 'two' }), 0);
  });

  each('makes indexes, again without harm, and anew with other keys', async ({ store }) => {
    const index = (field: string) => ({
      ...target,
      name: 'newest',
      keys: [
        ['序列号', 1],
        [field, -1],
      ] as const,
    });
    await store.insertBatch(target, [item('a', 'sn1', { v: 1n, w: 2n }), item('b', 'sn1', { v: 2n, w: 1n })]);
    for (const field of ['v', 'v', 'w']) {
      await store.ensureIndexes([index(field)]);
      const [first] = await store.find(target, { filter: { 序列号: 'sn1' }, sort: [[field, -1]], limit: 1 });
      assert.is(first?._id, field === 'v' ? 'b' : 'a');
    }
    assert.is(await store.count(target), 2);
  });
}
