// slow

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Central } from '../../src/central.ts';
import { parseBody, readGrant, readIdentity, readPush, verifyGrant } from '../../src/protocols/machines/index.ts';
import { type MongoServer, startMongo } from '../support/mongodb.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { shortest, until } from '../support/until.ts';
import { authorizations, bareService, baseInformation, log, outbox, query } from './authorization-support.ts';
import { Machine, startCentral } from './support.ts';

let rabbit: Rabbit;
let mongo: MongoServer;
let central: Central;
let machine: Machine;
const dataFolder = temporaryFolder('holdfast-central-').path;

const start = () =>
  startCentral(
    { HOLDFAST_CENTRAL_BROKER: rabbit.url, HOLDFAST_CENTRAL_MONGODB: mongo.url },
    { databasePrefix: mongo.databasePrefix, dataFolder },
  );

let sent = 0;
const replyTo = 'gateway_gw-1_receipts';
const viaGateway = (gateway = 'gw-1') => ({
  messageId: `${gateway}-0123456789abcdef-${++sent}`,
  appId: gateway,
  replyTo,
  headers: { 'x-sequence': sent, 'x-accepted-at': Date.now(), 'x-clock': 'trusted' },
});

/** Sends and waits for the one answer. */
async function ask(channel: string, body: object | Buffer, properties: object = {}): Promise<Record<string, string>> {
  const before = machine.answers.length;
  machine.send(channel, body, properties);
  await until(() => machine.answers.length > before, `an answer on ${channel}`);
  return machine.answers.at(-1)!.body;
}

const register = (serial: string, properties: object = {}, more: object = {}) =>
  ask('device_base_info', baseInformation(serial, more), properties);

const test = suite('authorization at the centre, over RabbitMQ');

test.before(async () => {
  [rabbit, mongo] = await Promise.all([startRabbit(), startMongo()]);
  machine = await Machine.connect(rabbit.url);
  for (const queue of ['device_auth', 'device_base_info', replyTo]) await machine.declare(queue);
  for (const channel of ['device_auth', 'device_base_info']) {
    for (const serial of ['sn000001', 'sn000002', 'sn000003', 'unknown'])
      await machine.listen(`${channel}_${serial}_res`);
  }
  await machine.listen(replyTo);
  central = await start();
  await until(() => central.health.status === 'ok', 'the centre reads');
});

test.after(async () => {
  await central.stop();
  await machine.close();
  await mongo.stop();
  await rabbit.remove();
});

