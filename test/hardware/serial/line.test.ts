import { readFileSync, rmSync, symlinkSync } from 'node:fs';
import {
  createPort,
  type LineUser,
  ScriptedDevice,
  SerialError,
  type SerialErrorCode,
  SerialLines,
  serialErrorCodes,
  simulated,
} from '@holdfast/hardware/serial';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PtyDevice } from '../../support/pty.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { until } from '../../support/until.ts';

const test = suite<{ lines: SerialLines; name: string }>('shared serial line');

const line = { kind: 'line', end: 'lf' } as const;
let count = 0;

// The timers of the driver do not keep a process alive; a flow engine has other things that do.
let alive: NodeJS.Timeout;
test.before(() => {
  alive = setInterval(() => {}, 1_000);
});
test.after(() => clearInterval(alive));

test.before.each((context) => {
  context.name = `line-${count++}`;
  context.lines = new SerialLines({ lingerMs: 200, pauseMs: { first: 5, most: 20 } });
});
test.after.each(({ lines }) => lines.closeAll());

/** A reader that notes what it hears. */
function reader(): LineUser & { frames: string[]; states: string[]; drops: string[] } {
  const frames: string[] = [];
  const states: string[] = [];
  const drops: string[] = [];
  return {
    frames,
    states,
    drops,
    frame: (frame) => frames.push(frame.toString()),
    state: (state) => states.push(state),
    dropped: (reason, bytes) => drops.push(`${reason}:${bytes}`),
  };
}

async function refused(code: SerialErrorCode, action: () => unknown): Promise<string> {
  try {
    await action();
  } catch (error) {
    assert.instance(error, SerialError);
    assert.is((error as SerialError).code, code);
    return (error as SerialError).message;
  }
  throw new Error(`no error, expected ${code}`);
}

test('each state of a port that cannot be opened is told, and left by itself', async ({ lines, name }) => {
  const device = simulated.port(name);
  device.unplug();
  const user = reader();
  const { line: shared } = lines.acquire({ uri: `sim:${name}`, framing: line, owner: 'a' });
  shared.join(user);
  await until(() => shared.state === 'missing');
  device.plug();
  for (const code of ['port-busy', 'port-denied', 'driver-missing', 'port-failed'] as const) {
    device.fail(code);
    await until(() => shared.state === code.replace('port-', ''), code);
    assert.is(shared.error?.code, code);
    assert.match(await refused('port-not-open', () => shared.write(Buffer.from('x'))), code);
  }
  device.fail();
  await until(() => shared.state === 'open');
  device.send('here\n');
  assert.equal(user.frames, ['here']);
});

test('a name that is given to another device is followed, though the first is still there', async ({ lines }) => {
  const folder = temporaryFolder();
  const [one, other] = [new PtyDevice(folder.file('ttyUSB0')), new PtyDevice(folder.file('ttyUSB1'))];
  await Promise.all([one.plug(), other.plug()]);
  const byId = folder.file('usb-Maker_Scale_7-if00');
  symlinkSync(one.path, byId);
  const user = reader();
  const { line: shared } = lines.acquire({ uri: `tty:${byId}`, framing: line, owner: 'a' });
  shared.join(user);
  try {
    await until(() => shared.state === 'open');
    one.send('one\nhal');
    await until(() => shared.counters.bytesIn === 7);
    rmSync(byId);
    symlinkSync(other.path, byId);
    await until(() => shared.counters.opened === 2);
    other.send('other\n');
    await until(() => user.frames.length === 2);
    assert.equal(user.frames, ['one', 'other']);
    assert.equal(user.drops, ['unfinished:3']);
    assert.ok(user.states.includes('lost'));
  } finally {
    await lines.closeAll();
    await Promise.all([one.unplug(), other.unplug()]);
    folder.remove();
  }
});

test('a port that somebody else has open is busy; a file is no port', async ({ lines }) => {
  const folder = temporaryFolder();
  const device = new PtyDevice(folder.file('ttyUSB0'));
  await device.plug();
  const { line: shared, release } = lines.acquire({ uri: device.uri, framing: line, owner: 'a' });
  try {
    await until(() => shared.state === 'open');
    const second = createPort(device.uri);
    await refused('port-busy', () => second.open({ data() {}, lost() {} }));
    await refused('port-failed', () => createPort(`tty:${import.meta.filename}`).open({ data() {}, lost() {} }));
    release();
  } finally {
    await lines.closeAll();
    await device.unplug();
    folder.remove();
  }
});

