import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { firstAdministratorsPath, wirePassword } from '../../src/accounts/index.ts';
import { Alarms } from '../../src/alarms.ts';
import { BoxQueries, boxAccountsFolder } from '../../src/box-queries.ts';
import { loadConfig } from '../../src/config/index.ts';
import { createCounters } from '../../src/metrics.ts';
import { nodeFileSystem, silentLogger } from '../../src/platform/index.ts';
import { builtInChannels, defaultTexts, encodeAccountPush } from '../../src/protocols/machines/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary.ts';
import { process as processReport, siteTime, startMs } from './support.ts';

const test = suite('accounts and queries of a box that rests');
const hash = (plain: string) => wirePassword(plain, 'sha256');
const centre = generateKeyPairSync('ed25519');
const channel = builtInChannels.find(({ name }) => name === 'device_process_info')!;
const minute = 60_000;
const day = 86_400_000;

let folder: TemporaryFolder;
const ends: (() => Promise<void>)[] = [];
test.before.each(() => {
  folder = temporaryFolder();
});
test.after.each(async () => {
  for (const end of ends.splice(0)) await end();
  folder.remove();
});

function box() {
  const clock = new ManualClock(startMs);
  const alarms = new Alarms({ clock, logger: silentLogger });
  const queries = new BoxQueries({
    config: loadConfig().config,
    dataFolder: folder.path,
    gatewayId: 'gw1',
    boot: 'boot',
    centreKey: () => centre.publicKey,
    leaseUntil: () => undefined,
    texts: { current: defaultTexts },
    siteTime,
    alarms,
    counters: createCounters(),
    fileSystem: nodeFileSystem,
    clock,
    logger: silentLogger,
  });
  ends.push(() => queries.stop());
  const note = (index: number) =>
    queries.note({
      channel,
      serial: 'sn1',
      payload: Buffer.from(JSON.stringify(processReport('sn1', index))),
      sequence: index,
      acceptedMs: clock.wallMs(),
      clockTrusted: true,
      transport: 'mqtt',
    });
  const codes = () => alarms.active.map(({ code, subject }) => `${code} ${subject}`.trim());
  return { clock, queries, note, codes };
}

async function started() {
  const mine = box();
  await mine.queries.start();
  return mine;
}

type Box = Awaited<ReturnType<typeof started>>;

/** Lets so much time pass that the thread ends. */
async function rest({ clock, queries }: Box): Promise<void> {
  for (let tries = 0; queries.state.state !== 'resting' && tries < 500; tries++) {
    clock.advance(minute);
    await sleep(5);
  }
  assert.is(queries.state.state, 'resting');
}

const stopped = async ({ queries }: Box) => queries.stop();
const password = () => /^machines admin (\S+)$/m.exec(readFileSync(firstAdministratorsPath(folder.path), 'utf8'))![1]!;
const logIn = ({ queries }: Box, name: string, plain: string) => queries.login.login(name, hash(plain), '10.0.0.1');
const accountsFile = () => `${boxAccountsFolder(folder.path)}/documents.db`;

const account = {
  name: 'flows',
  customers: ['*'],
  role: 'viewer',
  createdAt: '',
  updatedAt: '',
  origin: 'local',
} as const;
async function query(queries: BoxQueries) {
  const path = '/deviceInfo/process/sn/';
  const answer = await queries.ask({ path, parameters: new Map([['sn', 'sn1']]), account });
  return answer === 'no-such-path' ? undefined : JSON.parse(String(answer.body));
}

test('the first start makes the first administrator, and no start needs a thread', async () => {
  const first = await started();
  assert.equal(first.queries.state, { state: 'resting', ready: true, queued: 0, kept: 0, passedOver: 0 });
  const made = password();
  await stopped(first);
  const second = await started();
  assert.is(second.queries.state.state, 'resting');
  assert.is(password(), made);
  assert.is((await logIn(second, 'admin', made)).kind, 'open');
  assert.is(second.queries.state.state, 'awake');
  await rest(second);
  assert.is((await logIn(second, 'admin', made)).kind, 'open');
});

test('where all accounts were removed, the next start makes the first administrator again', async () => {
  const first = await started();
  const made = password();
  await first.queries.accounts.remove('admin');
  await stopped(first);
  const second = await started();
  assert.is.not(password(), made);
  assert.is((await logIn(second, 'admin', password())).kind, 'open');
});

test('a start after the process was killed finds what was written last', async () => {
  const first = await started();
  await first.queries.accounts.add({ name: '张三', password: hash('geheim'), customers: ['*'], role: 'viewer' });
  // What a killed process leaves: the file as it was, and its log.
  const place = boxAccountsFolder(folder.path);
  const left = readdirSync(place).map((name) => [name, readFileSync(`${place}/${name}`)] as const);
  assert.ok(left.some(([name, bytes]) => name.endsWith('-wal') && bytes.length > 0));
  await stopped(first);
  for (const name of readdirSync(place)) rmSync(`${place}/${name}`);
  for (const [name, bytes] of left) writeFileSync(`${place}/${name}`, bytes);
  const second = await started();
  assert.is(second.queries.state.state, 'resting');
  assert.equal(readdirSync(place), ['documents.db']);
  assert.is((await logIn(second, '张三', 'geheim')).kind, 'open');
});