test('a machine of the seed hears four keys, and each refusal in the words of the seed', async () => {
  const refusals: [body: object | Buffer, text: string][] = [
    [query('sn000001'), '设备信息不一致，授权不通过'],
    [Buffer.from('no json'), '报文格式错误'],
    [query('sn000001', { 查询授权: '0' }), '报文格式错误'],
    ...['机器型号', '机器名称', '地址', '客户名称', '查询授权'].map((key): [object, string] => [
      query('sn000001', { [key]: undefined }),
      '报文格式错误',
    ]),
    [query('sn000001', { 地址: '中国\n重庆' }), '报文格式错误'],
  ];
  for (const [body, text] of refusals) {
    const answer = await ask('device_auth', body);
    assert.equal(Object.keys(answer), ['序列号', '错误', '授权', '报文时间']);
    assert.equal([answer.授权, answer.错误], ['0', text]);
    assert.match(answer.报文时间!, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  }
  const kept = await central.store.find({ database: 'device_info', collection: 'rejected' });
  assert.equal([kept.length, ...new Set(kept.map(({ channel }) => channel))], [refusals.length - 1, 'device_auth']);
  const [broken] = kept.filter(({ reason }) => reason === 'not-json');
  assert.is(Buffer.from(broken!.body as Uint8Array).toString(), 'no json');
  await register('sn000001');
  assert.is((await ask('device_auth', query('sn000001'))).错误, '授权不通过0');
  for (const key of ['机器型号', '机器名称', '地址', '客户名称']) {
    const answer = await ask('device_auth', query('sn000001', { [key]: '另一个' }));
    assert.is(answer.错误, '设备信息不一致，授权不通过', key);
  }
  await central.authorizations.set('sn000001', 30, '张三');
  const granted = await ask('device_auth', query('sn000001'));
  const { 报文时间: _, ...rest } = granted;
  assert.equal(rest, { 序列号: 'sn000001', 错误: '', 授权: '1' });
  await central.authorizations.set('sn000001', -1, '张三');
  assert.is((await ask('device_auth', query('sn000001'))).错误, '授权不通过0');
});

test('queries are audited, changes logged, and nothing of it stands in the table of authorizations', async () => {
  const lines = await central.store.find(log, { filter: { 序列号: 'sn000001' }, sort: [['_time', 1]] });
  const kinds = (kind: string) => lines.filter(({ 类型 }) => 类型 === kind);
  assert.is(kinds('查询').length, kinds('应答').length);
  assert.ok(kinds('查询').length >= 12);
  assert.ok(lines.every(({ 来源, 类型 }) => 来源 === (类型 === '变更' ? '人工' : '中心')));
  assert.equal(
    kinds('应答')
      .map(({ 授权 }) => 授权)
      .filter((granted) => granted === '1').length,
    1,
  );
  const [first, second] = kinds('变更').toSorted((a, b) => Number((a.版本 as bigint) - (b.版本 as bigint)));
  assert.equal([first!.账号名, first!.授权, first!.版本, first!.原授权截止时间], ['张三', '1', 1n, undefined]);
  assert.equal([second!.授权, second!.版本, second!.原授权截止时间], ['0', 2n, first!.授权截止时间]);
  const records = await central.store.find(authorizations);
  assert.equal(
    records.map(({ _id }) => _id),
    ['sn000001'],
  );
  const keys = Object.keys(records[0]!).filter((key) => !key.startsWith('_'));
  const wanted = ['序列号', '机器型号', '机器名称', '地址', '客户名称', '授权截止时间', '创建时间', '修改时间'];
  assert.equal(keys.toSorted(), wanted.toSorted());
});

test('the answer to a gateway is signed for it', async () => {
  await register('sn000002', viaGateway());
  const refused = await ask('device_auth', query('sn000002'), viaGateway());
  assert.equal([refused.错误, refused.错误码, refused.签名], ['授权不通过0', 'not-authorized', undefined]);
  const set = await central.authorizations.set('sn000002', 30, '张三');
  const properties = viaGateway();
  await ask('device_auth', query('sn000002'), properties);
  const { message } = machine.answers.at(-1)!;
  assert.is(message.properties.correlationId, properties.messageId);
  const body = parseBody(message.content);
  if (typeof body === 'string') throw new Error(body);
  const grant = readGrant(body, readIdentity(query('sn000002'))!)!;
  assert.equal([body.授权, body.错误, grant.version, grant.until], ['1', '', 1, set!.until]);
  assert.ok(verifyGrant(grant, 'gw-1', central.signingKey.publicKey));
  assert.is(verifyGrant(grant, 'gw-2', central.signingKey.publicKey), false);
});

/** Changes of sn000003 so far. */
let version = 0;

test('a change is pushed to every gateway that has seen the machine, within a second', async () => {
  await machine.listen('gateway_gw-1_control');
  await machine.listen('gateway_gw-2_control');
  await register('sn000003', viaGateway('gw-1'));
  // Only a query, and one that is refused.
  await ask('device_auth', query('sn000003', { 地址: '他处' }), viaGateway('gw-2'));
  machine.answers.length = 0;
  const tookMs = await shortest(1000, async () => {
    version++;
    machine.answers.length = 0;
    const begun = performance.now();
    await central.authorizations.set('sn000003', -1, '张三');
    await until(() => machine.answers.length >= 2, 'two pushes');
    return performance.now() - begun;
  });
  assert.ok(tookMs < 1000, `${tookMs} ms`);
  for (const { queue, message } of machine.answers) {
    assert.ok(readPush(message.content), message.content.toString());
    const gateway = queue.split('_')[1]!;
    const push = readPush(message.content)!;
    assert.ok(verifyGrant(push, gateway, central.signingKey.publicKey), gateway);
    assert.equal([push.identity.serial, push.version], ['sn000003', version]);
    assert.is(message.properties.deliveryMode, 2);
  }
  assert.equal(machine.answers.map(({ queue }) => queue).toSorted(), ['gateway_gw-1_control', 'gateway_gw-2_control']);
  await until(async () => (await central.controlPush.waiting()) === 0, 'the outbox is empty');
});

test('a change made while RabbitMQ is away is told when it is back, the newest version first of all', async () => {
  await rabbit.stop();
  await central.authorizations.set('sn000003', 10, '张三');
  await central.authorizations.set('sn000003', 20, '张三');
  version += 2;
  assert.is(await central.store.count(outbox, { key: 'sn000003' }), 4);
  await rabbit.start();
  machine = await Machine.connect(rabbit.url);
  await machine.listen('gateway_gw-1_control');
  await until(async () => (await central.controlPush.waiting()) === 0, 'the outbox is empty', 30_000);
  await until(() => machine.answers.length > 0, 'the push is there');
  // Other messages for the gateway, such as accounts, come on the same queue.
  const versions = machine.answers.map(({ message }) => readPush(message.content)?.version);
  assert.equal(
    versions.filter((version) => version !== undefined),
    [version],
  );
});

test('a change whose centre was stopped before it was told is told by the next', async () => {
  await rabbit.stop();
  await central.authorizations.set('sn000003', -5, '张三');
  version++;
  await central.stop();
  await rabbit.start();
  machine = await Machine.connect(rabbit.url);
  await machine.listen('gateway_gw-1_control');
  const key = central.signingKey.publicPem;
  central = await start();
  const pushed = () =>
    machine.answers.map(({ message }) => readPush(message.content)).find((push) => push !== undefined);
  await until(() => pushed() !== undefined, 'the push is there');
  const push = pushed()!;
  assert.is(push.version, version);
  assert.is(central.signingKey.publicPem, key);
  assert.ok(verifyGrant(push, 'gw-1', central.signingKey.publicKey));
});

test('a query is answered while thousands of reports wait, by any of two copies', async () => {
  const second = await start();
  await until(() => second.health.status === 'ok', 'the second copy runs');
  await central.authorizations.set('sn000001', 30, '张三');
  for (const queue of ['device_auth_sn000001_res', 'device_base_info_sn000001_res']) await machine.listen(queue);
  const state = { ...baseInformation('sn000001'), 设备状态: '开始打印' };
  for (let index = 0; index < 3000; index++) machine.send('device_process_info', { ...state, index });
  await machine.flush('device_process_info');
  const stored = () => central.counters.stored + second.counters.stored;
  const storedBefore: number[] = [];
  for (let times = 0; times < 20; times++) {
    const before = machine.answers.filter(({ queue }) => queue === 'device_auth_sn000001_res').length;
    machine.send('device_auth', query('sn000001'));
    await until(
      () => machine.answers.filter(({ queue }) => queue === 'device_auth_sn000001_res').length > before,
      'an answer',
      2000,
    );
    storedBefore.push(stored());
  }
  // How fast the rest is stored is the computer's business.
  assert.ok(storedBefore[0]! < 3000, `${storedBefore[0]} reports were stored before a query was answered`);
  assert.is(central.counters.granted + second.counters.granted, 20);
  assert.ok(central.counters.granted > 0 && second.counters.granted > 0);
  await second.stop();
  machine.send('device_auth', query('sn000001'));
  await until(() => central.counters.granted + second.counters.granted === 21, 'the one that is left answers');
});

test('versions rise by one under concurrent changes of two services, each with its line in the log', async () => {
  // On one store: FerretDB reads and then writes, so two processes at once are not what it is for.
  const others = [central.authorizations, bareService(central.store)];
  await Promise.all(
    Array.from({ length: 20 }, (_, index) => others[index % 2]!.set('sn000002', index + 1, `p${index}`)),
  );
  await until(async () => (await central.authorizations.sweep()) === 0, 'all changes are complete');
  const [record] = await central.store.find(authorizations, { filter: { _id: 'sn000002' } });
  assert.equal([record!._version, record!._pending], [21n, false]);
  const lines = await central.store.find(log, { filter: { 序列号: 'sn000002', 类型: '变更' } });
  assert.equal(
    lines.map(({ 版本 }) => Number(版本)).toSorted((a, b) => a - b),
    Array.from({ length: 21 }, (_, index) => index + 1),
  );
  assert.is(new Set(lines.map(({ 账号名 }) => 账号名)).size, 21);
  await until(async () => (await central.controlPush.waiting()) === 0, 'the outbox is empty');
});

test('what the command line changes is told by the running centre within a second', async () => {
  await machine.listen('gateway_gw-2_control');
  // It is looked for every second.
  const tookMs = await shortest(1500, async () => {
    machine.answers.length = 0;
    const begun = performance.now();
    await bareService(central.store).set('sn000003', -7, 'console:root');
    version++;
    await until(
      () =>
        machine.answers.some(
          ({ queue, message }) => queue === 'gateway_gw-2_control' && readPush(message.content)?.version === version,
        ),
      'the push',
    );
    return performance.now() - begun;
  });
  assert.ok(tookMs < 1500, `${tookMs} ms`);
});

test.run();
