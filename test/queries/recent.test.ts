import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Alarms } from '../../src/alarms.ts';
import { HoldfastError } from '../../src/errors.ts';
import { createCounters } from '../../src/metrics.ts';
import { silentLogger } from '../../src/platform/index.ts';
import { builtInChannels, parseBody } from '../../src/protocols/machines/index.ts';
import { defaultRecentLimits, type RecentLimits, RecentReports } from '../../src/recent/index.ts';
import { SqliteDocumentStore } from '../../src/store/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { pause, until } from '../support/until.ts';
import { base, error, errorCollection, process, processCollection, siteTime, startMs } from './support.ts';

const test = suite('newest reports on the box');
const machines = { database: 'device_info', collection: 'machine' };
const channelOf = (name: string) => builtInChannels.find((channel) => channel.name === name)!;
const ends: (() => Promise<void>)[] = [];
test.after.each(async () => {
  for (const end of ends.splice(0)) await end();
});

interface Options {
  readonly folder?: string;
  readonly keep?: number;
  readonly keepInAll?: number;
  readonly limits?: Partial<RecentLimits>;
  readonly store?: SqliteDocumentStore;
}

async function start({
  folder = temporaryFolder().path,
  keep = 500,
  keepInAll = 250_000,
  limits,
  ...more
}: Options = {}) {
  const clock = new ManualClock(startMs);
  const counters = createCounters();
  const alarms = new Alarms({ clock, logger: silentLogger });
  const store = more.store ?? new SqliteDocumentStore({ folder, durable: false });
  const recent = new RecentReports({
    store,
    gatewayId: 'gw1',
    boot: 'boot',
    siteTime,
    keep,
    keepInAll,
    alarms,
    counters,
    clock,
    logger: silentLogger,
    limits: { ...defaultRecentLimits, ...limits },
  });
  await recent.start();
  ends.push(() => recent.stop());
  let sequence = 0;
  const note = (channel: string, body: object) => {
    const payload = Buffer.from(JSON.stringify(body));
    const serial = String((parseBody(payload) as Record<string, unknown>).序列号);
    recent.note({
      channel: channelOf(channel),
      serial,
      payload,
      sequence: ++sequence,
      acceptedMs: clock.wallMs(),
      clockTrusted: true,
      transport: 'mqtt',
    });
  };
  /** Until nothing waits. */
  const settle = async () => {
    while (recent.state.queued > 0) {
      clock.advance(defaultRecentLimits.pauseMs);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  const stop = async () => {
    ends.splice(0);
    await recent.stop();
  };
  return { clock, counters, alarms, store, recent, note, settle, stop };
}

test('what is kept is the document that the centre makes, and the newest base information of each machine', async () => {
  const { store, note, settle } = await start();
  note('device_process_info', process('sn1', 0));
  note('device_base_info', base('sn1', '甲', '旧名'));
  note('device_base_info', base('sn1', '甲', '新名'));
  note('device_error_info', error('sn1', 0, '故障', 'x'));
  await settle();
  const [document] = await store.find(processCollection);
  const { _id, _time, _received, _accepted, _seq, _gateway, _clock, ...rest } = document!;
  assert.equal(rest, process('sn1', 0));
  assert.equal([_id, _seq, _gateway, _clock], ['gw1-boot-1', 1n, 'gw1', 'trusted']);
  assert.equal((_time as Date).toISOString(), '2024-03-18T07:30:00.000Z');
  assert.equal([_received, _accepted], [new Date(startMs), new Date(startMs)]);
  const [machine] = await store.find(machines);
  assert.equal([machine!._id, machine!.机器名称, machine!._base], ['sn1', '新名', 'gw1-boot-3']);
  assert.is(await store.count(errorCollection), 1);
});

test('the newest of each machine and channel are kept by their acceptance, and no more than so many in all', async () => {
  const { store, note, settle } = await start({ keep: 3, keepInAll: 5 });
  // A machine whose clock is years ahead must not hold its later reports off.
  note('device_process_info', process('sn1', 0, { 报文时间: '2099-01-01 00:00:00' }));
  for (let index = 0; index < 6; index++) note('device_process_info', process('sn1', index, { 序: index }));
  for (let index = 0; index < 6; index++) note('device_error_info', error('sn1', index, '故障', `${index}`));
  await settle();
  const kept = await store.find(processCollection, { sort: [['_seq', 1]] });
  assert.equal(
    kept.map(({ 序 }) => Number(序)),
    [3, 4, 5],
  );
  assert.is(await store.count(errorCollection), 3);
  for (let machine = 2; machine < 6; machine++) {
    for (let index = 0; index < 2; index++) note('device_process_info', process(`sn${machine}`, index));
  }
  await settle();
  assert.is(await store.count(processCollection), 5);
  assert.is(await store.count(errorCollection), 3);
});

test('it is there after a restart, with what waited', async () => {
  const folder = temporaryFolder().path;
  const before = await start({ folder });
  before.note('device_base_info', base('sn1', '甲', '机'));
  await before.settle();
  for (let index = 0; index < 10; index++) before.note('device_process_info', process('sn1', index));
  await before.stop();
  const after = await start({ folder });
  assert.is(await after.store.count(processCollection), 10);
  assert.is(await after.store.count(machines), 1);
});

test('what comes just before a stop is written, also where nothing came before', async () => {
  const folder = temporaryFolder().path;
  const before = await start({ folder });
  before.note('device_process_info', process('sn1', 0));
  await before.stop();
  const after = await start({ folder });
  assert.is(await after.store.count(processCollection), 1);
});

test('a flood passes over the oldest, counted, and takes no more memory than allowed', async () => {
  const { store, note, settle, counters, recent } = await start({ limits: { maxQueued: 100 } });
  const before = performance.now();
  for (let index = 0; index < 20_000; index++) note('device_process_info', process('sn1', 0, { 序: index }));
  const perReportUs = ((performance.now() - before) * 1000) / 20_000;
  assert.ok(perReportUs < 200, `${perReportUs} µs`);
  assert.ok(recent.state.queued <= 100);
  assert.is(counters.recentPassedOver + recent.state.queued, 20_000);
  await settle();
  const kept = await store.find(processCollection, { sort: [['_seq', -1]], limit: 1 });
  assert.equal(
    kept.map(({ 序 }) => Number(序)),
    [19_999],
  );
});

test('a report that is too large is passed over; what is no machine’s report is none of ours', async () => {
  const { store, note, settle, counters } = await start();
  note('device_process_info', process('sn1', 0, { 注: 'x'.repeat(40_000) }));
  note('scan_record', { 序列号: 'sn1' });
  note('device_process_info', process('sn1', 1));
  await settle();
  assert.is(await store.count(processCollection), 1);
  assert.is(counters.recentPassedOver, 1);
});

test('the start looks at the store only; the first report or query makes the indexes, many at once do it once', async () => {
  const store = new SqliteDocumentStore({ folder: temporaryFolder().path, durable: false });
  const called: string[] = [];
  const watched = new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...words: unknown[]) => {
        called.push(String(name));
        return value.apply(target, words);
      };
    },
  });
  const { recent, note, settle } = await start({ store: watched });
  assert.equal([called.splice(0), recent.state.ready], [['start', 'ping'], true]);
  await Promise.all([recent.documents.find(processCollection), recent.documents.distinct(machines, '客户')]);
  assert.equal(called.splice(0), ['start', 'ensureIndexes', 'find', 'distinct']);
  note('device_process_info', process('sn1', 0));
  await settle();
  assert.is((await recent.documents.find(processCollection)).length, 1);
  assert.not.ok(called.includes('ensureIndexes'));
});

