import * as assert from 'node:assert/strict';
import { suite } from 'uvu';
import { temporaryFolder } from '../support/temporary.ts';
import { pause, until } from '../support/until.ts';
import { hastyTimers, startClient, stopClients } from './support/client.ts';
import { ScriptedGateway, type ScriptedGatewayOptions } from './support/scripted-gateway.ts';

const test = suite('gateway client');
const gateways: ScriptedGateway[] = [];

async function startGateway(options?: ScriptedGatewayOptions): Promise<ScriptedGateway> {
  const gateway = new ScriptedGateway(options);
  gateways.push(gateway);
  await gateway.start();
  return gateway;
}

test.after.each(async () => {
  await stopClients();
  for (const gateway of gateways.splice(0)) await gateway.stop();
});

test('a report is done when it is on disk, and told when it is in the database', async () => {
  const gateway = await startGateway();
  gateway.deliversAtOnce = false;
  const { report, done, events, client } = startClient(gateway);
  report('r1', { 序列号: 's1', n: 1 });
  await until(() => done.get('r1') === 'stored');
  assert.deepEqual(gateway.disk[0]?.body, { 序列号: 's1', n: 1 });
  assert.deepEqual(client.pending.store.counts(), { waiting: 0, undelivered: 1 });
  gateway.deliver('r1');
  await until(() => events.some(({ state }) => state === 'delivered'));
  assert.deepEqual(client.pending.store.counts(), { waiting: 0, undelivered: 0 });
  assert.deepEqual(
    events.map(({ state, sequence }) => [state, sequence]),
    [
      ['stored', 1],
      ['delivered', 1],
    ],
  );
});

test('reports wait while the gateway is away and come in their order, each once', async () => {
  const gateway = await startGateway();
  const { report, done, client } = startClient(gateway);
  await until(() => client.state.kind === 'connected');
  await gateway.stop();
  await until(() => client.state.kind === 'away');
  const ids = Array.from({ length: 300 }, (_, n) => `r${n}`);
  for (const id of ids) report(id);
  assert.equal(client.pending.store.counts().waiting, 300);
  await gateway.start();
  await until(() => done.size === 300);
  assert.deepEqual(
    gateway.disk.map(({ id }) => id),
    ids,
  );
});

test('a restart of the gateway in the middle loses and doubles nothing', async () => {
  const gateway = await startGateway();
  const { report, done, client, events } = startClient(gateway, { tuning: { window: 8, askAgainEveryMs: 1 } });
  const ids = Array.from({ length: 400 }, (_, n) => `r${n}`);
  for (const [n, id] of ids.entries()) {
    report(id);
    if (n % 100 === 50) {
      gateway.dropConnections();
      await pause(5);
    }
    if (n === 220) {
      await gateway.stop();
      gateway.forgetSessions();
      await gateway.start();
    }
  }
  await until(() => done.size === 400 && client.pending.store.counts().undelivered === 0);
  assert.equal(new Set(gateway.disk.map(({ id }) => id)).size, gateway.disk.length);
  assert.equal(gateway.disk.length, 400);
  assert.equal(events.filter(({ state }) => state === 'stored').length, 400);
  assert.equal(events.filter(({ state }) => state === 'delivered').length, 400);
});

test('a report that the disk does not take is sent again after reconnecting', async () => {
  const gateway = await startGateway();
  gateway.mode = 'broken';
  const { report, done, client } = startClient(gateway);
  report('r1');
  await until(() => gateway.received.length >= 2);
  assert.equal(done.size, 0);
  assert.equal(client.pending.store.counts().waiting, 1);
  gateway.mode = 'store';
  await until(() => done.get('r1') === 'stored');
  assert.equal(gateway.disk.length, 1);
});

test('an answer that is lost after the PUBACK is asked for again', async () => {
  const gateway = await startGateway();
  gateway.mode = 'silent';
  const { report, done } = startClient(gateway, { tuning: { answerWithinMs: 40 } });
  report('r1');
  await until(() => gateway.disk.length === 1);
  assert.equal(done.size, 0);
  gateway.mode = 'store';
  await until(() => done.get('r1') === 'stored');
  assert.ok(gateway.received.length >= 2);
  assert.equal(gateway.disk.length, 1);
});

