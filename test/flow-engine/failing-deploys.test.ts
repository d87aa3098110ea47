// slow
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../support/until.ts';
import { counting, holes, more, numbers, reload, withEditor, withNodes } from './deploys.ts';
import { bench, counter, type FlowNode, flow, functionNode, probe, stopAll } from './support.ts';

const test = suite('deploys that fail');
test.after.each(stopAll);

test('a folder that takes no file leaves no process behind', async () => {
  const made = bench({ flows: counting() });
  // Stands for a disk that became read-only.
  mkdirSync(made.folder.file('flows/engine.pid'));
  await made.engine.start();
  await sleep(2500);
  const of = () =>
    readdirSync('/proc').filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(made.folder.file('flows'));
      } catch {
        return false;
      }
    });
  const pids = of();
  await made.engine.stop();
  for (const pid of of()) process.kill(Number(pid), 'SIGKILL');
  assert.ok(pids.length <= 1, `${pids.length} processes`);
});

for (const ms of [10, 50]) {
  test(`a deploy before the first flow was read (${ms} ms for a file)`, async () => {
    const secret = (id: string, password?: string) => ({
      id,
      type: 'test-secret',
      ...(password && { credentials: { password } }),
    });
    const flows = (note: string, ...nodes: FlowNode[]) =>
      flow(
        ...nodes,
        counter('source', 20, 'f'),
        functionNode('f', `msg.payload = '${note} '; return msg;`, 'probe'),
        probe('probe'),
      );
    const made = await withEditor(flows('old'));
    await made.client.deploy(flows('old', secret('a', 'aaa'), secret('b', 'bbb')));
    await sleep(500);
    await withNodes(
      made,
      [],
      `const fs = require('node:fs/promises');
       const { readFile } = fs;
       fs.readFile = async (path, ...more) => {
         const text = await readFile(path, ...more);
         if (String(path).endsWith('flows.json')) await new Promise((resolve) => setTimeout(resolve, ${ms}));
         return text;
       };
       require('node:module').syncBuiltinESMExports();
       module.exports = () => {};`,
    );
    for (let status = 0; status !== 204; ) {
      const body = flows('new', secret('a'), secret('b', 'changed'));
      status = await made.client.request('POST', '/flows', body).then(
        (response) => response.status,
        () => 0,
      );
      if (status === 0) await sleep(1);
    }
    await sleep(2000);
    rmSync(made.output, { force: true });
    await sleep(500);
    assert.equal([...new Set(made.written())], ['new '], 'what was deployed runs');
    const credentials = readFileSync(made.folder.file('flows/flows_cred.json'), 'utf8');
    assert.match(credentials, '"$"', `credentials are encrypted: ${credentials}`);
    rmSync(made.output, { force: true });
    await made.client.deploy(flows('newer', secret('a'), secret('b')));
    await until(() => made.written().filter((line) => line.startsWith('secret')).length === 2, 'both were told');
    assert.equal(
      made.written().filter((line) => line.startsWith('secret')),
      ['secret aaa', 'secret changed'],
    );
  });
}

for (const kind of ['flows.json', 'flows_cred.json']) {
  test(`a reload that cannot read ${kind} lets the flow go on, and the next deploy loses nothing`, async () => {
    const made = await withEditor();
    await made.client.deploy(counting());
    await more(made);
    const path = made.folder.file(`flows/${kind}`);
    if (existsSync(path)) renameSync(path, `${path}.aside`);
    mkdirSync(path);
    assert.is((await reload(made)).status, 400);
    rmdirSync(path);
    if (existsSync(`${path}.aside`)) renameSync(`${path}.aside`, path);
    await more(made);
    for (let round = 0; round < 3; round++) {
      await made.client.deploy(counting(`${round}`));
      await more(made);
    }
    assert.equal(holes(numbers(made)), []);
  });
}

for (const kind of ['nodes', 'flows']) {
  test(`what a deploy of ${kind} with a missing type leaves running is not held`, async () => {
    const made = await withEditor();
    await made.client.deploy(counting());
    await more(made);
    const other = [
      { id: 'tab2', type: 'tab', label: 'other' },
      { id: 'u', type: 'not-there', z: 'tab2', x: 0, y: 0, wires: [] },
    ];
    await made.client.deploy([...counting(), ...other], kind);
    await more(made);
    await made.client.deploy(counting('corrected'), kind);
    await more(made);
    assert.equal(holes(numbers(made)), []);
  });
}

const secret = (note: string, more: object = {}) => flow({ id: 'secret', type: 'test-secret', name: note, ...more });

/** A node with the password `old` runs, and then a deploy fails because the disk does not take it. */
async function afterFailure(deployed: FlowNode[]) {
  const made = await withEditor();
  await made.client.deploy(secret('', { credentials: { password: 'old' } }));
  await until(() => made.written().includes('secret old'), 'old');
  const block = made.folder.file('flows/flows-new.json.new');
  mkdirSync(block);
  await made.client.deploy(deployed).then(
    () => assert.unreachable(),
    () => {},
  );
  rmdirSync(block);
  return made;
}

test('credentials of a deploy that failed do not come into force later', async () => {
  const made = await afterFailure(secret('', { credentials: { password: 'new' } }));
  assert.is((await reload(made)).status, 204);
  await made.client.deploy(secret('note'));
  await made.engine.stop();
  await made.engine.start();
  const count = made.written().length;
  await until(() => made.written().length > count, 'it runs again');
  await sleep(300);
  assert.is(made.written().at(-1), 'secret old');
});

test('a deploy that failed takes no credentials away', async () => {
  const made = await afterFailure(flow());
  await made.client.deploy(secret('again'));
  await sleep(500);
  assert.is(made.written().at(-1), 'secret old');
});

test('a flow that the disk does not take as known to be good is kept when it does, and runs on', async () => {
  const made = bench({ flows: counting(), limits: { knownGoodMs: 200 } });
  // What cannot be removed stands for a disk that takes nothing.
  const block = made.folder.file('flows/flow-restored.json');
  mkdirSync(block);
  await made.engine.start();
  const said = (text: string) => made.lines.some((line) => line.text.includes(text));
  await until(() => said('cannot be kept as known to be good'), 'it is told');
  assert.is(made.engine.state.state, 'running');
  rmdirSync(block);
  await until(() => said('is kept as known to be good'), 'it is kept');
  assert.is(made.engine.state.restarts, 0);
});

test.run();