test('a report and a query wake a box that rests', async () => {
  const mine = await started();
  const { clock, queries, note } = mine;
  const asked = () => query(queries);
  assert.equal(await asked(), { 错误: '参数查询为空', 信息: [] });
  assert.is(queries.state.state, 'awake');
  await rest(mine);
  note(1);
  assert.is(queries.state.state, 'resting');
  for (let tries = 0; queries.state.queued > 0 && tries < 500; tries++) {
    clock.advance(50);
    await sleep(5);
  }
  assert.equal([queries.state.state, queries.state.kept], ['awake', 1]);
  await rest(mine);
  assert.equal(await asked(), { 错误: '', 信息: [processReport('sn1', 1)] });
});

test('accounts of the centre are taken over by a box that rests', async () => {
  const mine = await started();
  const accounts = [
    {
      name: 'boss',
      customers: ['*'],
      role: 'viewer' as const,
      createdAt: '2024-03-20 08:00:00',
      updatedAt: '2024-03-20 08:00:00',
      hash: '$scrypt$ln=14,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      stamp: 'one',
    },
  ];
  const push = encodeAccountPush({ gateway: 'gw1', version: 1, accounts }, centre.privateKey);
  await mine.queries.applyAccountPush(Buffer.from(push));
  const names = (await mine.queries.accounts.list()).map(({ name, origin }) => `${name} ${origin}`);
  assert.equal(names, ['admin first', 'boss centre']);
});

test('sessions that are over are removed while the box is awake, else once a day', async () => {
  const mine = await started();
  const { clock, queries } = mine;
  assert.is((await logIn(mine, 'admin', password())).kind, 'open');
  await rest(mine);
  const begun = clock.monotonicMs();
  while (clock.monotonicMs() - begun < day - 60 * minute) {
    clock.advance(10 * minute);
    assert.is(queries.state.state, 'resting');
  }
  for (let tries = 0; tries < 12 && queries.state.state === 'resting'; tries++) clock.advance(10 * minute);
  assert.is(queries.state.state, 'awake');
});

test('a damaged file of accounts is an alarm at the start; it goes when the file is right again', async () => {
  const first = await started();
  await stopped(first);
  const sound = readFileSync(accountsFile());
  for (const damaged of [Buffer.alloc(sound.length, 7), sound.subarray(0, 5000), Buffer.from('no database')]) {
    writeFileSync(accountsFile(), damaged);
    const mine = await started();
    assert.equal(mine.codes(), ['database-unreachable accounts']);
    writeFileSync(accountsFile(), sound);
    for (let tries = 0; mine.codes().length > 0 && tries < 500; tries++) {
      mine.clock.advance(5000);
      await sleep(5);
    }
    assert.equal(mine.codes(), []);
    assert.is((await logIn(mine, 'admin', password())).kind, 'open');
    await stopped(mine);
  }
});

test('a damaged file of reports is begun anew at the start, and after a power cut at the first query', async () => {
  const place = `${folder.path}/store/recent`;
  await stopped(await started());
  for (const isAfterCut of [false, true]) {
    writeFileSync(`${place}/documents.db`, Buffer.alloc(8192, 7));
    if (isAfterCut) writeFileSync(`${place}/documents.db-wal`, 'a log');
    const mine = await started();
    assert.equal([mine.codes(), mine.queries.state.state], [[], 'resting']);
    assert.is(readdirSync(place).includes('documents.db.damaged'), !isAfterCut);
    assert.equal(await query(mine.queries), { 错误: '参数查询为空', 信息: [] });
    await stopped(mine);
    assert.equal(readdirSync(place), ['documents.db', 'documents.db.damaged']);
    rmSync(`${place}/documents.db.damaged`);
  }
});

test('reports of a newer version are an alarm at the start, and are left alone', async () => {
  await stopped(await started());
  const path = `${folder.path}/store/recent/documents.db`;
  const database = new DatabaseSync(path);
  database.exec('PRAGMA user_version = 99');
  database.close();
  const mine = await started();
  assert.equal([mine.codes(), mine.queries.state.state], [['recent-unavailable'], 'closed']);
  assert.match((await query(mine.queries)).错误, /newer version/);
});

test('reports that cannot be kept are an alarm at the start, and queries say so', async () => {
  const path = `${folder.path}/store/recent/documents.db`;
  nodeFileSystem.makeFolder(path);
  const mine = await started();
  assert.equal(mine.codes(), ['recent-unavailable']);
  assert.equal([mine.queries.state.state, mine.queries.state.ready], ['closed', false]);
  assert.match(mine.queries.state.error!, /cannot keep documents/);
  rmSync(path, { recursive: true });
  assert.is((await query(mine.queries)).错误, '参数查询为空');
  assert.equal(mine.codes(), []);
});

test('a stop while it opens leaves both files closed, and raises nothing', async () => {
  const mine = box();
  const starting = mine.queries.start();
  await Promise.all([starting, mine.queries.stop()]);
  const { queries, codes } = await started();
  const asked = query(queries);
  await queries.stop();
  assert.type((await asked).错误, 'string');
  assert.equal([codes(), mine.codes()], [[], []]);
  assert.equal(readdirSync(`${folder.path}/store/recent`), ['documents.db']);
  assert.equal(readdirSync(boxAccountsFolder(folder.path)), ['documents.db']);
});

test.run();
