import { simulated } from '@holdfast/hardware/serial';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PtyDevice } from '../support/pty.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import {
  at,
  catchNode,
  completeNode,
  deploy,
  events,
  firstDifference,
  get,
  inNode,
  loadFlow,
  outNode,
  payloads,
  portNode,
  requestNode,
  runtime,
  send,
  sinkNode,
  state,
  unloadFlow,
} from './serial-flow.ts';

const test = suite<{ folder: TemporaryFolder; device: PtyDevice }>('serial nodes');

test.before(() => runtime.start());
test.after(() => runtime.stop());
test.before.each(async (context) => {
  context.folder = temporaryFolder();
  context.device = new PtyDevice(context.folder.file('usb-Maker_Printer_0042-if00'));
});
test.after.each(async ({ device, folder }) => {
  await unloadFlow();
  await device.unplug();
  folder.remove();
});

test('two nodes read one port, a third writes to it, and `complete` hears when it has left', async ({ device }) => {
  await device.plug();
  await loadFlow([
    portNode('port', device.uri),
    inNode('in-a', 'port', 'a', { topic: 'scale' }),
    inNode('in-b', 'port', 'b', { payload: 'bytes' }),
    outNode('out', 'port'),
    completeNode(['out'], 'written'),
    ...['a', 'b', 'written'].map(sinkNode),
  ]);
  await until(() => state('in-a') === 'open' && state('out') === 'open');
  device.send('温度 21\nsecond\n');
  await until(() => at('a').length === 2 && at('b').length === 2);
  assert.equal(payloads('a'), ['温度 21', 'second']);
  assert.is(at('a')[0]?.topic, 'scale');
  assert.equal(payloads('b'), [Buffer.from('温度 21'), Buffer.from('second')]);
  send('out', { 命令: 1 });
  await until(() => at('written').length === 1);
  await until(() => device.received.toString() === '{"命令":1}\n');
});

test('what is not JSON reaches `catch` with its text, and the next line comes', async ({ device }) => {
  await device.plug();
  await loadFlow([
    portNode('port', device.uri, { maxFrameBytes: 100 }),
    inNode('in', 'port', 'good', { payload: 'json' }),
    catchNode('bad'),
    ...['good', 'bad'].map(sinkNode),
  ]);
  await until(() => state('in') === 'open');
  device.send(`{"a":1}\n{"a":\n${'x'.repeat(200)}\n[2]\n`);
  await until(() => at('good').length === 2 && at('bad').length === 2);
  assert.equal(payloads('good'), [{ a: 1 }, [2]]);
  const [notJson, tooLong] = at('bad');
  assert.is(notJson?.error?.code, 'not-json');
  assert.is(notJson?.payload, '{"a":');
  assert.is(tooLong?.error?.code, 'frame-dropped');
});

test('unplugged: shown, waited for, and back by itself', async ({ device }) => {
  await loadFlow([
    portNode('port', device.uri),
    inNode('in', 'port', 'lines'),
    outNode('patient', 'port', { waitSeconds: 60 }),
    outNode('hasty', 'port', { waitSeconds: 0 }),
    catchNode('errors'),
    ...['lines', 'errors'].map(sinkNode),
  ]);
  await until(() => state('in') === 'missing');
  send('hasty', 'now');
  await until(() => at('errors').length === 1);
  assert.is(at('errors')[0]?.error?.code, 'port-not-open');
  send('patient', 'later');
  await device.plug();
  await until(() => device.received.toString() === 'later\n');
  device.send('whole\nhal');
  await until(() => at('lines').length === 1);
  await device.unplug();
  await until(() => ['lost', 'missing'].includes(state('in')));
  await device.plug();
  await until(() => state('in') === 'open');
  device.send('next\n');
  await until(() => at('lines').length === 2);
  assert.equal(payloads('lines'), ['whole', 'next']);
});

