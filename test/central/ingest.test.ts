import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Arrival, createCentralCounters, Ingest } from '../../src/central/index.ts';
import { HoldfastError } from '../../src/errors.ts';
import { SiteTime, silentLogger, systemClock } from '../../src/platform/index.ts';
import { createChannels, ReplyWriter, readReply } from '../../src/protocols/machines/index.ts';
import type { CollectionName, DocumentStore, InsertOutcome, NewDocument } from '../../src/store/index.ts';

/** A store that takes everything but what `refuse` names, and remembers what it was given. */
class ScriptedStore implements Pick<DocumentStore, 'insertBatch'> {
  readonly batches: { target: string; ids: string[] }[] = [];
  refuse: (document: NewDocument['document']) => boolean = () => false;
  away = false;
  readonly followed: string[][] = [];

  async insertBatch({ database, collection }: CollectionName, documents: readonly NewDocument[]) {
    if (this.away) throw new HoldfastError('database-unreachable', 'away');
    this.batches.push({ target: `${database}.${collection}`, ids: documents.map(({ document }) => document._id) });
    return documents.map(
      ({ document }): InsertOutcome => (this.refuse(document) ? { kind: 'error', reason: 'no' } : { kind: 'inserted' }),
    );
  }
}

function setUp() {
  const store = new ScriptedStore();
  const counters = createCentralCounters();
  const ingest = new Ingest({
    store: store as unknown as DocumentStore,
    registry: {
      take: async (bases) => void (bases.length > 0 && store.followed.push(bases.map(({ document }) => document._id))),
    },
    gateways: { note: async () => {} },
    channels: createChannels([{ name: 'site', database: 'own', collection: 'data', lane: 'bulk' }]),
    siteTime: new SiteTime('Asia/Shanghai'),
    replies: new ReplyWriter(),
    counters,
    clock: systemClock(),
    logger: silentLogger,
  });
  return { store, counters, ingest };
}

const arrival = (messageId: string | undefined, serial = 'sn1', channel = 'device_error_info'): Arrival => ({
  channel,
  messageId,
  receivedMs: 0,
  body: Buffer.from(
    JSON.stringify({
      序列号: serial,
      报文时间: '2024-03-18 15:30:45',
      机器型号: 'P',
      机器名称: 'm',
      地址: 'a',
      异常等级: '故障',
      异常描述: 'x',
    }),
  ),
});

const test = suite('ingest');

test('a batch is stored by collection, in its order', async () => {
  const { store, ingest } = setUp();
  const bad = { ...arrival('bad'), body: Buffer.from('[]') };
  const answers = await ingest.take([arrival('1'), arrival('2', 'sn2', 'site'), bad, arrival('3')]);
  assert.equal(store.batches, [
    { target: 'device_info.device_error_info', ids: ['1', '3'] },
    { target: 'own.data', ids: ['2'] },
    { target: 'device_info.rejected', ids: ['bad'] },
  ]);
  assert.equal(
    answers.map(({ outcome }) => outcome),
    ['stored', 'stored', 'malformed', 'stored'],
  );
  assert.is(readReply(answers[1]!.body!)?.table, 'site');
});

test('a refused document is answered with storage-failed', async () => {
  const { store, counters, ingest } = setUp();
  store.refuse = ({ _id }) => _id === '2';
  const answers = await ingest.take([arrival('1'), arrival('2', 'sn2')]);
  assert.is(readReply(answers[0]!.body!)?.error, '');
  assert.is(readReply(answers[1]!.body!)?.code, 'storage-failed');
  assert.equal([counters.stored, counters.failed], [1, 1]);
  assert.is(store.batches.length, 1);
});

test('what a machine sent without a gateway is kept aside when it is refused', async () => {
  const { store, ingest } = setUp();
  store.refuse = ({ reason }) => reason === undefined;
  const [answer] = await ingest.take([arrival(undefined)]);
  assert.is(answer!.outcome, 'failed');
  assert.is(store.batches[1]?.target, 'device_info.rejected');
  assert.equal(store.batches[1]?.ids, store.batches[0]?.ids);
});

test('a database that is away gives no answer at all', async () => {
  const { store, counters, ingest } = setUp();
  store.away = true;
  const error = await ingest.take([arrival('1')]).then(
    () => undefined,
    (thrown) => thrown,
  );
  assert.is(error.code, 'database-unreachable');
  assert.is(counters.stored, 0);
});

test('base information is told to the registry before it is answered, repeats too', async () => {
  const { store, ingest } = setUp();
  const body = Buffer.from(
    JSON.stringify({
      序列号: 'sn1',
      报文时间: '2024-03-18 15:30:45',
      机器型号: 'P',
      机器名称: 'm',
      地址: 'a',
      客户名称: 'c',
    }),
  );
  const base = { ...arrival('b-1'), channel: 'device_base_info', body };
  await ingest.take([base, arrival('1'), { ...base, messageId: 'b-2', body: Buffer.from('{}') }]);
  assert.equal(store.followed, [['b-1']]);
  store.refuse = () => true;
  await ingest.take([{ ...base, messageId: 'b-3' }]);
  assert.is(store.followed.length, 1);
});

test('the lag is that of the report stored last', async () => {
  const { ingest } = setUp();
  await ingest.take([{ ...arrival('1'), acceptedMs: Date.now() - 5000 }]);
  assert.ok(ingest.lagMs >= 5000 && ingest.lagMs < 6000);
});

test.run();
