import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Comparable,
  type Condition,
  type DocumentStore,
  Double,
  type Filter,
  type NewDocument,
  type Query,
  type StoredDocument,
  type StoredValue,
} from '../../src/store/index.ts';

const target = { database: 'device_info', collection: 'device_process' };

/** A store, started and empty, and how to open the same documents again. */
export interface StoreUnderTest {
  readonly store: DocumentStore;
  /** Ends the store before, where only one may be open. */
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

  test.after(close);
  test.run();
}

/** The kinds of the outcomes, in order. */
export const kinds = (outcomes: readonly { kind: string }[]): string[] => outcomes.map(({ kind }) => kind);

/** The ids of documents, in order. */
export const idsOf = (documents: readonly StoredDocument[]): string[] => documents.map(({ _id }) => _id);

/** A rejection, also of what throws at once. */
async function attempt(call: () => Promise<unknown>): Promise<unknown> {
  return await call();
}

/** Rejects with `database-unreachable`, or with a mistake of the program. */
export async function fails(result: Promise<unknown>, kind?: typeof TypeError): Promise<Error> {
  const error = await result.then(
    () => assert.unreachable('it should have failed'),
    (thrown) => thrown,
  );
  if (kind === undefined) assert.is(error.code, 'database-unreachable', error.message);
  else assert.instance(error, kind);
  return error;
}

/** A document's fields by name: the order of fields that were added is the server's. */
function sorted(document: StoredDocument | undefined): [string, StoredValue][] {
  return Object.entries(document ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}
