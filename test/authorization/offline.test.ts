// slow
/** The gateway's process between a real MQTT client, a real RabbitMQ, and a centre that says what the test wants. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync, type MqttClient } from 'mqtt';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ReceivedReply, readReply } from '../../src/protocols/machines/index.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { type Box, createBox, passwordOf } from '../support/site/box.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary.ts';
import { shortest, until } from '../support/until.ts';
import { centreKeys, identity, queryOf } from './bench.ts';
import { ScriptedCentre } from './scripted-centre.ts';

const test = suite('authorization, online and offline');
const { serial } = identity;
const topic = `device_auth_${serial}_res`;
let rabbit: Rabbit;
let proxy: TcpProxy;
let folder: TemporaryFolder;
let centre: ScriptedCentre;
let box: Box;
const clients: MqttClient[] = [];
let boxes = 0;

interface AuditLine {
  readonly event: string;
  readonly time: string;
  readonly granted?: boolean;
  readonly source?: string;
  readonly outcome?: string;
}

/** A box with or without the way to the centre, and with its key or without. */
async function newBox(options: { uplink: boolean; pinned: boolean; dataFolder?: string }): Promise<Box> {
  const key = folder.file('centre.pub');
  writeFileSync(key, centreKeys.publicKey.export({ type: 'spki', format: 'pem' }));
  return createBox({
    folder: folder.path,
    name: `box${++boxes}`,
    machines: [serial],
    ...(options.dataFolder && { dataFolder: options.dataFolder }),
    ...(options.uplink && { upstream: { url: `amqp://guest:guest@127.0.0.1:${proxy.port}` } }),
    config: { authorization: { hardwareIdentity: 'the box of this test', ...(options.pinned && { centreKey: key }) } },
  });
}

/** A machine: asks on MQTT, hears what is published for it. */
async function machine() {
  const client = await connectAsync({
    port: box.mqttPort,
    username: serial,
    password: passwordOf(serial),
    clientId: 'm',
  });
  clients.push(client);
  const answers: { readonly reply: ReceivedReply; readonly atMs: number }[] = [];
  client.on('message', (_topic, body) => answers.push({ reply: readReply(body)!, atMs: performance.now() }));
  await client.subscribeAsync(topic, { qos: 1 });
  return {
    answers,
    /** Resolves with the next answer and how long it took; with undefined when there was none by then. */
    async ask(withinMs = 20_000) {
      const before = answers.length;
      const startMs = performance.now();
      await client.publishAsync('device_auth', queryOf(), { qos: 1 });
      while (answers.length === before && performance.now() - startMs < withinMs) await sleep(2);
      const answer = answers[before];
      return answer && { granted: answer.reply.granted, error: answer.reply.error, tookMs: answer.atMs - startMs };
    },
  };
}

/** What is answered over HTTP as soon as anything is. */
async function firstAnswer(): Promise<Record<string, string>> {
  for (;;) {
    const answer = await box.post('device_auth', queryOf(), serial).catch(() => undefined);
    if (answer !== undefined) return (await answer.json()) as Record<string, string>;
    await sleep(2);
  }
}

function auditLines(): AuditLine[] {
  const path = join(box.dataFolder, 'logs/audit.log');
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as AuditLine);
}

const connected = () =>
  until(
    async () => (await box.health()).uplink?.connected === true,
    () => `connected\n${box.program.tail}`,
    30_000,
  );

test.before(async () => {
  rabbit = await startRabbit();
  proxy = await startTcpProxy({ port: rabbit.port });
});
test.before.each(() => {
  folder = temporaryFolder('holdfast-auth-');
});
test.after.each(async () => {
  for (const client of clients.splice(0)) client.end(true);
  await box?.kill();
  await centre?.stop();
  await proxy.restore().catch(() => {});
});
test.after(async () => {
  await proxy.stop();
  await rabbit.remove();
});

