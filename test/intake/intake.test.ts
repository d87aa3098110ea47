import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HoldfastError } from '../../src/errors.ts';
import { type Authority, type Delivery, MachineIntake } from '../../src/intake/index.ts';
import { createCounters } from '../../src/metrics.ts';
import { nodeFileSystem, SiteTime, silentLogger } from '../../src/platform/index.ts';
import { createChannels, ReplyWriter, readReply } from '../../src/protocols/machines/index.ts';
import { Spool, type SpoolOptions } from '../../src/spool/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';

const test = suite('intake');
const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../fixtures/machines', name));
const base = fixture('base.json');

/** `isOpen` false: the spool is opened by the test. */
async function bench(folder = temporaryFolder().path, clock = new ManualClock(), isOpen = true) {
  const log = { quotaBytes: 4 * 1024 * 1024, whenFull: 'reject', syncEveryMs: 0 } as const;
  const options: SpoolOptions = {
    folder,
    fileSystem: nodeFileSystem,
    clock,
    logger: silentLogger,
    segmentBytes: 1024 * 1024,
    logs: { alarm: log, state: log, process: log, bulk: log, deferred: log, quarantine: log, refused: log },
    repeatWindow: { durationMs: 600_000, capacity: 1024 },
    indexed: { channel: 'device_base_info', lane: 'state' },
  };
  const spool = new Spool(options);
  if (isOpen) await spool.open();
  const counters = createCounters();
  const asked: string[] = [];
  const authority: Authority = {
    async ask({ serial, payload, transport }) {
      asked.push(`${transport} ${serial} ${spool.status.accepted} ${payload.length}`);
      return { topic: `device_auth_${serial}_res`, body: Buffer.from('{}') };
    },
    async refused(serial, reason) {
      asked.push(`refused ${serial} ${reason}`);
    },
  };
  const intake = new MachineIntake({
    channels: createChannels([{ name: 'site_data', database: 'site', collection: 'data', lane: 'bulk' }]),
    spool,
    clock,
    siteTime: new SiteTime('Asia/Shanghai'),
    counters,
    replies: new ReplyWriter(),
    authority,
  });
  const accept = (channel: string, payload: Buffer, mayWrite: Delivery['mayWrite'] = () => true) =>
    intake.accept({ channel, payload, transport: 'mqtt', mayWrite });
  return { folder, clock, spool, counters, intake, accept, asked };
}

test('a valid report is stored byte for byte and answered to its machine', async () => {
  const { accept, spool } = await bench();
  const answer = await accept('device_base_info', base);
  assert.is(answer.outcome, 'stored');
  assert.is(answer.reply?.topic, 'device_base_info_sn000001_res');
  const reply = readReply(answer.reply!.body);
  assert.is(reply?.serial, 'sn000001');
  assert.is(reply?.error, '');
  const kept = await spool.take(answer.sequence!);
  assert.is(kept?.log, 'state');
  assert.equal(kept?.record.payload, base);
  await spool.close();
});

test('the same bytes are one report: at the same time, afterwards, and after a restart, for ten minutes', async () => {
  const first = await bench();
  const together = await Promise.all([1, 2, 3].map(() => first.accept('device_base_info', base)));
  assert.equal(
    together.map(({ outcome }) => outcome),
    ['stored', 'repeated', 'repeated'],
  );
  assert.is(new Set(together.map(({ sequence }) => sequence)).size, 1);
  assert.is((await first.accept('device_base_info', base)).outcome, 'repeated');
  assert.is(first.spool.status.accepted, 1);
  assert.is(first.counters.reportsRepeated, 3);
  await first.spool.close();

  const second = await bench(first.folder, first.clock);
  const again = await second.accept('device_base_info', base);
  assert.is(again.outcome, 'repeated');
  assert.is(again.sequence, together[0]!.sequence);
  assert.is(readReply(again.reply!.body)?.error, '');
  second.clock.advance(601_000);
  assert.is((await second.accept('device_base_info', base)).outcome, 'stored');
  await second.spool.close();
});

test('a report that comes while the spool is being opened is refused, and others that were accepted before stay known', async () => {
  const first = await bench();
  const { sequence } = await first.accept('device_base_info', base);
  await first.spool.close();

  const second = await bench(first.folder, first.clock, false);
  const early = await second.accept('device_base_info', base).catch((error: unknown) => error);
  assert.is((early as HoldfastError).code, 'spool-closed');
  await second.spool.open();
  const again = await second.accept('device_base_info', base);
  assert.equal([again.outcome, again.sequence], ['repeated', sequence]);
  assert.is(second.spool.status.accepted, 1);
  await second.spool.close();
});