test('a query while the store cannot be opened rejects, and is answered once it can', async () => {
  const store = new SqliteDocumentStore({ folder: temporaryFolder().path, durable: false });
  let isBroken = true;
  const flaky = new Proxy(store, {
    get(target, name) {
      if (isBroken && name === 'ensureIndexes') {
        return () => Promise.reject(new HoldfastError('database-unreachable', 'no room'));
      }
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const { alarms, recent, stop } = await start({ store: flaky });
  assert.equal(alarms.active, []);
  const asked = await Promise.allSettled([1, 2, 3].map(() => recent.documents.find(processCollection)));
  for (const outcome of asked) assert.match(outcome.status === 'rejected' ? outcome.reason.message : '', /no room/);
  assert.equal([alarms.active.map(({ code }) => code), recent.state.ready], [['recent-unavailable'], false]);
  isBroken = false;
  assert.equal(await recent.documents.find(processCollection), []);
  assert.equal([alarms.active, recent.state.ready], [[], true]);
  await stop();
  const late = await Promise.allSettled([recent.documents.find(processCollection)]);
  assert.is(late[0]!.status === 'rejected' && late[0]!.reason.code, 'database-unreachable');
});

test('while the store fails there is an alarm and reports go on; it goes on by itself', async () => {
  const store = new SqliteDocumentStore({ folder: temporaryFolder().path, durable: false });
  let isBroken = true;
  const flaky = new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (!isBroken || name === 'stop') return value.bind(target);
      return () => Promise.reject(new HoldfastError('database-unreachable', 'no room'));
    },
  });
  const { clock, alarms, recent, note, settle } = await start({ store: flaky });
  assert.equal(
    alarms.active.map(({ code }) => code),
    ['recent-unavailable'],
  );
  assert.match(recent.state.error!, /no room/);
  note('device_process_info', process('sn1', 0));
  clock.advance(20_000);
  await pause(20);
  assert.is(recent.state.queued, 1);
  isBroken = false;
  await settle();
  await until(() => alarms.active.length === 0);
  assert.is(await store.count(processCollection), 1);
  isBroken = true;
  note('device_process_info', process('sn1', 1));
  clock.advance(50);
  await until(() => alarms.active.length > 0);
  assert.equal(
    alarms.active.map(({ code }) => code),
    ['recent-unavailable'],
  );
  isBroken = false;
});

test.run();
