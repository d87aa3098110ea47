/**
 * A flow that misbehaves in every way while machines report over MQTT and a serial port speaks to it: it throws, blocks its
 * event loop, eats memory, is killed, ends its process at each start; and the gateway is killed with it. Used by
 * flows.test.ts (once each) and flows.long.ts.
 *
 * What must hold: machines' reports are acknowledged meanwhile and are in the database once; so is every line of the serial
 * port whose report was confirmed (written down by a node of the test's own behind the first output of `report`, before
 * anything else), and no line is there twice; the engine is back by itself, and `/healthz` says why it had ended.
 */

import * as assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Central, createCentral } from '../../src/central.ts';
import { loadConfig } from '../../src/config/index.ts';
import type { EndReason, FlowEngineState } from '../../src/flow-engine/index.ts';
import { silentLogger, systemClock } from '../../src/platform/index.ts';
import { LineWriter, writerSerial } from '../flows/line-writer.ts';
import { type FlowNode, logInToEditor, serialLine } from '../flows/support.ts';
import { addTestNodes } from '../flows/test-nodes.ts';
import { PtyDevice } from '../support/pty.ts';
import { Random } from '../support/random.ts';
import { Box, type BoxOptions } from '../support/site/box.ts';
import { Load } from '../support/site/load.ts';
import { channels } from '../support/site/machine-reports.ts';
import { campaignSeed, Program } from '../support/site/program.ts';
import { freePorts, temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

const machines = ['m1', 'm2', 'm3', 'm4'];
const ratePerMachine = 50;
const linesPerSecond = 40;
/** Those of a real box make a round take minutes. */
const limits = {
  hangTimeoutMs: 3000,
  memoryCheckMs: 100,
  firstPauseMs: 100,
  maxPauseMs: 400,
  // The flow that ends at each start must have ended by then, also on a busy computer.
  knownGoodMs: 5000,
};

const eating = (piece: string) => `const kept = []; setInterval(() => kept.push(${piece}), 10);`;

/** What the flow does when it is told so, and what that counts as; undefined: the engine goes on. */
const troubles: Readonly<Record<string, { readonly reason: EndReason | undefined; readonly code: string }>> = {
  throw: { reason: undefined, code: "throw new Error('thrown in a function');" },
  reject: { reason: 'crash', code: "Promise.reject(new Error('a promise of a function'));" },
  block: { reason: 'hang', code: 'for (;;);' },
  // Bit by bit: on a busy computer a loop without an end would count as a hang before it is too large.
  memory: { reason: 'memory', code: eating('Buffer.alloc(4194304, 1)') },
  heap: { reason: 'memory', code: eating('new Array(100000).fill(0.5)') },
  // Done by the node itself, as a node of somebody else might.
  timer: { reason: 'crash', code: '' },
};

/** A gateway whose engine has short limits. */
class FlowBox extends Box {
  override readonly program: Program;

  constructor(options: BoxOptions & { name: string }, httpPort: number, mqttPort: number) {
    super(options, httpPort, mqttPort);
    const main = join(import.meta.dirname, '../flows/gateway-main.ts');
    const files = [join(options.folder, `${options.name}.yaml`), this.dataFolder];
    const words = [process.execPath, '--disable-warning=ExperimentalWarning', main, ...files, JSON.stringify(limits)];
    this.program = new Program(words, join(options.folder, `${options.name}.log`));
  }

  async flows(): Promise<FlowEngineState> {
    return ((await this.health()) as unknown as { flows: FlowEngineState }).flows;
  }

  async alarms(): Promise<string[]> {
    return ((await this.health()) as unknown as { alarms: { code: string }[] }).alarms.map(({ code }) => code);
  }
}

export async function flowCampaign(rounds: number): Promise<void> {
  const seed = campaignSeed('flows');
  const random = new Random(seed);
  const why = `seed ${seed}`;
  const folder = temporaryFolder('holdfast-bad-flows-');
  const [httpPort, mqttPort, editorPort, centralPort] = (await freePorts(4)) as [number, number, number, number];
  const { config } = loadConfig({
    environment: {
      HOLDFAST_CENTRAL_EMBEDDED: folder.file('documents'),
      HOLDFAST_CENTRAL_HTTP_HOST: '127.0.0.1',
      HOLDFAST_CENTRAL_HTTP_PORT: String(centralPort),
    },
  });
  const central = createCentral({
    config,
    clock: systemClock(),
    logger: silentLogger,
    dataFolder: folder.file('centre'),
    embeddedBroker: { host: '127.0.0.1', port: 0, gateways: [{ id: 'box', password: 'upstream' }] },
  });
  await central.start();
  const device = new PtyDevice(folder.file('usb-Maker_Printer_0042-if00'));
  const flow = troubledFlow(device.uri);
  writeFileSync(folder.file('flow.json'), JSON.stringify(flow));
  const files = { confirmed: folder.file('confirmed'), trouble: folder.file('trouble') };
  const box = new FlowBox(
    {
      folder: folder.path,
      name: 'box',
      machines,
      upstream: { url: `mqtt://box:upstream@127.0.0.1:${central.ports.mqtt}` },
      config: {
        gateway: { id: 'box' },
        flows: {
          initial: folder.file('flow.json'),
          memoryLimit: '160MiB',
          editor: { enabled: true, host: '127.0.0.1', port: editorPort },
        },
      },
    },
    httpPort,
    mqttPort,
  );
  addTestNodes(box.dataFolder, files);
  const confirmed = () =>
    existsSync(files.confirmed) ? readFileSync(files.confirmed, 'utf8').split('\n').filter(Boolean).map(Number) : [];
  const wait = (condition: () => Promise<boolean> | boolean, what: string) =>
    until(condition, () => `${what}, ${why}\n${box.program.tail}`, 40_000);
  const flowReports = async () => {
    const before = confirmed().length;
    await wait(() => confirmed().length >= before + 5, 'the flow reports');
  };
  const runsWell = () =>
    wait(async () => {
      const { state, flow } = await box.flows();
      return state === 'running' && flow?.knownGood === true;
    }, 'the flow runs and is known to be good');

  let load: Load | undefined;
  let writer: LineWriter | undefined;
  const startedAt = performance.now();
  const seen = new Map<string, number>();
  try {
    await device.plug();
    await box.start();
    load = new Load({
      seed: random.fork(),
      mqttMachines: machines,
      httpMachines: [],
      mqttPort,
      httpPort,
      rate: ratePerMachine,
      journal: folder.file('acknowledged'),
      forgets: 0,
    });
    writer = new LineWriter(device, linesPerSecond);
    await runsWell();

    /** Does something bad to the engine, and sees it come back while machines are acknowledged. */
    const survive = async (name: string, reason: EndReason | undefined, act: () => Promise<void> | void) => {
      seen.set(name, (seen.get(name) ?? 0) + 1);
      await flowReports();
      await sleep(random.below(200));
      const before = await box.flows();
      await act();
      await load!.acknowledges(40);
      if (reason === undefined) {
        await flowReports();
        assert.equal((await box.flows()).restarts, before.restarts, `${name}: the engine goes on, ${why}`);
        return;
      }
      await wait(async () => (await box.flows()).restarts > before.restarts, `${name}: it has ended`);
      await load!.acknowledges(40);
      assert.equal((await box.flows()).lastReason, reason, `${name}, ${why}\n${box.program.tail}`);
      await runsWell();
    };
    for (let round = 0; round < rounds; round++) {
      const order = Object.entries(troubles).sort(() => random.next() - 0.5);
      for (const [word, { reason }] of order) {
        if (word === 'heap' && round % 2 === 0 && rounds > 1) continue;
        await survive(word, reason, () => say(files.trouble, word));
      }
      await survive('kill -9 of the engine', 'crash', async () => {
        process.kill((await box.flows()).pid!, 'SIGKILL');
      });

      seen.set('kill -9 of the gateway', (seen.get('kill -9 of the gateway') ?? 0) + 1);
      await flowReports();
      // One that does not hear that its gateway has gone, every second time.
      if (round % 2 === 0) say(files.trouble, 'block');
      await sleep(random.below(300));
      await box.kill();
      rmSync(files.trouble, { force: true });
      await box.start();
      await load.acknowledges(40);
      await runsWell();

      seen.set('a flow that ends at each start', (seen.get('a flow that ends at each start') ?? 0) + 1);
      await wait(async () => (await box.flows()).editor !== undefined, 'the editor is open');
      // Sessions end with the gateway.
      const editor = await logInToEditor(editorPort, 'admin', firstPassword(box.dataFolder));
      await editor.deploy([...flow, ...crashing(String(flow[0]!.id))]);
      await wait(async () => (await box.alarms()).includes('flow-restored'), 'the last good flow is put back');
      await load.acknowledges(40);
      await runsWell();
      await flowReports();
    }

    const written = await writer.end();
    await wait(() => confirmed().includes(written - 1), 'the last line has come through');
    const sent = await load.finish();
    await box.drained();
    assert.deepEqual(sent.mistakes, [], why);
    const inDatabase = await machineDocuments(central);
    const wrong = load.journal.filter(([serial, channel, n]) => inDatabase.get(`${serial} ${channel} ${n}`) !== 1);
    assert.deepEqual(wrong.slice(0, 10), [], `what machines were told is stored is there once, ${why}`);
    const made = Object.entries(sent.sent).flatMap(([serial, of]) =>
      Object.entries(of).map(([channel, count]) => [`${serial} ${channel}`, count] as const),
    );
    assert.equal(
      [...inDatabase.values()].reduce((sum, times) => sum + times, 0),
      made.reduce((sum, [, count]) => sum + count, 0),
      `as many documents as reports, ${why}`,
    );
    const lines = await lineDocuments(central);
    const twice = lines.filter((n, index) => n === lines[index - 1]);
    assert.deepEqual(twice.slice(0, 10), [], `no line of the port twice, ${why}`);
    const known = new Set(lines);
    const lost = confirmed().filter((n) => !known.has(n));
    assert.deepEqual(lost.slice(0, 10), [], `every line that was confirmed is there, ${why}`);
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    console.log(
      `flows: ${[...seen].map(([name, times]) => `${name} ${times}`).join(', ')} in ${seconds} s; ` +
        `${sent.acknowledged} reports of machines acknowledged and in the database once; ${confirmed().length} of ` +
        `${written} lines confirmed and in the database once, ${written - lines.length} lost with the process that had read them`,
    );
  } finally {
    load?.kill();
    void writer?.end();
    await box.kill();
    await central.stop();
    await device.unplug();
    await writer?.end();
  }
}

/** Of the box's own administrator. */
const firstPassword = (dataFolder: string) =>
  readFileSync(join(dataFolder, 'secrets', 'first-administrators'), 'utf8')
    .trim()
    .split(' ')
    .at(-1)!;

/** Tells the flow; the word appears at once and whole. */
function say(file: string, word: string): void {
  writeFileSync(`${file}.new`, word);
  renameSync(`${file}.new`, file);
}

/** Serial lines to reports, and beside them what does as it is told. */
function troubledFlow(uri: string): FlowNode[] {
  const flow = serialLine(uri);
  const z = flow[0]!.id;
  const cases = Object.entries(troubles).map(([word, { code }]) => `if (msg.payload === '${word}') { ${code} }`);
  return [
    ...flow,
    { id: 'trouble', type: 'test-trouble', z, x: 130, y: 600, wires: [['bad']] },
    functionNode('bad', z, `setTimeout(() => { ${cases.slice(1).join('\n')} }, 1);\n${cases[0]}`),
  ];
}

/** Ends the process as soon as the flow runs. */
function crashing(z: string): FlowNode[] {
  const inject = { props: [{ p: 'payload' }], payload: '', payloadType: 'date', repeat: '', crontab: '', once: true };
  return [
    { id: 'at-start', type: 'inject', z, x: 130, y: 660, ...inject, onceDelay: 0.01, wires: [['crash']] },
    functionNode('crash', z, "Promise.reject(new Error('a flow that cannot run'));"),
  ];
}

const functionNode = (id: string, z: string, func: string): FlowNode => ({
  id,
  type: 'function',
  z,
  x: 350,
  y: 600,
  func,
  outputs: 1,
  timeout: 0,
  initialize: '',
  finalize: '',
  libs: [],
  wires: [[]],
});

/** How often each report of the load generator is in the database. */
async function machineDocuments(central: Central): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  for (const [channel, where] of Object.entries(channels)) {
    for (const serial of machines) {
      const found = await central.store.find(where, { filter: { 序列号: serial }, limit: 1_000_000 });
      for (const { n } of found) {
        const key = `${serial} ${channel} ${n}`;
        times.set(key, (times.get(key) ?? 0) + 1);
      }
    }
  }
  return times;
}

/** The numbers of the serial port's lines in the database, in order. */
async function lineDocuments(central: Central): Promise<number[]> {
  const found = await central.store.find(channels.device_process_info, {
    filter: { 序列号: writerSerial },
    limit: 1_000_000,
  });
  return found.map(({ n }) => Number(n)).sort((a, b) => a - b);
}