test('what is not valid while the spool is being opened is refused as every report is, and counts stay', async () => {
  const first = await bench();
  assert.is((await first.accept('nothing', base)).outcome, 'forbidden');
  await first.spool.close();
  const second = await bench(first.folder, first.clock, false);
  const early = await second.accept('device_base_info', Buffer.from('no JSON')).catch((error: unknown) => error);
  assert.is((early as HoldfastError).code, 'spool-closed');
  assert.is((await second.accept('nothing', base)).outcome, 'forbidden');
  await second.spool.open();
  assert.equal(second.spool.status.counters, { 'forbidden-topic': 2 });
  await second.spool.close();
});

test('the same bytes on another channel are another report', async () => {
  const { accept, spool } = await bench();
  const body = Buffer.from('{"序列号":"sn1"}');
  assert.is((await accept('site_data', body)).outcome, 'stored');
  assert.is((await accept('device_base_info', body)).outcome, 'refused');
  await spool.close();
});

test('what is not valid is answered, kept and counted, and never goes upstream', async () => {
  const { accept, spool, counters } = await bench();
  const answer = await accept('device_base_info', Buffer.from('{"序列号":"sn1"}'));
  assert.is(answer.outcome, 'refused');
  assert.is(answer.reply?.topic, 'device_base_info_sn1_res');
  assert.is(readReply(answer.reply!.body)?.error, '报文格式错误');
  const unknown = await accept('device_error_info', Buffer.from('no JSON'));
  assert.is(unknown.reply?.topic, 'device_error_info_unknown_res');
  assert.is(spool.status.accepted, 0);
  assert.is(spool.status.logs.refused.pending, 2);
  assert.equal(Object.fromEntries(counters.reportsRefused), { 'missing-key': 1, 'not-json': 1 });
  await spool.close();
});

test('a foreign machine, a channel of the gateway and an unknown channel are forbidden', async () => {
  const { accept, spool } = await bench();
  assert.is((await accept('device_base_info', base, (serial) => serial === 'other')).outcome, 'forbidden');
  assert.is((await accept('gateway_event', Buffer.from('{"gateway":"gw"}'))).outcome, 'forbidden');
  assert.is((await accept('nothing', base)).outcome, 'forbidden');
  assert.is(spool.status.accepted, 0);
  assert.is(spool.status.logs.refused.pending, 0);
  await spool.close();
});

test('an authorization query is acknowledged at once, answered later, and not stored', async () => {
  const { accept, spool, asked } = await bench();
  const query = fixture('authorization.json');
  const answer = await accept('device_auth', query);
  assert.is(answer.outcome, 'asked');
  assert.is(answer.reply, undefined);
  assert.is((await answer.later)?.topic, 'device_auth_sn000001_res');
  assert.equal(asked, [`mqtt sn000001 0 ${query.length}`]);
  assert.is(spool.status.accepted, 0);
  await spool.close();
});

test('a query right behind base information is asked once that is on disk', async () => {
  const { accept, spool, asked } = await bench();
  const stored = accept('device_base_info', base);
  const { later } = await accept('device_auth', fixture('authorization.json'));
  assert.equal(asked, []);
  await Promise.all([stored, later]);
  assert.match(asked[0]!, /^mqtt sn000001 1 /);
  await spool.close();
});

test('a query that lacks a key is refused, kept and put down', async () => {
  const { accept, spool, asked } = await bench();
  const answer = await accept('device_auth', Buffer.from('{"序列号":"sn1"}'));
  assert.is(readReply(answer.reply!.body)?.error, '报文格式错误');
  assert.is(answer.later, undefined);
  assert.equal(asked, ['refused sn1 missing-key 机器型号']);
  assert.is(spool.status.logs.refused.pending, 1);
  await spool.close();
});

test('a report that the disk does not take is not acknowledged, and may come again', async () => {
  const { accept, spool, counters } = await bench();
  const append = spool.append.bind(spool);
  spool.append = () => Promise.reject(new HoldfastError('spool-write-failed', 'no room'));
  for (let index = 0; index < 2; index++) {
    await accept('device_base_info', base).then(
      () => assert.unreachable('it was acknowledged'),
      (error: HoldfastError) => assert.is(error.code, 'spool-write-failed'),
    );
  }
  assert.is(counters.storeFailures, 2);
  spool.append = append;
  assert.is((await accept('device_base_info', base)).outcome, 'stored');
  await spool.close();
});

test('a newer word is accepted and counted', async () => {
  const { accept, spool, counters } = await bench();
  const report = JSON.parse(fixture('error.json').toString()) as Record<string, string>;
  report.异常等级 = '警示';
  assert.is((await accept('device_error_info', Buffer.from(JSON.stringify(report)))).outcome, 'stored');
  assert.is(counters.unknownLevels, 1);
  await spool.close();
});

test.run();