test('who wants other settings is refused, with the names of both', async ({ lines, name }) => {
  const uri = `sim:${name}`;
  const { release } = lines.acquire({ uri, framing: line, settings: { baudRate: 9600 }, owner: 'scale' });
  const text = await refused('conflict', () =>
    lines.acquire({ uri: `sim://${name}`, framing: line, owner: 'printer' }),
  );
  assert.match(text, 'scale set 9600 8N1');
  assert.match(text, 'printer set 115200 8N1');
  const other = { kind: 'line', end: 'cr' } as const;
  await refused('conflict', () => lines.acquire({ uri, framing: other, settings: { baudRate: 9600 }, owner: 'x' }));
  release();
  release();
  const { line: changed } = lines.acquire({ uri, framing: other, owner: 'x' });
  await until(() => changed.state === 'open');
});

test('between two users the port stays open and keeps what comes, half frames too', async ({ lines, name }) => {
  const device = simulated.port(name);
  const request = { uri: `sim:${name}`, framing: line, owner: 'a' };
  const first = lines.acquire(request);
  const before = reader();
  const leave = first.line.join(before);
  await until(() => first.line.state === 'open');
  device.send('one\ntw');
  leave();
  first.release();
  device.send('o\nthree\nfo');
  const second = lines.acquire(request);
  const [a, b] = [reader(), reader()];
  second.line.join(a);
  second.line.join(b);
  device.send('ur\n');
  await until(() => a.frames.length === 3);
  assert.equal(before.frames, ['one']);
  assert.equal(a.frames, ['two', 'three', 'four']);
  assert.equal(b.frames, a.frames);
  assert.is(first.line, second.line);
});

test('after the last user the port is free, a little later', async ({ lines, name }) => {
  const device = simulated.port(name);
  const { line: shared, release } = lines.acquire({ uri: `sim:${name}`, framing: line, owner: 'a' });
  await until(() => device.state === 'open');
  release();
  device.send('nobody reads this\n');
  await until(() => device.state === 'plugged');
  assert.is(shared.state, 'closed');
  assert.is(lines.get(`sim:${name}`), undefined);
  await refused('port-closed', () => shared.write(Buffer.from('x')));
});

test('the queue of writes is bounded, and a device that takes nothing is an error', async ({ name }) => {
  const device = simulated.port(name);
  device.unplug();
  const { LastingPort } = await import('@holdfast/hardware/serial');
  const states: string[] = [];
  const port = new LastingPort({
    name,
    make: () => createPort(`sim:${name}`),
    onData: () => {},
    onState: (state) => states.push(state),
    pauseMs: { first: 5, most: 20 },
    maxQueuedBytes: 10,
    writeMs: () => 30,
  });
  port.start();
  const patient = port.write(Buffer.from('12345678'), 60_000);
  await refused('queue-full', () => port.write(Buffer.from('9AB'), 60_000));
  await refused('port-not-open', () => port.write(Buffer.from('C'), 20));
  device.plug();
  await patient;
  assert.is(device.take().toString(), '12345678');
  device.stuck = true;
  await refused('write-stuck', () => port.write(Buffer.from('D'), 1_000));
  assert.ok(states.includes('lost'));
  device.stuck = false;
  await port.write(Buffer.from('E'), 60_000);
  assert.is(device.take().toString(), 'E');
  const waiting = port.write(Buffer.from('F'), 60_000);
  await Promise.all([waiting.catch(() => {}), port.stop(), port.stop()]);
});