test('what is on disk is asked about after a reconnection to a gateway that lost the session', async () => {
  const gateway = await startGateway();
  gateway.deliversAtOnce = false;
  const { report, done, client } = startClient(gateway);
  report('r1');
  report('r2');
  await until(() => done.size === 2);
  await gateway.stop();
  gateway.forgetSessions();
  gateway.deliver('r1');
  gateway.fail('r2', 'quarantined', 'the centre refuses it');
  await gateway.start();
  await until(() => client.pending.store.counts().undelivered === 0);
  assert.equal(client.pending.store.outcome('r1')?.state, 'delivered');
  assert.equal(client.pending.store.outcome('r2')?.code, 'quarantined');
  assert.equal(gateway.disk.length, 2);
});

test('the session is kept: an answer sent while this side was away arrives', async () => {
  const gateway = await startGateway();
  gateway.deliversAtOnce = false;
  const first = startClient(gateway, { nodeId: 'kept' });
  first.report('r1');
  await until(() => first.done.size === 1);
  first.pending.store.dropBody(first.pending.store.get('r1')!);
  await first.client.stop();
  await until(() => gateway.connected === 0);
  gateway.deliver('r1');
  const second = startClient(gateway, { nodeId: 'kept' });
  await until(() => second.events.some(({ state, id }) => state === 'delivered' && id === 'r1'));
  assert.equal(new Set(gateway.clientIds).size, 1);
  assert.equal(gateway.received.length, 1);
});

test('beyond its bounds a new report is refused and no other one is lost', async () => {
  const gateway = await startGateway();
  await gateway.stop();
  const { report, done, client } = startClient(gateway, { limits: { maxWaiting: 3 } });
  for (const id of ['r1', 'r2', 'r3']) report(id);
  assert.throws(() => report('r4'), { code: 'queue-full', id: 'r4' });
  client.pending.store.limits = { ...client.pending.store.limits, maxWaiting: 100, maxBytes: 1_000 };
  assert.throws(() => report('r5', { long: 'x'.repeat(1_000) }), { code: 'queue-full' });
  await gateway.start();
  await until(() => done.size === 3);
  assert.equal(gateway.disk.length, 3);
});

test('reports on disk give up their bodies, never their place, for reports that wait', async () => {
  const gateway = await startGateway();
  gateway.deliversAtOnce = false;
  const { report, done, client, events } = startClient(gateway, { limits: { maxBytes: 1_000, maxStored: 5 } });
  for (let n = 0; n < 8; n++) {
    report(`r${n}`, { long: 'x'.repeat(600) });
    await until(() => done.size === n + 1);
  }
  assert.equal([...client.pending.store.askable()].length, 1);
  assert.equal(client.pending.store.counts().undelivered, 5);
  assert.equal(client.pending.store.forgotten, 3);
  gateway.deliver('r7');
  gateway.deliver('r0');
  await until(() => events.filter(({ state }) => state === 'delivered').length === 2);
});

test('a refusal names its code; one that comes late too', async () => {
  const gateway = await startGateway();
  gateway.failing.set('r1', { code: 'malformed', text: '报文格式错误' });
  gateway.deliversAtOnce = false;
  const { report, events, done } = startClient(gateway);
  report('r1');
  report('r2');
  await until(() => done.has('r2') && events.length === 2);
  gateway.fail('r2', 'evicted', 'there was no room');
  await until(() => events.length === 3);
  const failed = events.filter(({ state }) => state === 'failed').map(({ id, code }) => [id, code]);
  assert.deepEqual(failed, [
    ['r1', 'malformed'],
    ['r2', 'evicted'],
  ]);
});

test('the same id again is one report, and each message hears of it', async () => {
  const gateway = await startGateway();
  const { report, client } = startClient(gateway);
  const told: string[] = [];
  client.pending.outlets.attach('owner', (event, waiter) => told.push(`${waiter.message._msgid} ${event.state}`));
  await until(() => client.state.kind === 'connected');
  report('r1');
  report('r1');
  await until(() => told.length === 4);
  report('r1');
  await until(() => told.length === 6);
  assert.equal(gateway.disk.length, 1);
});

test('wrong credentials are told, tried again slowly, and a correction is found', async () => {
  const gateway = await startGateway();
  gateway.password = 'another';
  const timers = hastyTimers();
  const { client, log } = startClient(gateway, { timers });
  await until(() => gateway.refusedLogins >= 3);
  await until(() => client.state.kind === 'refused');
  assert.equal('error' in client.state && client.state.error.code, 'bad-credentials');
  assert.ok(timers.pauses.length > 0 && timers.pauses.every((ms) => ms === 30_000), String(timers.pauses));
  assert.equal(log.length, 1, log.join('\n'));
  gateway.password = 'secret';
  await until(() => client.state.kind === 'connected');
});

