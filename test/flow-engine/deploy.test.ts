import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import {
  type Bench,
  benchWithEditor,
  counter,
  type EditorClient,
  flow,
  functionNode,
  probe,
  stopAll,
} from './support.ts';

const test = suite('deploy');
let made: Bench & { client: EditorClient };

/** Takes a while for each message, and answers out of a timer. */
const slow = 'setTimeout(() => { node.send(msg); node.done(); }, 60);';

test.before(async () => {
  made = await benchWithEditor({ port: await freePort(), flows: flow(), limits: { stuckMs: 1500 } });
});
test.after(stopAll);

/** Numbers that arrived, in their order. */
const numbers = (prefix: string) =>
  made
    .written()
    .filter((line) => line.startsWith(prefix))
    .map((line) => Number(line.slice(prefix.length)));

/** What a counter sends every few ms, through something slow, into the probe. */
function counting(prefix: string, note = ''): ReturnType<typeof flow> {
  return flow(
    counter(`${prefix}source`, 10, `${prefix}mark`),
    functionNode(`${prefix}mark`, `msg.payload = '${prefix}' + msg.payload; return msg; // ${note}`, `${prefix}slow`),
    functionNode(`${prefix}slow`, slow, `${prefix}probe`),
    probe(`${prefix}probe`),
  );
}

for (const kind of ['full', 'flows', 'nodes']) {
  test(`${kind}: over five deploys each message arrives once, and in order`, async () => {
    const prefix = kind.slice(0, 2);
    await made.client.deploy(counting(prefix));
    for (let round = 0; round < 5; round++) {
      const count = numbers(prefix).length;
      await until(() => numbers(prefix).length > count + 10, 'some more have arrived');
      await made.client.deploy(counting(prefix, `round ${round}`), kind);
    }
    const last = numbers(prefix).length;
    await until(() => numbers(prefix).length > last + 10, 'some more have arrived');
    // The source stops with its tab; what it has sent by then arrives.
    await made.client.deploy(flow(), kind);
    const arrived = numbers(prefix);
    assert.equal(
      arrived,
      arrived.map((_, index) => index + 1),
    );
  });
}

test('deploys that come at once lose and double nothing', async () => {
  await made.client.deploy(counting('at'));
  for (let round = 0; round < 5; round++) {
    const count = numbers('at').length;
    await until(() => numbers('at').length > count + 10, 'some more have arrived');
    // The second one begins when the first has stopped the flow and not yet begun to start it.
    await Promise.all(['a', 'b', 'c'].map((each) => made.client.deploy(counting('at', `round ${round}${each}`))));
  }
  const last = numbers('at').length;
  await until(() => numbers('at').length > last + 10, 'some more have arrived');
  const arrived = numbers('at');
  assert.equal(
    arrived,
    arrived.map((_, index) => index + 1),
  );
});

test('a source in a subflow is held as well, and a restart of the flows as they are loses nothing', async () => {
  const flows = [
    ...flow(
      { id: 'instance', type: 'subflow:sub', wires: [['mark']] },
      functionNode('mark', "msg.payload = 'sub' + msg.payload; return msg;", 'slow'),
      functionNode('slow', slow, 'probe'),
      probe('probe'),
    ),
    { id: 'sub', type: 'subflow', name: 'sub', in: [], out: [{ x: 0, y: 0, wires: [{ id: 'inner', port: 0 }] }] },
    { ...counter('inner', 10), z: 'sub', x: 0, y: 0, wires: [[]] },
  ];
  await made.client.deploy(flows);
  for (let round = 0; round < 2; round++) {
    const count = numbers('sub').length;
    await until(() => numbers('sub').length > count + 10, 'some more have arrived');
    await made.client.deploy(flows, round === 0 ? 'full' : 'reload');
  }
  const last = numbers('sub').length;
  await until(() => numbers('sub').length > last + 10, 'some more have arrived');
  const arrived = numbers('sub');
  assert.equal(
    arrived,
    arrived.map((_, index) => index + 1),
  );
});

test('what sources sent while a deploy waited was held, and nothing was lost but of nodes that are gone', async () => {
  await until(() => made.engine.figures.held > 0, 'the figures are there');
  const lost = made.lines.filter(({ text }) => text.includes('is not in the new flow'));
  for (const { text } of lost) assert.match(text, /messages of test-counter/);
});

test('a deploy does not wait for a node that forgets to say done, nor for one that gathers', async () => {
  const flows = (note: string) =>
    flow(
      counter('source', 10, 'forgetful', 'join', 'probe'),
      { id: 'forgetful', type: 'test-forgetful' },
      {
        id: 'join',
        type: 'join',
        mode: 'custom',
        build: 'array',
        property: 'payload',
        propertyType: 'msg',
        count: '1000000',
      },
      { ...probe('probe'), name: note },
    );
  await made.client.deploy(flows('a'));
  const count = made.written().length;
  await until(() => made.written().length > count + 10, 'some have arrived');
  // Within stuckMs it is given the benefit of the doubt once.
  const begunMs = performance.now();
  await made.client.deploy(flows('b'));
  assert.ok(performance.now() - begunMs < 9000, `${performance.now() - begunMs}`);
});

test('flows, credentials and settings are files of the owner alone, and nothing is left aside', () => {
  const folder = made.folder.file('flows');
  assert.not.ok(readdirSync(folder).some((name) => name.endsWith('.new')));
  assert.ok(Array.isArray(JSON.parse(readFileSync(`${folder}/flows.json`, 'utf8'))));
});

test.run();
