import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { bench, flow, functionNode, isGone, once, probe, stopAll } from './support.ts';

const test = suite('flow engine');
test.after(stopAll);

test('there is no process without a flow', async () => {
  const { engine } = bench({});
  await engine.start();
  assert.equal(engine.state, { state: 'off', restarts: 0 });
  await engine.stop();
});

test('a flow runs, with the settings of the box, and tells what it logs', async () => {
  const { engine, lines, written, folder } = bench({
    flows: flow(
      once('i', 'f'),
      functionNode('f', "node.warn('hello'); msg.payload = env.get('TZ'); return msg;", 'p'),
      probe('p'),
      { id: 'look', type: 'test-look' },
    ),
  });
  await engine.start();
  await until(() => written().length >= 2, 'the probe has written');
  assert.ok(written().includes('{"socket":"/nowhere","username":"flows","password":"secret-of-the-box"}'));
  assert.ok(written().includes('Asia/Shanghai'), written().join());
  await until(() => lines.some(({ text }) => text === 'hello'), 'the line is in the log');
  const line = lines.find(({ text }) => text === 'hello')!;
  assert.is(line.level, 'warn');
  assert.equal(line.facts, { part: 'flows', node: 'f', type: 'function' });
  assert.is(engine.state.state, 'running');
  assert.is(engine.figures.up, 1);
  const pid = engine.state.pid!;

  // Nothing secret where other users of the computer can look.
  for (const file of ['environ', 'cmdline']) {
    const text = readFileSync(`/proc/${pid}/${file}`, 'latin1');
    assert.not.match(text, 'secret-of-the-box');
    assert.not.match(text, 'HOLDFAST');
    assert.not.match(text, readFileSync(folder.file('secrets/flow-credentials.key'), 'utf8').trim());
  }
  assert.is(statSync(folder.file('secrets/flow-credentials.key')).mode & 0o777, 0o600);
  assert.match(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[16]!, /^10$/);
  await engine.stop();
  assert.ok(isGone(pid));
  assert.is(engine.state.state, 'stopped');
});

test('a withheld node is not there, and is when it is allowed', async () => {
  const flows = flow(once('i', 'x'), { id: 'x', type: 'exec', command: 'echo', oldrc: false, wires: [[], [], []] });
  const without = bench({ flows });
  await without.engine.start();
  await until(() => without.lines.some(({ text }) => text.includes('add exec to flows.allowNodes')), 'the log says so');
  await without.engine.stop();
  const { engine, lines } = bench({ flows, config: '  allowNodes: [exec]\n' });
  await engine.start();
  await until(() => lines.some(({ text }) => text === 'the flow runs'), 'it runs');
  await engine.stop();
});

test('the palette and installed modules are there without the editor', async () => {
  const { engine, lines, folder, written } = bench({
    flows: flow(once('i', 'x'), { id: 'x', type: 'other', wires: [['p']] }, probe('p'), {
      id: 'u',
      type: 'holdfast-uplink',
      gateway: '',
    }),
  });
  const module = folder.file('flows/node_modules/@somebody/other');
  mkdirSync(module, { recursive: true });
  writeFileSync(
    `${module}/package.json`,
    JSON.stringify({ name: '@somebody/other', version: '1.0.0', 'node-red': { nodes: { other: 'other.js' } } }),
  );
  writeFileSync(
    `${module}/other.js`,
    `module.exports = (RED) => RED.nodes.registerType('other', function (config) {
  RED.nodes.createNode(this, config);
  this.on('input', (message, send, done) => { send({ payload: 'other' }); done(); });
});`,
  );
  await engine.start();
  await until(() => written().includes('other'), 'it has answered');
  assert.not.ok(lines.some(({ text }) => text.includes('was not started')));
  await engine.stop();
});

test('a ready-made flow is put in place once', async () => {
  const ready = temporaryFolder();
  writeFileSync(ready.file('ready.json'), JSON.stringify(flow(once('i', 'p'), probe('p'))));
  const { engine, written } = bench({ config: `  initial: ${ready.file('ready.json')}\n` });
  await engine.start();
  await until(() => written().length === 1, 'it runs');
  await engine.stop();
});

/** Runs an engine in a gateway of its own and kills that as soon as the flow runs; the id of the engine's process. */
async function orphan(folder: TemporaryFolder, shows: () => boolean): Promise<number> {
  const program = temporaryFolder().file('gateway.ts');
  writeFileSync(
    program,
    `import { bench } from ${JSON.stringify(new URL('./support.ts', import.meta.url).href)};
const path = ${JSON.stringify(folder.path)};
const { engine } = bench({ folder: { path, file: (name: string) => path + '/' + name, remove() {} } });
await engine.start();
setInterval(() => console.log(engine.state.pid), 50);
`,
  );
  const parent = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  parent.stdout.on('data', (chunk) => {
    said += chunk;
  });
  await until(() => said.includes('\n') && shows(), 'it runs');
  parent.kill('SIGKILL');
  return Number(said.split('\n')[0]);
}

test('the child ends by itself when the gateway is killed', async () => {
  const { folder, written } = bench({ flows: flow(once('i', 'p'), probe('p')) });
  const pid = await orphan(folder, () => written().length > 0);
  await until(() => isGone(pid), 'the child has gone', 8000);
});

test('a child that hears nothing of it is ended by the next gateway', async () => {
  const { folder, written, engine } = bench({
    flows: flow(once('i', 'p'), { ...probe('p'), wires: [] }, once('j', 'f'), functionNode('f', 'for (;;);')),
  });
  const pid = await orphan(folder, () => written().length > 0);
  assert.not(isGone(pid));
  await engine.start();
  await until(() => isGone(pid), 'the child has gone', 8000);
  assert.is.not(engine.state.pid, pid);
  await engine.stop();
});

test.run();