test('a request gets its answer; a late one is not taken for that of the next', async () => {
  const device = simulated.port('answers');
  await loadFlow([
    portNode('port', 'sim:answers'),
    requestNode('ask', 'port', 'answers', { timeoutSeconds: 0.15, lateSeconds: 5 }),
    requestNode('ask-too', 'port', 'answers', { timeoutSeconds: 30 }),
    inNode('in', 'port', 'unasked'),
    catchNode('errors'),
    ...['answers', 'unasked', 'errors'].map(sinkNode),
  ]);
  await until(() => state('ask') === 'open');
  device.onReceive((bytes) => {
    const asked = bytes.toString().trim();
    if (asked !== 'slow') device.send(`re: ${asked}\n`);
  });
  send('ask', 'one');
  send('ask-too', 'two');
  await until(() => at('answers').length === 2);
  assert.equal(payloads('answers'), ['re: one', 're: two']);
  send('ask', 'slow');
  send('ask-too', 'three');
  await until(() => at('errors').length === 1);
  assert.is(at('errors')[0]?.error?.code, 'timeout');
  assert.is(at('errors')[0]?.payload, 'slow');
  assert.is(at('answers').length, 2, 'the next request waits');
  device.send('re: slow\n');
  await until(() => at('answers').length === 3);
  assert.is(at('answers')[2]?.payload, 're: three');
  device.send('by myself\n');
  await until(() => at('unasked').length === 1);
  assert.equal(payloads('unasked'), ['by myself']);
});

test('a request on the wire fails when the port goes away; where nobody answers unasked frames pass by', async () => {
  const device = simulated.port('away');
  device.onReceive(() => {});
  await loadFlow([
    portNode('port', 'sim:away'),
    requestNode('ask', 'port', 'answers', { timeoutSeconds: 60, answer: '^OK', payload: 'json' }),
    inNode('in', 'port', 'unasked'),
    catchNode('errors'),
    ...['answers', 'unasked', 'errors'].map(sinkNode),
  ]);
  await until(() => state('in') === 'open');
  send('ask', 'x');
  await new Promise((resolve) => setTimeout(resolve, 20));
  device.send('event\n');
  await until(() => at('unasked').length === 1);
  device.unplug();
  await until(() => at('errors').length === 1);
  assert.is(at('errors')[0]?.error?.code, 'port-lost');
  device.plug();
});

