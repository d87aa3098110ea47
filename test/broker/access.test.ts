import * as assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { suite } from 'uvu';
import { hashPassword } from '../../src/accounts/index.ts';
import { Access } from '../../src/broker/index.ts';
import { systemClock } from '../../src/platform/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { connectPacket, publishPacket, RawClient, readPublish } from '../support/mqtt-raw.ts';
import { testCertificates } from '../support/tls.ts';
import { process, replyOf, startBroker, stopAll } from './harness.ts';

const test = suite('access to the broker');
test.after.each(stopAll);
const report = readFileSync(new URL('../fixtures/machines/process-preheated.json', import.meta.url));
const clients = [
  { username: 'sn000001', password: 'one' },
  { username: 'sn000002', password: await hashPassword('two') },
  { username: 'named', password: 'secret', serials: ['*'] },
];
const machine = { username: 'sn000001', password: 'one' };

test('the right password opens, plain or hashed; everything else is refused', async () => {
  const { port, counters } = await startBroker({ clients, anonymous: false });
  await RawClient.open(port, { id: 'a', ...machine });
  await RawClient.open(port, { id: 'b', username: 'sn000002', password: 'two' });
  await assert.rejects(RawClient.open(port, { username: 'sn000001', password: 'two' }), /CONNACK 4/);
  await assert.rejects(RawClient.open(port, { username: 'sn000002', password: 'one' }), /CONNACK 4/);
  await assert.rejects(RawClient.open(port, { username: 'nobody', password: 'one' }), /CONNACK 4/);
  await assert.rejects(RawClient.open(port, {}), /CONNACK 4/);
  await assert.rejects(RawClient.open(port, { username: 'sn000001' }), /CONNACK 4/);
  assert.equal(counters.mqttRefused.get('credentials'), 5);
});

test('after too many failed logins a name waits at that address, whatever it offers; other machines do not', async () => {
  const { port, counters } = await startBroker({ clients, anonymous: false });
  for (let attempt = 0; attempt < 5; attempt++) {
    await assert.rejects(RawClient.open(port, { username: 'sn000001', password: `${attempt}` }), /CONNACK 4/);
  }
  await assert.rejects(RawClient.open(port, machine), /CONNACK 3/);
  assert.equal(counters.mqttRefused.get('attempts'), 1);
  await RawClient.open(port, { id: 'b', username: 'sn000002', password: 'two' });
});

test('many guesses at once are as few as one after the other; in IPv6 a /64 is one address', async () => {
  const access = new Access({ clients, anonymous: false, clock: new ManualClock() });
  const login = (password: string, address: string) =>
    access.login({ username: 'sn000001', password: Buffer.from(password), address, mayCarryPassword: true });
  for (const address of [() => '10.0.0.1', (attempt: number) => `2001:db8::${attempt}`]) {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, attempt) => login(`${attempt}`, address(attempt))),
    );
    const checked = answers.filter((answer) => answer === 'credentials').length;
    // Of the two that are checked at a time the second may be one too many.
    assert.ok(checked === 20 || checked === 21, `${checked}`);
    assert.equal(answers.length - checked, answers.filter((answer) => answer === 'attempts').length);
  }
  const together = await Promise.all(Array.from({ length: 100 }, () => login('one', '10.0.0.2')));
  assert.ok(together.every((answer) => typeof answer === 'object'));
});

test('who tries one name after the other waits, too', async () => {
  const clock = new ManualClock();
  const access = new Access({ clients, anonymous: false, clock, maxFailuresPerAddress: 10 });
  const login = (username: string, password: string, address = '10.0.0.1') =>
    access.login({ username, password: Buffer.from(password), address, mayCarryPassword: true });
  for (let attempt = 0; attempt < 10; attempt++) assert.equal(await login(`guess${attempt}`, 'x'), 'credentials');
  assert.equal(await login('guess10', 'x'), 'attempts');
  assert.equal(await login('sn000001', 'one'), 'attempts');
  assert.equal(typeof (await login('sn000001', 'one', '10.0.0.2')), 'object');
  clock.advance(60_000);
  assert.equal(typeof (await login('sn000001', 'one')), 'object');
});