for (const pinned of [false, true]) {
  const kind = pinned ? 'a centre that signs' : 'a legacy centre';
  test(`${kind}: granted; after kill -9 and without an uplink its lease answers, until a denial`, async () => {
    centre = await ScriptedCentre.start(rabbit.url, pinned ? centreKeys.privateKey : undefined);
    box = await newBox({ uplink: true, pinned });
    await box.start();
    await connected();
    const first = await (await machine()).ask();
    assert.is(first?.granted, true, JSON.stringify(first));
    assert.equal(centre.asked, [serial]);
    await box.kill();

    const { dataFolder } = box;
    box = await newBox({ uplink: false, pinned, dataFolder });
    const [earliest] = await Promise.all([firstAnswer(), box.start()]);
    assert.is(earliest.授权, '1', 'over HTTP, before leases are open');
    const offline = await machine();
    let asked = 0;
    const tookMs = await shortest(1000, async () => {
      asked++;
      const answer = await offline.ask();
      assert.is(answer?.granted, true, JSON.stringify(answer));
      return answer!.tookMs;
    });
    assert.ok(tookMs < 1000, `${tookMs} ms`);
    const answer = await box.post('device_auth', queryOf(), serial);
    assert.is(answer.status, 200);
    assert.equal(Object.keys((await answer.json()) as object), ['序列号', '错误', '授权', '报文时间']);
    assert.is(auditLines().filter(({ event, source }) => event === 'answer' && source === 'lease').length, 2 + asked);
    await box.kill();

    centre.says = 'deny';
    box = await newBox({ uplink: true, pinned, dataFolder });
    await box.start();
    await connected();
    const denied = await (await machine()).ask();
    assert.equal([denied?.granted, denied?.error], [false, '授权不通过0']);
    await box.kill();
    box = await newBox({ uplink: false, pinned, dataFolder });
    await box.start();
    assert.is(await (await machine()).ask(2500), undefined, 'the denial is remembered');
    await until(
      async () => (await box.totals()).pending > 0,
      () => 'what was asked waits for the centre',
    );
  });
}

test('a centre that is silent: the lease answers after 2 s', async () => {
  centre = await ScriptedCentre.start(rabbit.url, centreKeys.privateKey);
  box = await newBox({ uplink: true, pinned: true });
  await box.start();
  await connected();
  const { ask } = await machine();
  assert.is((await ask())?.granted, true);
  centre.says = 'nothing';
  const tookMs = await shortest(2200, async () => {
    const answer = await ask();
    assert.is(answer?.granted, true);
    return answer!.tookMs;
  });
  assert.ok(tookMs > 1900 && tookMs < 2200, `${tookMs} ms`);
});

test('a revocation that is pushed while connected is in force within 1 s', async () => {
  centre = await ScriptedCentre.start(rabbit.url, centreKeys.privateKey);
  box = await newBox({ uplink: true, pinned: true });
  await box.start();
  await connected();
  const { ask } = await machine();
  assert.is((await ask())?.granted, true);
  centre.says = 'nothing';
  const gatewayId = (await box.health()).gateway!;
  const denials = () => auditLines().filter(({ event, outcome }) => event === 'change' && outcome === 'denied');
  const tookMs = await shortest(1000, async () => {
    centre.push(gatewayId, identity, 30);
    const before = denials().length;
    const pushedMs = Date.now();
    centre.push(gatewayId, identity, -1);
    await until(
      () => denials().length > before,
      () => box.program.tail,
    );
    return Date.parse(denials().at(-1)!.time) - pushedMs;
  });
  assert.ok(tookMs < 1000, `${tookMs} ms`);
  await proxy.cut();
  assert.is(await ask(2500), undefined, 'no lease answers any more');
});

test('a revocation that is pushed while away is in force before the first answer after the return', async () => {
  centre = await ScriptedCentre.start(rabbit.url, centreKeys.privateKey);
  box = await newBox({ uplink: true, pinned: true });
  await box.start();
  await connected();
  const { ask, answers } = await machine();
  assert.is((await ask())?.granted, true);
  const gatewayId = (await box.health()).gateway!;
  centre.says = 'nothing';
  await proxy.cut();
  await until(
    async () => (await box.health()).uplink?.connected === false,
    () => 'away',
    30_000,
  );
  centre.push(gatewayId, identity, -1);
  assert.is((await ask(1000))?.granted, true, 'away, the gateway cannot know');
  // A machine that keeps asking while the link comes back.
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      await ask(150);
      await sleep(50);
    }
  })();
  await proxy.restore();
  await connected();
  const { since } = (await box.health()).uplink as unknown as { since: string };
  await sleep(4000);
  isOver = true;
  await asking;
  const late = auditLines().filter((line) => line.event === 'answer' && line.granted && line.time >= since);
  assert.equal(late, []);
  assert.ok(auditLines().some(({ event, outcome }) => event === 'change' && outcome === 'denied'));
  assert.ok(answers.length > 0);
});

test.run();