test('requests: one at a time, in order, each with its own answer', async ({ lines, name }) => {
  const device = new ScriptedDevice({
    port: simulated.port(name),
    framing: { kind: 'slip' },
    answer: (frame, reply) => setTimeout(() => reply(`<${frame}>`), Number(frame) % 3),
  });
  device.start();
  const { line: shared } = lines.acquire({ uri: `sim:${name}`, framing: { kind: 'slip' }, owner: 'a' });
  await until(() => shared.state === 'open');
  const asked = Array.from({ length: 100 }, (_, index) =>
    shared.request(Buffer.from(String(index)), { timeoutMs: 60_000 }),
  );
  await refused('queue-full', () => Promise.all([1, 2].map(() => shared.request(Buffer.from('x'), { timeoutMs: 1 }))));
  assert.equal(
    (await Promise.all(asked)).map(String),
    Array.from({ length: 100 }, (_, index) => `<${index}>`),
  );
  device.stop();
});

test('after a timeout without a late answer the next request goes out all the same', async ({ lines, name }) => {
  const device = simulated.port(name);
  device.onReceive((bytes) => {
    if (bytes.toString() !== 'lost\n') device.send('ok\n');
  });
  const { line: shared } = lines.acquire({ uri: `sim:${name}`, framing: line, owner: 'a' });
  await until(() => shared.state === 'open');
  const lost = shared.request(Buffer.from('lost'), { timeoutMs: 20, lateMs: 20 });
  const next = shared.request(Buffer.from('next'), { timeoutMs: 60_000 });
  await refused('timeout', () => lost);
  assert.is(String(await next), 'ok');
  assert.is(shared.counters.lateAnswers, 0);
});

test('a reader that throws does not keep the others from hearing', async ({ lines, name }) => {
  const { line: shared } = lines.acquire({ uri: `sim:${name}`, framing: line, owner: 'a' });
  const good = reader();
  shared.join({
    frame() {
      throw new Error('a bug of the flow');
    },
  });
  shared.join(good);
  await until(() => shared.state === 'open');
  await new Promise((resolve) => setImmediate(resolve));
  process.removeAllListeners('warning');
  simulated.port(name).send('a\nb\n');
  assert.equal(good.frames, ['a', 'b']);
});

test('URIs: what is understood, and what is refused', async () => {
  for (const uri of [
    'tty:/dev/ttyUSB0',
    '/dev/ttyS0',
    'tty:COM3',
    'tcp:host:1',
    'tcp://10.0.0.1:4001',
    'tcp:[::1]:5',
    'sim:a',
  ]) {
    createPort(uri);
  }
  for (const uri of [
    '',
    'ttyUSB0',
    'tcp:host',
    'tcp:host:0',
    'tcp:host:99999',
    'sim:',
    'sim:a b',
    'tty:',
    'http://a',
  ]) {
    await refused('invalid-uri', () => createPort(uri));
  }
  await refused('invalid-settings', () => createPort('sim:a', { baudRate: 10 }));
  await refused('invalid-settings', () => createPort('sim:a', { dataBits: 9 as 8 }));
});

test('the simulated ports can be driven by words', async ({ lines, name }) => {
  const user = reader();
  const { line: shared } = lines.acquire({ uri: `sim:${name}`, framing: line, owner: 'a' });
  shared.join(user);
  await until(() => shared.state === 'open');
  await new Promise((resolve) => setImmediate(resolve));
  assert.is(simulated.control(name, 'send', 'hello\n'), 'sent');
  assert.equal(user.frames, ['hello']);
  await shared.write(Buffer.from('answer'));
  assert.is(simulated.control(name, 'take'), 'answer\n');
  assert.is(simulated.control(name, 'unplug'), 'unplugged');
  assert.is(simulated.control(name, 'send', 'x'), 'nobody has the port open');
  simulated.control(name, 'plug');
  assert.is(simulated.control(name, 'fail', 'port-denied'), 'failing');
  await until(() => shared.state === 'denied');
  await refused('unsupported', () => simulated.control(name, 'shake'));
  assert.ok(simulated.list().some((port) => port.name === name));
});

test('the documentation has the table of codes', () => {
  const documentation = readFileSync(new URL('../../../docs/serial.md', import.meta.url), 'utf8');
  const rows = [...documentation.matchAll(/^\| `([a-z-]+)` \| (.+) \|$/gm)].map(([, code, advice]) => [code, advice]);
  assert.equal(rows, Object.entries(serialErrorCodes));
});

test.run();