test('a password is not taken without TLS from outside the allowed networks', async () => {
  const files = testCertificates();
  const tls = { port: 0, certificate: readFileSync(files.server.certificate), key: readFileSync(files.server.key) };
  const { broker, port, intake } = await startBroker({
    clients,
    anonymous: false,
    options: { mayBePlain: () => false, listen: { host: '127.0.0.1', plain: 0, tls } },
  });
  await assert.rejects(RawClient.open(port, machine), /CONNACK 5/);
  const connectSecure = () =>
    connectTls({ port: broker.ports.tls!, host: '127.0.0.1', ca: readFileSync(files.ca), servername: 'localhost' });
  const secure = new RawClient(0, connectSecure());
  secure.write(connectPacket(machine));
  assert.equal((await secure.next(2)).body[1], 0);
  await secure.subscribe(replyOf('sn000001'));
  secure.write(publishPacket(process, report));
  await secure.next(4);
  assert.equal(readPublish(await secure.next(3)).topic, replyOf('sn000001'));
  assert.equal(intake.accepted.length, 1);
  const wrong = new RawClient(0, connectSecure());
  wrong.write(connectPacket({ username: 'sn000001', password: 'x' }));
  assert.equal((await wrong.next(2)).body[1], 4);
  await wrong.closed;
});

test('a machine reads its own replies only, and nobody reads by wildcard', async () => {
  const { port } = await startBroker({ clients, anonymous: false });
  const client = await RawClient.open(port, machine);
  assert.equal(await client.subscribe(replyOf('sn000001')), 1);
  assert.equal(await client.subscribe(`${process}_unknown_res`), 1);
  for (const topic of [
    replyOf('sn000002'),
    '#',
    '+',
    `${process}/#`,
    process,
    '$SYS/x',
    'gateway_event_sn000001_res',
    '_res',
  ]) {
    assert.equal(await client.subscribe(topic), 0x80, topic);
  }
  const named = await RawClient.open(port, { username: 'named', password: 'secret' });
  assert.equal(await named.subscribe(replyOf('sn000002')), 1);
  assert.equal(await named.subscribe('#'), 0x80);
});

test('a foreign serial and a forbidden topic are acknowledged, not stored, and the tenth disconnects', async () => {
  for (const qos of [1, 2] as const) {
    const { port, intake, counters } = await startBroker({ clients, anonymous: false });
    const client = await RawClient.open(port, machine);
    const foreign = report.toString().replace('sn000001', 'sn000002');
    client.write(publishPacket(process, report, { id: 50 }));
    for (let id = 1; id <= 9; id++) {
      client.write(publishPacket(id % 2 === 0 ? process : 'gateway_event', foreign, { id, qos }));
    }
    for (let id = 1; id <= 9; id++) await client.next(qos === 1 ? 4 : 5);
    assert.ok(!client.isClosed);
    client.write(publishPacket(process, foreign, { id: 10, qos }));
    await client.next(qos === 1 ? 4 : 5);
    await client.closed;
    assert.equal(intake.accepted.length, 1);
    assert.equal(counters.reportsRefused.get('forbidden-topic'), 5);
    assert.equal(counters.mqttClosed.get('forbidden'), 1);
  }
});

test('an anonymous broker takes anybody, but not a known name with a wrong password', async () => {
  const { port, intake } = await startBroker({ clients, anonymous: true });
  const client = await RawClient.open(port, { username: 'whoever', password: 'x' });
  client.write(publishPacket(process, report));
  await client.next(4);
  assert.equal(intake.accepted.length, 1);
  await assert.rejects(RawClient.open(port, { username: 'sn000001', password: 'x' }), /CONNACK 4/);
});

test('client ids have a length, and none is given away with a kept session', async () => {
  const { port } = await startBroker();
  await assert.rejects(RawClient.open(port, { id: 'x'.repeat(24), version: 3 }), /CONNACK 2/);
  await assert.rejects(RawClient.open(port, { id: 'x'.repeat(257) }), /CONNACK 2/);
  await RawClient.open(port, { id: '' });
  const unnamed = new RawClient(port);
  unnamed.write(connectPacket({ id: '', clean: false }));
  await unnamed.closed;
});

test('MQTT 5 is refused in its own words', async () => {
  const { port, counters } = await startBroker();
  const client = new RawClient(port);
  client.write(Buffer.from('10110004 4d515454 05020000 00 0004 72617735'.replaceAll(' ', ''), 'hex'));
  assert.deepEqual([...(await client.next(2)).body], [0, 0x84, 0]);
  await client.closed;
  assert.equal(counters.mqttRefused.get('version'), 1);
});

test('every reading of a reply topic must be allowed', async () => {
  const access = new Access({ clients: [{ username: 'b_c', password: 'p' }], anonymous: false, clock: systemClock() });
  const login = { username: 'b_c', password: Buffer.from('p'), address: '127.0.0.1', mayCarryPassword: true };
  const identity = await access.login(login);
  assert.ok(typeof identity !== 'string');
  assert.ok(access.mayRead(identity, 'a_b_c_res', ['a']));
  assert.ok(!access.mayRead(identity, 'a_b_c_res', ['a', 'a_b']));
  assert.equal(await access.login({ ...login, mayCarryPassword: false }), 'plain');
});

test.run();
