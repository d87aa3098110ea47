// deadline: 180s
/**
 * Authorization over the MQTT uplink (RabbitMQ's plugin), with everything real and the box set up by configuration:
 * queries, leases, revocations and accounts take the same way as reports.
 */

import * as assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import { type MongoServer, startMongo } from '../support/mongodb.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { AskingMachine, askingIdentity } from '../support/site/asking-machine.ts';
import { type Box, createBox } from '../support/site/box.ts';
import { type Centre, createCentre } from '../support/site/centre.ts';
import { loginSoon, query } from '../support/site/queries.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary.ts';
import { shortest, until } from '../support/until.ts';

let folder: TemporaryFolder;
let rabbit: Rabbit;
let mongo: MongoServer;
let centre: Centre;
let line: TcpProxy;
let box: Box;
let machine: AskingMachine;

const test = suite('authorization over the MQTT uplink');

test.before(async () => {
  folder = temporaryFolder('holdfast-authorization-');
  [rabbit, mongo] = await Promise.all([startRabbit({ mqtt: true }), startMongo({ own: true })]);
  line = await startTcpProxy({ port: rabbit.mqttPort! });
  centre = await createCentre({ folder: folder.path, broker: rabbit.url, mongodb: mongo.url });
  await centre.start();
  const centreKey = folder.file('centre.pub');
  writeFileSync(centreKey, await (await fetch(`${centre.url}/enrol/key`)).text());
  box = await createBox({
    folder: folder.path,
    machines: ['sn-m'],
    upstream: { url: `mqtt://guest:guest@127.0.0.1:${line.port}` },
    config: { gateway: { id: 'line-m' }, authorization: { hardwareIdentity: 'the box of a test', centreKey } },
  });
  await box.start();
  await isConnected(true);
  machine = await AskingMachine.connect(box.mqttPort, askingIdentity('sn-m'));
});

test.after(async () => {
  await machine?.close();
  await Promise.all([box?.kill(), centre?.kill(), line?.stop(), rabbit?.remove(), mongo?.kill()]);
});

const isConnected = (wanted: boolean) =>
  until(
    async () => (await box.health()).uplink?.connected === wanted,
    () => `the link is ${wanted ? 'up' : 'down'}\n${box.program.tail}`,
  );

test('asked, refused, granted; an account of the centre; a revocation is pushed within a second', async () => {
  assert.equal(await machine.report('device_base_info', {}), '');
  assert.equal((await machine.ask()).error, '授权不通过0');
  await centre.run(['authorize', 'sn-m', '--days', '30']);
  assert.equal((await machine.ask()).granted, true);
  assert.match(await box.run(['lease', 'show', 'sn-m']), /state: valid.*source: signed/);

  await centre.run(['user', 'add', 'li', '--customer', '重庆达优'], 'li secret\n');
  const token = await loginSoon(box, 'li', 'li secret');
  assert.ok((await query(box, '/deviceInfo/auth/sn/', { sn: 'sn-m', token })).授权截止时间 !== undefined);
  const taken = await shortest(1000, async () => {
    await centre.run(['authorize', 'sn-m', '--days', '30']);
    assert.equal((await machine.ask()).granted, true);
    await centre.run(['authorize', 'sn-m', '--revoke']);
    const startedAt = performance.now();
    await until(
      async () => (await query(box, '/deviceInfo/auth/sn/', { sn: 'sn-m', token })).错误 === '参数查询为空',
      'the lease is gone',
    );
    return performance.now() - startedAt;
  });
  const ms = Math.round(taken);
  console.log(`authorization over MQTT: revoked at the box after ${ms} ms`);
  assert.ok(ms < 1000, `${ms} ms`);
});

test('a lease answers while the centre is silent or away, and not what was revoked meanwhile', async () => {
  await centre.run(['authorize', 'sn-m', '--days', '30']);
  assert.equal((await machine.ask()).granted, true);
  await centre.stop();
  let asked = 0;
  const granted = async () => {
    asked++;
    const answer = await machine.ask();
    assert.equal(answer.granted, true);
    return answer.ms;
  };
  const silentMs = await shortest(2200, granted);
  assert.ok(silentMs < 2200, `${silentMs} ms`);
  await centre.start();
  // The centre answers the query that has waited, unless it was started too late for it; the machine is told that too.
  while (asked-- > 0) assert.notEqual((await machine.answer(8000).catch(() => undefined))?.granted, false);
  await line.cut();
  await isConnected(false);
  const awayMs = await shortest(200, granted);
  assert.ok(awayMs < 200, `${awayMs} ms`);
  await centre.run(['authorize', 'sn-m', '--revoke']);
  await centre.hasPushed();
  // The revocation waits in the session of the box at RabbitMQ; nobody else can tell it.
  await centre.stop();
  await line.restore();
  await isConnected(true);
  await assert.rejects(machine.ask({}, 2500), /an answer on device_auth_sn-m_res/);
  await centre.start();
  assert.equal((await machine.answer(20_000)).error, '授权不通过0');
});

test.run();