test('pauses grow to the longest while nobody is there', async () => {
  const gateway = await startGateway();
  await gateway.stop();
  const timers = hastyTimers(1);
  const { client } = startClient(gateway, { timers, random: () => 1 });
  await until(() => timers.pauses.length >= 9);
  assert.deepEqual(timers.pauses.slice(0, 9), [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  assert.equal(client.state.kind, 'away');
});

test('a connection that ends while it subscribes is made anew, and a stop waits for no SUBACK', async () => {
  const gateway = await startGateway();
  gateway.subscribing = 'drop';
  const { report, done } = startClient(gateway);
  report('r1');
  await until(() => gateway.filters.length >= 3);
  gateway.subscribing = 'answer';
  await until(() => done.size === 1);
  gateway.subscribing = 'silent';
  const another = startClient(gateway);
  const before = gateway.filters.length;
  await until(() => gateway.filters.length > before);
  await another.client.stop();
});

test('questions: answered, refused, without answer, and asked again after a reconnection', async () => {
  const gateway = await startGateway();
  const { client, events } = startClient(gateway, { timers: hastyTimers(400) });
  const answer = await client.requests.ask('authorize', { 序列号: 's1' }, 30_000);
  assert.equal(answer.granted, true);
  gateway.query = () => ({ code: 'forbidden', text: 'this credential may not' });
  await assert.rejects(client.requests.ask('query', { path: '/x' }, 30_000), { code: 'forbidden' });
  gateway.authorize = () => undefined;
  await assert.rejects(client.requests.ask('authorize', {}, 30_000), { code: 'no-answer' });
  const before = gateway.questions.length;
  const late = client.requests.ask('authorize', { 序列号: 's2' }, 30_000);
  await until(() => gateway.questions.length > before);
  gateway.authorize = () => ({ granted: false, error: '授权不通过0', source: 'centre', until: null });
  gateway.dropConnections();
  assert.equal((await late).granted, false);
  const [first, second] = gateway.questions.slice(before);
  assert.equal(first?.id, second?.id);
  gateway.send('failed', gateway.questions[before - 1]!.id, { code: 'forbidden', text: 'late' });
  await client.requests.ask('authorize', {}, 30_000);
  assert.equal(events.length, 0);
});

test('machines: the fewest subscriptions, each message once, a refusal is told', async () => {
  const gateway = await startGateway();
  gateway.refusedFilters.add('holdfast/local/message/secret/+');
  const { client } = startClient(gateway);
  await until(() => client.state.kind === 'connected');
  const got: string[] = [];
  const allowed: string[] = [];
  const listen = (name: string, channel: string, serial: string) =>
    client.subscriptions.add(
      { channel, serial },
      {
        onMessage: ({ payload }) => got.push(`${name} ${payload}`),
        onAllowed: (yes) => allowed.push(`${name} ${yes}`),
      },
      name,
    );
  const stop = listen('a', 'device_error_info', '');
  listen('b', 'device_error_info', 's1');
  await until(() => allowed.includes('a true'));
  gateway.publish('holdfast/local/message/device_error_info/s1', Buffer.from('x'));
  await until(() => got.length === 2);
  assert.deepEqual(got, ['a x', 'b x']);
  stop(true);
  const leave = listen('c', 'secret', '');
  await until(() => allowed.includes('c false') && allowed.includes('b true'));
  // Made anew it is subscribed still, and hears what the gateway has said.
  leave(false);
  listen('c again', 'secret', '');
  await until(() => allowed.includes('c again false'));
  gateway.publish('holdfast/local/message/device_error_info/s2', Buffer.from('y'));
  gateway.publish('holdfast/local/message/device_error_info/s1', Buffer.from('z'));
  await until(() => got.length === 3);
  assert.equal(got[2], 'b z');
});

test('over a Unix socket, at most 5 s between two tries', async () => {
  const path = temporaryFolder().file('broker.sock');
  const gateway = await startGateway({ path });
  const timers = hastyTimers(1);
  const { client, report, done } = startClient(gateway, {
    timers,
    random: () => 1,
    connection: { target: { path }, longestPauseMs: 5_000 },
  });
  report('r1');
  await until(() => done.size === 1);
  await gateway.stop();
  await until(() => timers.pauses.filter((ms) => ms === 5_000).length > 2);
  assert.ok(timers.pauses.filter((ms) => ms !== 15_000).every((ms) => ms <= 5_000));
  await gateway.start();
  await until(() => client.state.kind === 'connected');
});

test.run();
