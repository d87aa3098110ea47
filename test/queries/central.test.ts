import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { firstAdministratorsPath, wirePassword } from '../../src/accounts/index.ts';
import { askGateway } from '../../src/control-socket.ts';
import { registryDocument } from '../../src/documents/index.ts';
import { readAccountPush } from '../../src/protocols/machines/index.ts';
import { startCentral } from '../central/support.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { ask, base } from './support.ts';

const test = suite('accounts and queries at the centre');
const hash = (plain: string) => wirePassword(plain, 'sha256');

test('a centre has its first administrator, answers, is administered while it runs, and tells its gateways', async () => {
  const dataFolder = temporaryFolder().path;
  const central = await startCentral(
    { HOLDFAST_CENTRAL_EMBEDDED: temporaryFolder().path },
    { dataFolder, embeddedBroker: { host: '127.0.0.1', port: 0, gateways: [{ id: 'gw1', password: 'p' }] } },
  );
  const port = central.ports.http!;
  const path = firstAdministratorsPath(dataFolder);
  const password = async () => /^machines admin (\S+)$/m.exec(readFileSync(path, 'utf8'))![1]!;
  const logIn = async (name: string, plain: string) =>
    (await ask(port, '/login/', { name, passwd: hash(plain) })).body.token as string;
  await until(async () => (await central.accounts.hasAny()) === true, 'the first administrator');
  const token = await logIn('admin', await password());
  assert.match(token, /^[0-9a-f]{12}$/);

  const document = { ...base('sn1', '甲', '一号'), _id: 'gw1-b-1', _received: new Date() };
  await central.store.put({ database: 'device_info', collection: 'machine' }, registryDocument(document));
  assert.is((await ask(port, '/deviceInfo/base/sn/', { sn: 'sn1', token })).body.机器名称, '一号');
  // No record yet: one is made, and read afterwards.
  assert.equal((await ask(port, '/deviceInfo/auth/sn/', { sn: 'sn1', token })).body, { 错误: '参数查询为空' });
  const set = await ask(port, '/deviceInfo/auth/sn/', { sn: 'sn1', token, time: 7 });
  assert.is(set.body.错误, '');
  assert.match(set.body.授权截止时间, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  assert.equal((await ask(port, '/deviceInfo/auth/sn', { sn: 'sn1', token })).body, set.body);
  assert.equal((await ask(port, '/deviceInfo/auth/sn', { sn: 'sn2', token, time: 7 })).body, { 错误: '参数查询为空' });

  // A gateway that saw the machine is sent the accounts of its customer, and not the others.
  const gateways = { database: 'gateway', collection: 'gateway' };
  const pairs = { database: 'device_info', collection: 'device_gateway' };
  await central.store.put(gateways, { _id: 'gw1', via: 'mqtt' });
  await central.store.put(pairs, { _id: 'gw1 sn1', gateway: 'gw1', serial: 'sn1' });
  const room = 'accounts';
  for (const [name, customer] of [
    ['of gw1', '甲'],
    ['other', '乙'],
  ] as const) {
    const request = { room, action: 'add', name, password: hash('x'), customers: [customer], role: 'viewer' };
    for await (const item of askGateway(dataFolder, request)) assert.is((item as { name: string }).name, name);
  }
  const push = async () => {
    const waiting = await central.store.find({ database: 'gateway', collection: 'push' });
    const bodies = waiting.filter(({ key }) => key === 'accounts').map(({ body }) => Buffer.from(body as Uint8Array));
    return bodies.map((body) => readAccountPush(body, 'gw1', central.signingKey.publicKey)!);
  };
  const names = async () =>
    (await push())
      .at(-1)
      ?.accounts.map(({ name }) => name)
      .join();
  await until(async () => (await names()) === 'admin,of gw1', 'the push for the gateway');
  const outsider = await logIn('other', 'x');
  assert.is((await ask(port, '/deviceInfo/base/sn', { sn: 'sn1', token: outsider })).body.错误, '参数查询为空');
  await central.stop();
});

test.run();