test('deploying anew loses no byte: neither between lines nor in the middle of one', async ({ device }) => {
  await device.plug();
  const flow = [
    portNode('port', device.uri),
    inNode('in', 'port', 'lines'),
    inNode('in-too', 'port', 'lines-too'),
    ...['lines', 'lines-too'].map(sinkNode),
  ];
  await loadFlow(flow);
  await until(() => state('in') === 'open');
  let sent = 0;
  let going = true;
  const sender = (async () => {
    while (going) {
      const line = `line ${sent++}\n`;
      device.send(line.slice(0, 4));
      await new Promise((resolve) => setImmediate(resolve));
      device.send(line.slice(4));
      if (sent % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  try {
    for (let round = 0; round < 12; round++) {
      const before = at('lines').length;
      await deploy(flow, 'full');
      await until(() => at('lines').length > before + 50);
    }
  } finally {
    going = false;
    await sender;
  }
  await until(() => at('lines').length >= sent && at('lines-too').length >= sent, `${sent} lines`);
  const expected = Array.from({ length: sent }, (_, index) => `line ${index}`);
  assert.is(firstDifference(payloads('lines'), expected), undefined);
  assert.is(firstDifference(payloads('lines-too'), expected), undefined);
});

test('a message that is under way between two nodes when all flows stop comes again, and once', async () => {
  const device = simulated.port('under-way');
  const stopping = () => device.send('under way\nhal');
  events.on('flows:stopping', stopping);
  const flow = [portNode('port', 'sim:under-way'), inNode('in', 'port', 'lines'), sinkNode('lines')];
  await loadFlow(flow);
  await until(() => state('in') === 'open');
  device.send('before\n');
  await until(() => at('lines').length === 1);
  await deploy(flow, 'full');
  events.off('flows:stopping', stopping);
  device.send('f\n');
  await until(() => at('lines').length >= 3);
  assert.equal(payloads('lines'), ['before', 'under way', 'half']);
});

test('a changed setting takes effect on deployment', async ({ device }) => {
  await device.plug();
  const rest = [inNode('in', 'port', 'lines'), sinkNode('lines')];
  await loadFlow([portNode('port', device.uri), ...rest]);
  await until(() => state('in') === 'open');
  await deploy([portNode('port', device.uri, { framing: 'delimiter', delimiter: ';\\x03' }), ...rest], 'full');
  await until(() => state('in') === 'open');
  device.send('a\nb;\x03');
  await until(() => at('lines').length === 1);
  assert.equal(payloads('lines'), ['a\nb']);
});

test('a port under another name is free for it when the deployment is over', async ({ device }) => {
  const path = await device.plug();
  const rest = [inNode('in', 'port', 'lines'), sinkNode('lines')];
  await loadFlow([portNode('port', device.uri), ...rest]);
  await until(() => state('in') === 'open');
  await deploy([portNode('port', path), ...rest], 'full');
  await until(() => state('in') === 'open', 'open under the other name', 6_000);
  device.send('a\n');
  await until(() => at('lines').length === 1);
});

test('conflicting settings for one port are an error that names both nodes, until one gives way', async ({
  device,
}) => {
  await device.plug();
  const one = [portNode('slow one', device.uri, { baudRate: 9600 }), inNode('in-a', 'slow one', 'a'), sinkNode('a')];
  const other = [portNode('fast one', device.uri), inNode('in-b', 'fast one', 'b'), outNode('out-b', 'fast one')];
  const rest = [catchNode('errors'), ...['b', 'errors'].map(sinkNode)];
  await loadFlow([...one, ...other, ...rest]);
  await until(() => [state('in-a'), state('in-b')].sort().join() === 'conflict,open');
  const loser = state('in-a') === 'open' ? 'b' : 'a';
  if (loser === 'b') {
    send('out-b', 'x');
    await until(() => at('errors').length === 1);
    const { code, message } = at('errors')[0]?.error ?? {};
    assert.is(code, 'conflict');
    assert.match(String(message), /"the slow one" set 9600 8N1.*"the fast one" set 115200 8N1/);
    await deploy([...other, ...rest], 'nodes');
    await until(() => state('in-b') === 'open');
  }
});

test('settings that cannot be used are shown and told, and nothing else suffers', async () => {
  await loadFlow([
    portNode('port', 'sim:fine'),
    portNode('wrong', 'serial?'),
    outNode('no-port', 'nothing'),
    outNode('bad-port', 'wrong'),
    inNode('bad-form', 'port', 'lines', { payload: 'xml' }),
    inNode('in', 'port', 'lines'),
    catchNode('errors'),
    ...['lines', 'errors'].map(sinkNode),
  ]);
  await until(() => state('in') === 'open');
  for (const id of ['no-port', 'bad-port', 'bad-form']) assert.is(state(id), 'invalid', id);
  const before = at('errors').length;
  send('bad-port', 'x');
  send('no-port', 'x');
  await until(() => at('errors').length === before + 2);
  assert.equal(
    at('errors')
      .slice(before)
      .map(({ error }) => error?.code)
      .sort(),
    ['invalid-settings', 'invalid-uri'],
  );
  simulated.port('fine').send('works\n');
  await until(() => at('lines').length === 1);
});

test('the dialog gets the list of ports', async () => {
  simulated.port('listed');
  await loadFlow([portNode('port', 'sim:listed')]);
  const { status, body } = await get('/holdfast/serial-ports');
  assert.is(status, 200);
  assert.ok((body as { uri: string }[]).some(({ uri }) => uri === 'sim:listed'));
});

test.run();
