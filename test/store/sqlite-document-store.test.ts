// slow
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Logger, silentLogger } from '../../src/platform/index.ts';
import {
  type NewDocument,
  type Query,
  SqliteDocumentStore,
  SqliteHost,
  type SqliteOptions,
} from '../../src/store/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { fails, idsOf, kinds } from './contract/support.ts';
import { storeContract } from './document-store-contract.ts';

for (const durable of [true, false]) {
  storeContract(
    `sqlite, ${durable ? 'durable' : 'not durable'}`,
    async () => {
      const folder = temporaryFolder().file('documents');
      const open = async () => {
        const store = new SqliteDocumentStore({ folder, durable });
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
    async () => {},
  );
}

const target = { database: 'device_info', collection: 'device_process' };
const newest = [
  ['_time', -1],
  ['_seq', -1],
] as const;
const bySerial = { ...target, name: 'serial_newest', keys: [['sn', 1], ...newest] } as const;
const byLevel = { ...target, name: 'serial_level_newest', keys: [['sn', 1], ['level', 1], ...newest] } as const;

/** Report `n` of a machine. */
const report = (sn: string, n: number, more: object = {}): NewDocument => ({
  document: { _id: `${sn}-${n}`, sn, level: `l${n % 3}`, _time: new Date(n * 1000), _seq: BigInt(n), ...more },
  series: sn,
});
const reports = (sn: string, from: number, to: number, more: object = {}) =>
  Array.from({ length: to - from }, (_, index) => report(sn, from + index, more));

async function started(options: SqliteOptions): Promise<SqliteDocumentStore> {
  const store = new SqliteDocumentStore(options);
  await store.start();
  return store;
}

const test = suite('document store: sqlite, by itself');

test('a declared index serves filter and sort, so that a page is a walk along it', async () => {
  const store = await started({ folder: temporaryFolder().path });
  await store.ensureIndexes([
    bySerial,
    byLevel,
    {
      ...target,
      name: 'c',
      keys: [
        ['customer', 1],
        ['sn', 1],
      ],
    },
  ]);
  await store.insertBatch(target, reports('a', 0, 50));
  const served: Query[] = [
    { filter: { sn: 'a' }, sort: newest, skip: 1200, limit: 20 },
    { filter: { sn: 'a', _time: { atLeast: new Date(5), atMost: new Date(9) } }, sort: newest, limit: 20 },
    { filter: { sn: 'a', _time: { atMost: new Date(9) } }, sort: newest, limit: 20 },
    { filter: { sn: 'a', level: 'l1' }, sort: newest, skip: 3, limit: 20 },
    { filter: { sn: 'a', level: { oneOf: ['l1', 'l2'] } }, sort: newest, skip: 3, limit: 20 },
    { filter: { sn: 'a', level: { oneOf: ['l0', 'l1', 'l2'] }, _time: { atLeast: new Date(5) } }, sort: newest },
    { filter: { sn: { oneOf: ['a', 'b'] }, level: 'l2' }, sort: newest, limit: 5 },
    { filter: { sn: 'a' }, sort: newest.map(([field]) => [field, 1] as const), limit: 5 },
    { filter: { customer: null }, sort: [['sn', 1]] },
    { filter: { _id: 'a-1' } },
  ];
  for (const query of served) {
    const plan = (await store.explain(target, query)).join('\n');
    assert.match(plan, /SEARCH .*INDEX/, plan);
    assert.not.match(plan, /SCAN|TEMP B-TREE/, plan);
  }
  const plan = await store.explain(target, { filter: { other: 1n }, sort: [['more', 1]] });
  assert.match(plan.join(' '), /SCAN.*TEMP B-TREE/);
  await store.stop();
});

test('writes made together share a transaction', async () => {
  const folder = temporaryFolder();
  const store = await started({ folder: folder.path });
  await store.put(target, { _id: 'first' });
  const before = statSync(folder.file('documents.db-wal')).size;
  await Promise.all(Array.from({ length: 400 }, (_, n) => store.put(target, { _id: `p${n}` })));
  const pages = (statSync(folder.file('documents.db-wal')).size - before) / 4096;
  assert.ok(pages < 100, `${pages} pages for 400 documents: each transaction takes two at least`);
  await store.stop();
});

test('a long query does not stop the process, and a write beside it fails by itself', async () => {
  const store = await started({ folder: temporaryFolder().path });
  await store.insertBatch(target, reports('a', 0, 20_000));
  let turns = 0;
  let isOver = false;
  const turn = () => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  turn();
  await store.count(target, { unknown: 'x' });
  isOver = true;
  assert.ok(turns > 50, `${turns} turns of the event loop`);
  const results = await Promise.allSettled([
    store.put(target, { _id: 'x', n: 'text' }),
    store.put(target, { _id: 'y', n: 1n }),
    store.update(target, 'x', { add: { n: 1n } }),
    store.update(target, 'y', { add: { n: 1n } }),
  ]);
  assert.equal(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  );
  assert.equal(await store.find(target, { filter: { _id: 'y' } }), [{ _id: 'y', n: 2n }]);
  await store.stop();
});

test('the newest of each group are kept, and a total', async () => {
  const folder = temporaryFolder().path;
  const left = async (store: SqliteDocumentStore, sn: string) => {
    const found = await store.find(target, { filter: { sn }, sort: newest });
    return found.map(({ _seq }) => Number(_seq)).join(' ');
  };
  let store = await started({ folder, durable: false });
  await store.insertBatch(target, reports('a', 0, 8));
  await store.keepNewest(bySerial, { perGroup: 5, total: 12 });
  assert.is(await left(store, 'a'), '7 6 5 4 3');
  await store.insertBatch(target, [...reports('b', 0, 9), report('a', 8), { document: { _id: 'none' }, series: 'n' }]);
  assert.is(await left(store, 'a'), '8 7 6 5 4');
  assert.is(await left(store, 'b'), '8 7 6 5 4');
  // Older by its time than what is kept: it goes at once.
  assert.equal(kinds(await store.insertBatch(target, [report('a', 1)])), ['inserted']);
  assert.is(await left(store, 'a'), '8 7 6 5 4');
  await store.stop();
  store = await started({ folder, durable: false });
  await store.insertBatch(target, reports('c', 0, 3));
  assert.is(await store.count(target), 12);
  assert.is(await left(store, 'a'), '8 7 6');
  await store.remove(target, { sn: 'b' });
  await store.put(target, report('c', 3).document);
  await store.put(target, { ...report('c', 3).document, sn: 'b' });
  await store.insertBatch(target, reports('d', 0, 9));
  assert.equal([await left(store, 'a'), await left(store, 'b')], ['8 7', '3']);
  assert.equal([await left(store, 'c'), await left(store, 'd')], ['2 1 0', '8 7 6 5 4']);
  await store.keepNewest(bySerial, { perGroup: 2, total: 100 });
  assert.equal([await left(store, 'c'), await left(store, 'd'), await store.count(target)], ['2 1', '8 7', 8]);
  await store.remove(target, {});
  await store.insertBatch(target, reports('a', 0, 3));
  assert.is(await left(store, 'a'), '2 1');
  await store.stop();
});

test('a file at its limit fails what needs room, keeps all before, and takes more after a removal', async () => {
  const folder = temporaryFolder().path;
  const store = await started({ folder, maxBytes: 1024 * 1024 });
  await store.ensureIndexes([bySerial]);
  const text = 'x'.repeat(2000);
  let n = 0;
  const error = await (async () => {
    for (; n < 1000; n++) await store.insertBatch(target, [report('a', n, { text })]);
  })().then(
    () => assert.unreachable('it never was full'),
    (thrown) => thrown,
  );
  assert.is(error.code, 'database-unreachable');
  assert.match(error.message, /documents\.db is full: make room there, or the file has grown to its 1048576 bytes/);
  assert.is(await store.count(target), n);
  // Of calls that come together only those fail that need the room.
  const [large, small] = await Promise.allSettled([
    store.insertBatch(target, reports('b', 0, 100, { text })),
    store.update(target, 'a-0', { set: { level: 'l9' } }),
  ]);
  assert.equal([large!.status, small!.status], ['rejected', 'fulfilled']);
  assert.is(await store.count(target, { sn: 'b' }), 0);
  assert.is(await store.remove(target, { _seq: { atMost: 99n } }), 100);
  assert.equal(kinds(await store.insertBatch(target, reports('b', 0, 50, { text }))), Array(50).fill('inserted'));
  await store.stop();
  const again = await started({ folder });
  assert.is(await again.count(target), n - 100 + 50);
  await again.stop();
});

test('one process uses a folder, and a second is told so', async () => {
  const folder = temporaryFolder().path;
  const first = await started({ folder });
  await first.put(target, { _id: 'a' });
  const second = await started({ folder });
  const error = await fails(second.ping());
  assert.match(error.message, /documents\.db is in use by another process: end that one, or name another folder/);
  await first.stop();
  await second.ping();
  assert.is(await second.count(target), 1);
  await second.stop();
});

test('the files are private to the user, and only the database is left after an orderly end', async () => {
  const folder = temporaryFolder();
  const store = await started({ folder: folder.file('new') });
  await store.put(target, { _id: 'a' });
  assert.equal(readdirSync(folder.file('new')), ['documents.db', 'documents.db-wal']);
  for (const name of readdirSync(folder.file('new')))
    assert.is(statSync(folder.file(`new/${name}`)).mode & 0o777, 0o600);
  assert.is(statSync(folder.file('new')).mode & 0o777, 0o700);
  await store.stop();
  assert.equal(readdirSync(folder.file('new')), ['documents.db']);
});

test('a file of a newer version, or of another program, is refused and left alone', async () => {
  for (const [pragma, wrong] of [
    ['user_version = 9', /written by a newer version \(format 9, this one knows 1\): start that version/],
    ['application_id = 9', /is a database of another program: name another folder/],
  ] as const) {
    const folder = temporaryFolder();
    const store = await started({ folder: folder.path });
    await store.put(target, { _id: 'a' });
    await store.stop();
    const file = new DatabaseSync(folder.file('documents.db'));
    file.exec(`PRAGMA ${pragma}`);
    file.close();
    const bytes = readFileSync(folder.file('documents.db'));
    for (const durable of [true, false]) {
      const refused = await started({ folder: folder.path, durable });
      assert.match((await fails(refused.ping())).message, wrong);
      assert.match((await fails(refused.put(target, { _id: 'b' }))).message, wrong);
      await refused.stop();
    }
    assert.equal(readFileSync(folder.file('documents.db')), bytes);
  }
});

/** Overwrites a part of each page after the first, or the head of the file. */
function damage(path: string, where: 'head' | 'pages'): void {
  const file = openSync(path, 'r+');
  const size = statSync(path).size;
  const junk = Buffer.alloc(600, 0xa5);
  if (where === 'head') writeSync(file, junk, 0, 90, 0);
  else for (let at = 4096; at < size; at += 4096) writeSync(file, junk, 0, 600, at);
  closeSync(file);
}

test('a damaged file is named and left alone where it is all there is', async () => {
  for (const where of ['head', 'pages'] as const) {
    const folder = temporaryFolder();
    const store = await started({ folder: folder.path });
    await store.insertBatch(target, reports('a', 0, 500));
    await store.stop();
    damage(folder.file('documents.db'), where);
    const again = await started({ folder: folder.path });
    const error = await fails(again.find(target));
    assert.match(error.message, /documents\.db is damaged .* keep a copy of .* backup/);
    assert.match((await fails(again.insertBatch(target, [report('b', 1)]))).message, /is damaged/);
    await again.stop();
    assert.equal(readdirSync(folder.path), ['documents.db']);
  }
});

test('a damaged file of what can be had again is moved aside and begun anew, with its indexes and bounds', async () => {
  for (const where of ['head', 'pages'] as const) {
    const folder = temporaryFolder();
    const said: string[] = [];
    const logger = { ...silentLogger, warn: (_: object, text: string) => said.push(text) } as unknown as Logger;
    const open = () => started({ folder: folder.path, durable: false, logger });
    const store = await open();
    await store.insertBatch(target, reports('a', 0, 500));
    await store.stop();
    for (let times = 0; times < 2; times++) {
      damage(folder.file('documents.db'), where);
      const again = await open();
      await Promise.allSettled([again.ensureIndexes([byLevel]), again.keepNewest(bySerial, { perGroup: 3, total: 9 })]);
      const outcomes = await again.insertBatch(target, reports('b', 0, 5));
      assert.equal(kinds(outcomes), Array(5).fill('inserted'));
      assert.equal(idsOf(await again.find(target, { sort: newest })), ['b-4', 'b-3', 'b-2']);
      const plan = await again.explain(target, { filter: { sn: 'b', level: 'l1' }, sort: newest });
      assert.match(plan.join(), /serial_level_newest/);
      await again.stop();
      assert.equal(readdirSync(folder.path), ['documents.db', 'documents.db.damaged']);
    }
    assert.is(said.length, 2);
    assert.match(said[0]!, /moved aside, and begun anew/);
  }
});

test('a thread that dies fails the calls of its turn only', async () => {
  const store = await started({ folder: temporaryFolder().path });
  await store.put(target, { _id: 'a' });
  // More than its heap holds: a list of some million texts.
  const oneOf = Array.from({ length: 4_000_000 }, (_, n) => `some long text ${n}`);
  const error = await fails(store.find(target, { filter: { sn: { oneOf } } }));
  assert.match(error.message, /the thread of the documents has ended/);
  assert.is(await store.count(target), 1);
  await store.put(target, { _id: 'b' });
  assert.is(await store.count(target), 2);
  await store.stop();
});

test('stores may share a thread: each has its file, ends by itself, and a dead thread is a new one for both', async () => {
  const host = new SqliteHost();
  const one = await started({ folder: temporaryFolder().path, host });
  const other = await started({ folder: temporaryFolder().path, host, durable: false });
  const threads = () => readdirSync('/proc/self/task').length;
  await one.put(target, { _id: 'a', v: 'one' });
  const withOne = threads();
  await Promise.all([one.put(target, { _id: 'b' }), other.put(target, { _id: 'a', v: 'other' })]);
  assert.is(threads(), withOne);
  assert.is((await one.find(target, { filter: { _id: 'a' } }))[0]!.v, 'one');
  assert.is((await other.find(target, { filter: { _id: 'a' } }))[0]!.v, 'other');
  await one.stop();
  assert.is(await other.count(target), 1);
  await one.start();
  assert.is(await one.count(target), 2);
  const oneOf = Array.from({ length: 4_000_000 }, (_, n) => `some long text ${n}`);
  await fails(one.find(target, { filter: { sn: { oneOf } } }));
  assert.equal(await Promise.all([one.count(target), other.count(target)]), [2, 1]);
  await Promise.all([one.stop(), other.stop()]);
  assert.ok(threads() < withOne);
});

test('a thread that nobody asks ends, and the next call starts another', async () => {
  const clock = new ManualClock();
  const host = new SqliteHost({ clock, idleMs: 60_000 });
  const store = await started({ folder: temporaryFolder().path, host });
  const threads = () => readdirSync('/proc/self/task').length;
  const before = threads();
  await store.put(target, { _id: 'a' });
  const running = threads();
  assert.ok(running > before);
  clock.advance(59_000);
  assert.is(threads(), running);
  for (let tries = 0; threads() >= running && tries < 500; tries++) {
    clock.advance(60_000);
    await setTimeout(10);
  }
  assert.ok(threads() < running);
  await store.put(target, { _id: 'b' });
  assert.is(await store.count(target), 2);
  await store.stop();
});

test('work of a start needs no thread: its files are closed after it, and the next call starts one', async () => {
  const host = new SqliteHost();
  const folder = temporaryFolder();
  const store = await started({ folder: folder.path, host });
  const other = await started({ folder: temporaryFolder().path, host });
  const inserted = await host.here(async () => {
    await store.ensureIndexes([bySerial]);
    const outcomes = await Promise.all([
      store.insertBatch(target, reports('a', 0, 600)),
      other.put(target, { _id: 'o' }),
    ]);
    assert.equal(idsOf(await store.find(target, { filter: { sn: 'a' }, sort: newest, limit: 2 })), ['a-599', 'a-598']);
    await other.stop();
    await fails(other.count(target));
    return kinds(outcomes[0]).length;
  });
  assert.is(inserted, 600);
  assert.is(host.isRunning, false);
  assert.equal(readdirSync(folder.path), ['documents.db']);
  assert.is(await store.count(target), 600);
  assert.is(host.isRunning, true);
  assert.is(await host.here(() => store.count(target)), 600);
  await store.stop();
  assert.is(host.isRunning, false);
});

test('work of a start that fails fails as in the thread, and closes its files', async () => {
  const host = new SqliteHost();
  const folder = temporaryFolder();
  const store = await started({ folder: folder.path, host });
  await store.insertBatch(target, reports('a', 0, 500));
  await store.stop();
  damage(folder.file('documents.db'), 'head');
  await store.start();
  assert.match((await fails(host.here(() => store.find(target)))).message, /documents\.db is damaged .* keep a copy/);
  assert.match((await fails(store.find(target))).message, /is damaged/);
  await store.stop();
  assert.equal(readdirSync(folder.path), ['documents.db']);
});

test('a file that cannot be written is said at the start', async () => {
  const folder = temporaryFolder();
  mkdirSync(folder.file('documents.db'));
  const error = await fails(new SqliteDocumentStore({ folder: folder.path }).start());
  assert.match(error.message, /cannot keep documents in/);
});

test('an open store does not keep the process alive, and a call does', () => {
  const folder = temporaryFolder();
  const script = `
    import { SqliteDocumentStore } from ${JSON.stringify(new URL('../../src/store/index.ts', import.meta.url).href)};
    const store = new SqliteDocumentStore({ folder: process.argv[1] });
    await store.start();
    await store.ping();
    store.put({ database: 'a', collection: 'b' }, { _id: 'c' }).then(() => console.log('done'));
  `;
  const words = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script, folder.path];
  const { stdout, stderr, status } = spawnSync(process.execPath, words, { encoding: 'utf8', timeout: 20_000 });
  assert.equal([stdout, stderr, status], ['done\n', '', 0]);
});

test.run();
