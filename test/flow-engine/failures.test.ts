import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EndReason } from '../../src/flow-engine/index.ts';
import { freePort } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import {
  type Bench,
  bench,
  benchWithEditor,
  type FlowNode,
  flow,
  functionNode,
  once,
  probe,
  readFlows,
  stopAll,
} from './support.ts';

const test = suite('failures of a flow');
test.after(stopAll);

const crashing = flow(once('i', 'f'), functionNode('f', "Promise.reject(new Error('broken flow'));"));
const sound = (note = '') => flow(once('i', 'p'), { ...probe('p'), name: note });

async function kept(made: Bench): Promise<void> {
  await until(() => made.engine.state.flow?.knownGood, 'the flow is known to be good');
}

/** Starts an engine whose flow does something bad, until it has been started again. */
async function startedAgain(
  reason: EndReason,
  func: string,
  more: Partial<Parameters<typeof bench>[0]>,
): Promise<void> {
  const limits = { ...more.limits, maxFailures: 1000 };
  const { engine, lines } = bench({ flows: flow(once('i', 'f'), functionNode('f', func)), ...more, limits });
  await engine.start();
  await until(() => engine.state.restarts >= 1, `${reason}: it was started again`, 60_000);
  assert.is(engine.state.lastReason, reason);
  assert.is(engine.figures.restarts.get(reason), engine.state.restarts);
  assert.ok(lines.some(({ level, facts }) => level === 'error' && facts.reason === reason));
  if (func.includes('broken flow')) assert.ok(lines.some(({ facts }) => String(facts.detail).includes('broken flow')));
  await until(() => engine.state.pid !== undefined, 'a process runs again');
  await engine.stop();
}

test('the engine alone is started again after a crash, a hang, and too much memory of either kind', async () => {
  await Promise.all([
    startedAgain('crash', "Promise.reject(new Error('broken flow'));", {}),
    startedAgain('hang', 'for (;;);', { limits: { hangTimeoutMs: 1500 } }),
    startedAgain('memory', 'const kept = []; for (;;) kept.push(Buffer.alloc(1048576, 1));', {
      config: '  memoryLimit: 160MiB\n',
    }),
  ]);
  // V8's own limit.
  await startedAgain('memory', 'const kept = []; for (;;) kept.push(new Array(10000).fill(0.5));', {
    config: '  memoryLimit: 160MiB\n',
    limits: { memoryCheckMs: 60_000 },
  });
});

test('a deployed flow that crashes three times is taken back, until another one runs well', async () => {
  const made = await benchWithEditor({ port: await freePort(), flows: sound() });
  await kept(made);
  assert.equal(readFlows(made.folder), sound());
  await made.client.deploy(crashing);
  await until(() => made.alarms.has('flow-restored'), 'it was put back');
  const alarm = made.alarms.get('flow-restored')!;
  assert.match(String(alarm.cause), /crash: .*broken flow/);
  await until(() => made.engine.state.state === 'running' && made.engine.state.flow?.knownGood, 'it runs');
  assert.is(made.engine.state.restarts, 3);
  assert.equal(readFlows(made.folder), sound());
  const rejected = readdirSync(made.folder.file('flows')).filter((name) => name.startsWith('flows-rejected-'));
  assert.equal(alarm.rejected, `flows/${rejected[0]}`);
  assert.match(readFileSync(made.folder.file(`flows/${rejected[0]}`), 'utf8'), 'broken flow');

  // The alarm is still there after a restart of the gateway, and goes with the next flow that runs well.
  await made.engine.stop();
  made.alarms.clear();
  await made.engine.start();
  assert.ok(made.alarms.has('flow-restored'));
  await until(() => made.engine.state.editor !== undefined, 'the editor is open');
  await until(() => made.engine.state.state === 'running', 'it runs');
  await made.client.deploy(sound('corrected'));
  await until(() => !made.alarms.has('flow-restored'), 'the alarm has gone');
  assert.ok(made.engine.state.flow?.knownGood);
  await made.engine.stop();
});

test('without a known good one the editor opens with the flow stopped, and a corrected flow runs', async () => {
  const made = await benchWithEditor({ port: await freePort(), flows: crashing, limits: { knownGoodMs: 1000 } });
  await until(() => made.engine.state.state === 'safe-mode', 'it is in safe mode');
  assert.ok(made.alarms.has('flow-engine-down'));
  assert.is(made.engine.state.restarts, 3);
  await until(() => made.engine.state.editor !== undefined, 'the editor is open');
  const flows = (await (await made.client.request('GET', '/flows')).json()) as FlowNode[];
  assert.equal(flows, crashing);
  await made.client.deploy(sound());
  await until(() => made.engine.state.flow?.knownGood, 'it runs well');
  assert.is(made.engine.state.state, 'running');
  assert.not.ok(made.alarms.has('flow-engine-down'));
  await made.engine.stop();
});

test('without the editor a flow that never ran well is tried on and on, with an alarm', async () => {
  const { engine, alarms, folder } = bench({ flows: crashing });
  await engine.start();
  await until(() => engine.state.restarts > 4, 'it was tried often');
  assert.ok(alarms.has('flow-engine-down'));
  await engine.stop();
  assert.equal(readFlows(folder), crashing);
});

test('a file that is no flow is put aside, and the known good one is put back', async () => {
  const made = bench({ flows: sound() });
  await made.engine.start();
  await kept(made);
  await made.engine.stop();
  writeFileSync(made.folder.file('flows/flows.json'), '[{"id":"torn');
  await made.engine.start();
  await until(() => made.engine.state.state === 'running', 'it runs');
  assert.equal(readFlows(made.folder), sound());
  assert.ok(made.alarms.has('flow-restored'));
  await made.engine.stop();
});

test.run();
