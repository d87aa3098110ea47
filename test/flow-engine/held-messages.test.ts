import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../support/temporary.ts';
import { counting, holes, more, numbers, opened, slowBy, withEditor, withNodes } from './deploys.ts';
import { counter, flow, functionNode, once, probe, stopAll } from './support.ts';

const test = suite('what deploys hold');
test.after.each(stopAll);

test('two outputs of a subflow that lead to one node: nothing is doubled by a deploy', async () => {
  const made = await withEditor();
  const out = { x: 0, y: 0, wires: [{ id: 'inner', port: 0 }] };
  const flows = (note: string) => [
    ...flow(
      { id: 'instance', type: 'subflow:sub', wires: [['slow'], ['slow']] },
      functionNode('slow', `${slowBy(60)} // ${note}`, 'probe'),
      probe('probe'),
    ),
    { id: 'sub', type: 'subflow', name: 'sub', in: [], out: [out, out] },
    { ...counter('inner', 10), z: 'sub', x: 0, y: 0, wires: [[]] },
  ];
  await made.client.deploy(flows('1'));
  await more(made);
  await made.client.deploy(flows('2'));
  await more(made);
  const times = new Map<number, number>();
  for (const n of numbers(made)) times.set(n, (times.get(n) ?? 0) + 1);
  assert.is(Math.max(...times.values()), 2);
});

for (const kind of ['full', 'nodes']) {
  test(`a port whose settings change (${kind}) passes on what it had received`, async () => {
    const made = await withEditor();
    await withNodes(
      made,
      ['test-slow-close'],
      `module.exports = (RED) => { RED.nodes.registerType('test-slow-close', function (config) {
         RED.nodes.createNode(this, config);
         this.on('close', (done) => setTimeout(done, 1000));
       }); };`,
    );
    await opened(made);
    const clients = new Set<Socket>();
    const server = createServer((socket) => {
      clients.add(socket);
      socket.on('close', () => clients.delete(socket));
      socket.on('error', () => {});
    });
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    let n = 0;
    const timer = setInterval(() => {
      if (clients.size > 0) n++;
      for (const client of clients) client.write(`${n}\n`);
    }, 10);
    const serialPort = (maxFrameBytes: number) => ({
      ...{
        id: 'port',
        type: 'holdfast-serial-port',
        version: 1,
        name: 'p',
        uri: `tcp:127.0.0.1:${port}`,
        baudRate: 9600,
        dataBits: 8,
      },
      ...{
        parity: 'none',
        stopBits: 1,
        flowControl: 'none',
        framing: 'line',
        lineEnd: 'lf',
        delimiter: '',
        frameLength: 1,
      },
      ...{
        lengthOffset: 0,
        lengthSize: 1,
        lengthEndian: 'big',
        lengthAdjust: 0,
        resyncMs: 100,
        gapMs: 50,
        pattern: '',
        maxFrameBytes,
      },
    });
    const flows = (max: number) => [
      ...flow(
        {
          id: 'in',
          type: 'holdfast-serial-in',
          version: 1,
          port: 'port',
          payload: 'text',
          encoding: 'utf8',
          topic: '',
          wires: [['probe']],
        },
        { id: 'closing', type: 'test-slow-close', name: `${max}` },
        probe('probe'),
      ),
      serialPort(max),
    ];
    try {
      await made.client.deploy(flows(4096));
      await more(made, 30);
      await made.client.deploy(flows(8192), kind);
      await more(made, 30);
      // While it is opened anew, bytes are lost on any wire: a few lines.
      assert.ok(holes(numbers(made)).length < 20, `${holes(numbers(made)).length} lines are lost`);
    } finally {
      clearInterval(timer);
      for (const client of clients) client.destroy();
      server.close();
    }
  });
}

test('a source that once took a message and never said done is held as well', async () => {
  const made = await withEditor(flow(), { stuckMs: 1000 });
  await withNodes(
    made,
    ['test-chatty'],
    `module.exports = (RED) => { RED.nodes.registerType('test-chatty', function (config) {
       RED.nodes.createNode(this, config);
       this.on('input', (msg, send, done) => {});
       const timer = setInterval(() => {
         globalThis.chatty = (globalThis.chatty ?? 0) + 1;
         this.send({ payload: globalThis.chatty });
       }, 10);
       this.on('close', () => clearInterval(timer));
     }); };`,
  );
  await opened(made);
  const flows = (note: string) =>
    flow(
      once('inject', 'chatty'),
      { id: 'chatty', type: 'test-chatty', wires: [['slow']] },
      functionNode('slow', `${slowBy(60)} // ${note}`, 'probe'),
      probe('probe'),
    );
  await made.client.deploy(flows('0'));
  await sleep(1500);
  await made.client.deploy(flows('1'));
  await more(made);
  assert.equal(holes(numbers(made)), []);
});

test('the engine stops in the middle of a deploy: what is held is sent', async () => {
  const made = await withEditor();
  await made.client.deploy(counting('', 1000));
  await more(made);
  const deploying = made.client.deploy(counting('again', 1000)).catch(() => undefined);
  await sleep(400);
  await made.engine.stop();
  await deploying;
  assert.equal(holes(numbers(made)), []);
  assert.equal(
    made.lines.filter(({ text }) => text.includes('came while stopping')),
    [],
  );
});

test.run();
