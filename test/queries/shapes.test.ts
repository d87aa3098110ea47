import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { accountIndexes } from '../../src/accounts/index.ts';
import { centralIndexes } from '../../src/central/index.ts';
import { machineCollection as registryCollection } from '../../src/documents/index.ts';
import {
  machineCollection,
  type QueryShape,
  queryIndexes,
  queryShapes,
} from '../../src/protocols/machines/queries/index.ts';
import type { Condition, DocumentStore, Filter, Query, SqliteDocumentStore } from '../../src/store/index.ts';
import {
  ask,
  base,
  error,
  errorCollection,
  process,
  processCollection,
  sqlite,
  startQueries,
  storeReports,
} from './support.ts';

const test = suite('HTTP queries: shapes and indexes');

const isRange = (condition: Condition) =>
  typeof condition === 'object' && condition !== null && ('atLeast' in condition || 'atMost' in condition);

/** What a call asks for, without its values. */
function seen(collection: string, filter: Filter, sort: Query['sort'] = []): string {
  const fields = Object.keys(filter).sort();
  const ranges = fields.filter((field) => isRange(filter[field]!));
  const others = fields.filter((field) => !ranges.includes(field));
  return JSON.stringify([collection, others, ranges, sort]);
}

const declared = ({ target, equal, checked, range, sort }: QueryShape): string =>
  JSON.stringify([target.collection, [...equal, ...checked].sort(), [...range].sort(), sort]);

function indexOf(shape: QueryShape) {
  const { database, collection } = shape.target;
  return queryIndexes.find(
    (index) => index.name === shape.index && index.database === database && index.collection === collection,
  );
}

test('each query has one declared index: equal fields first, then the sort, then what is only checked', () => {
  for (const shape of queryShapes) {
    if (shape.index === '_id') {
      assert.equal([shape.equal, shape.sort, shape.range], [['_id'], [], []]);
      continue;
    }
    const keys = indexOf(shape)?.keys;
    assert.ok(keys, `${shape.path}: no index ${shape.index}`);
    const { equal, sort, range, checked } = shape;
    assert.equal(
      keys!
        .slice(0, equal.length)
        .map(([field]) => field)
        .sort(),
      [...equal].sort(),
      shape.path,
    );
    assert.equal(keys!.slice(equal.length, equal.length + sort.length), sort, shape.path);
    for (const field of range) assert.is(sort[0]?.[0], field, shape.path);
    for (const field of checked)
      assert.ok(
        keys!.some(([key]) => key === field),
        shape.path,
      );
  }
  const used = new Set(queryShapes.map(({ target, index }) => `${target.collection} ${index}`));
  for (const { collection, name } of queryIndexes)
    assert.ok(used.has(`${collection} ${name}`), `${collection} ${name} serves no query`);
});

test('the centre makes these indexes, over the same registry', () => {
  assert.equal(registryCollection, machineCollection);
  for (const index of [...queryIndexes, ...accountIndexes]) {
    const made = centralIndexes.find(
      ({ name, collection, database }) =>
        name === index.name && collection === index.collection && database === index.database,
    );
    assert.equal(made?.keys, index.keys, `${index.collection} ${index.name}`);
  }
});

/** Asks everything that can be asked, of a store that writes down what it is asked. */
async function asked() {
  const store = (await sqlite.open()) as SqliteDocumentStore;
  const calls: { shape: string; find: [{ database: string; collection: string }, Query] | undefined }[] = [];
  const recording = new Proxy<DocumentStore>(store, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...words: never[]) => {
        const [where, second, third] = words as unknown as [{ database: string; collection: string }, unknown, unknown];
        if (where?.database === 'device_info') {
          if (name === 'find') {
            const query = (second ?? {}) as Query;
            calls.push({ shape: seen(where.collection, query.filter ?? {}, query.sort), find: [where, query] });
          } else if (name === 'distinct') {
            calls.push({ shape: seen(where.collection, (third ?? {}) as Filter), find: undefined });
          }
        }
        return value.apply(target, words);
      };
    },
  });
  const server = await startQueries(recording);
  await storeReports(
    store,
    'base',
    Array.from({ length: 60 }, (_, index) => base(`sn${100 + index}`, '甲', `机器${index}`)),
  );
  await storeReports(
    store,
    processCollection,
    Array.from({ length: 60 }, (_, index) => process('sn100', index)),
  );
  await storeReports(store, errorCollection, [error('sn100', 1, '故障', 'x'), error('sn100', 2, '报警', 'y')]);
  await server.addAccount('all', ['*'], 'authorizer');
  await server.addAccount('some', ['甲', '乙']);
  await server.addAccount('one', ['甲']);
  for (const name of ['all', 'some', 'one']) {
    const token = await server.logIn(name);
    for (const query of [
      'base/customer/names?',
      'base/customer/devices?customer=甲',
      'base/sn?sn=sn100',
      'base/device?device=机器1',
      'base/device?customer=甲',
      'base/device?device=机器1&customer=甲',
      'process/sn?sn=sn100&limit=1000',
      'process/sn?sn=sn100&min_time=1&max_time=9999999999',
      'process/sn?sn=sn100&min_time=1',
      'process/sn?sn=sn100&max_time=9999999999',
      'error/sn?sn=sn100',
      'error/sn?sn=sn100&error=1',
      'error/sn?sn=sn100&error=1&warn=1&prompt=1',
      'auth/sn?sn=sn100',
    ]) {
      const [path, parameters] = query.split('?') as [string, string];
      await ask(server.port, `/deviceInfo/${path}/`, `${encodeURI(parameters)}&token=${token}`);
    }
  }
  return { store, calls, close: () => server.http.stop().then(() => store.stop()) };
}

test('what is asked of the store is what is declared, and everything declared is asked', async () => {
  const { calls, close } = await asked();
  await close();
  const real = new Set(calls.map(({ shape }) => shape));
  const list = new Set(queryShapes.map(declared));
  assert.equal(
    [...real].filter((shape) => !list.has(shape)),
    [],
  );
  assert.equal(
    [...list].filter((shape) => !real.has(shape)),
    [],
  );
});

test('the box’s store answers each of them along an index, without a sort of its own', async () => {
  const { store, calls, close } = await asked();
  const explained = new Set<string>();
  for (const { shape, find } of calls) {
    if (find === undefined || explained.has(shape)) continue;
    explained.add(shape);
    const plan = (await store.explain(...find)).join('\n');
    assert.not.match(plan, /SCAN (?!.*USING)/, `${shape}\n${plan}`);
    assert.match(plan, /SEARCH/, `${shape}\n${plan}`);
    // Of several levels at most one machine's errors are brought into order.
    const isSeveralLevels = /oneOf/.test(JSON.stringify(find[1].filter)) && find[0].collection === 'device_error_info';
    if (!isSeveralLevels) assert.not.match(plan, /TEMP B-TREE/, `${shape}\n${plan}`);
  }
  assert.ok(explained.size >= 10);
  await close();
});

test.run();
