/**
 * `kill -9` of the gateway while a flow reports by id and, connected again, sends all that it heard no `stored` of. Used by
 * killed.test.ts (ten kills) and killed.long.ts (a hundred).
 */

import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { createCentral } from '../../src/central.ts';
import { loadConfig } from '../../src/config/index.ts';
import { flowSocketPath } from '../../src/gateway-flows.ts';
import { silentLogger, systemClock } from '../../src/platform/index.ts';
import { Random } from '../support/random.ts';
import { createBox } from '../support/site/box.ts';
import { campaignSeed } from '../support/site/program.ts';
import { freePorts, temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { FlowClient, processReport } from './support.ts';

/** Reports that are on their way to `stored` at once. */
const most = 64;

/** Reports without end over the Unix socket and TCP in turn, whatever becomes of the connection. */
class Reporter {
  readonly waiting = new Set<string>();
  readonly stored = new Set<string>();
  readonly delivered = new Set<string>();
  readonly failed: string[] = [];
  connections = 0;
  /** Sent once more after a connection was lost. */
  repeated = 0;
  #client: FlowClient | undefined;
  #isFinishing = false;
  #hasEnded = false;
  #count = 0;
  readonly #doors: readonly (string | number)[];
  readonly #work: Promise<void>;

  constructor(doors: readonly (string | number)[]) {
    this.#doors = doors;
    this.#work = this.#run();
  }

  /** Reports nothing new any more; resolves when everything was stored. */
  async finish(): Promise<void> {
    this.#isFinishing = true;
    await until(() => this.waiting.size === 0);
  }

  /** Asks what became of a report. */
  async ask(id: string): Promise<void> {
    this.delivered.delete(id);
    await this.#client!.ask('report', id, reportOf(id));
  }

  async end(): Promise<void> {
    this.#hasEnded = true;
    await this.#client?.end().catch(() => {});
    await this.#work;
  }

  async #run(): Promise<void> {
    while (!this.#hasEnded) {
      try {
        const door = this.#doors[this.connections % this.#doors.length]!;
        await this.#talk(await FlowClient.connect(door, 'line'));
      } catch {
        await sleep(20);
      }
    }
  }

  async #talk(client: FlowClient): Promise<void> {
    this.#client = client;
    this.connections++;
    client.mqtt.on('message', (topic) => {
      const [, , , kind, id] = topic.split('/') as [string, string, string, string, string];
      if (kind === 'stored') {
        this.waiting.delete(id);
        this.stored.add(id);
      } else if (kind === 'delivered') this.delivered.add(id);
      else this.failed.push(id);
    });
    await client.subscribe('holdfast/local/line/#');
    this.repeated += this.waiting.size;
    for (const id of this.waiting) client.ask('report', id, reportOf(id)).catch(() => {});
    while (client.mqtt.connected && !this.#hasEnded) {
      while (!this.#isFinishing && this.waiting.size < most) {
        const id = `k${this.#count++}`;
        this.waiting.add(id);
        client.ask('report', id, reportOf(id)).catch(() => {});
      }
      await sleep(2);
    }
    await client.end().catch(() => {});
  }
}

const reportOf = (id: string) => processReport('SN-K', { 设备状态: '开始打印', 编号: id });

export async function killCampaign(kills: number): Promise<void> {
  const seed = campaignSeed('flows killed');
  const random = new Random(seed);
  const folder = temporaryFolder('holdfast-killed-');
  const [mqttPort, httpPort] = (await freePorts(2)) as [number, number];
  const { config } = loadConfig({
    environment: {
      HOLDFAST_CENTRAL_EMBEDDED: folder.file('documents'),
      HOLDFAST_CENTRAL_HTTP_HOST: '127.0.0.1',
      HOLDFAST_CENTRAL_HTTP_PORT: String(httpPort),
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
  const clients = [{ username: 'line', password: 'secret', serials: ['*'], allow: ['report'] }];
  const box = await createBox({
    folder: folder.path,
    machines: [],
    upstream: { url: `mqtt://box:upstream@127.0.0.1:${central.ports.mqtt}` },
    config: { gateway: { id: 'box' }, mqtt: { host: '127.0.0.1', port: mqttPort, clients } },
  });
  let reporter: Reporter | undefined;
  try {
    await box.start();
    reporter = new Reporter([flowSocketPath(box.dataFolder), mqttPort]);
    const { stored } = reporter;
    for (let kill = 0; kill < kills; kill++) {
      // Some hit the start, the others a box that has just taken reports.
      if (kill % 5 === 4) await sleep(random.below(600));
      else {
        const before = stored.size;
        await box.ready();
        await until(() => stored.size > before);
        await sleep(random.below(300));
      }
      await box.kill();
      box.program.begin();
    }
    await box.ready();
    await reporter.finish();
    await box.drained();
    const found = await documents(central, stored.size);
    const why = `seed ${seed}`;
    assert.is(new Set(found).size, found.length, `no report twice; ${why}`);
    assert.equal([...stored].filter((id) => !found.includes(id)).slice(0, 5), [], `nothing lost; ${why}`);
    assert.is(found.length, stored.size, `nothing that was not stored; ${why}`);
    assert.equal(reporter.failed, [], why);
    assert.ok(reporter.repeated > 0 && reporter.connections > kills / 2, why);
    const asked = [...stored].filter(() => random.chance(100 / stored.size));
    for (const id of asked) await reporter.ask(id);
    await until(() => asked.every((id) => reporter!.delivered.has(id)));
    console.log(`${kills} kills, ${stored.size} reports stored and delivered, ${reporter.repeated} sent again`);
  } finally {
    await reporter?.end();
    await box.kill();
    await central.stop();
  }
}

async function documents(central: ReturnType<typeof createCentral>, atLeast: number): Promise<string[]> {
  const name = { database: 'device_info', collection: 'device_process' };
  const found = await central.store.find(name, { filter: { 序列号: 'SN-K' }, limit: 2 * atLeast + 10 });
  return found.map((document) => String(document.编号));
}
