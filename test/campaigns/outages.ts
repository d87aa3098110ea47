/**
 * Outages of everything between the box and the database, under load: three boxes (AMQP over TLS with an answer queue
 * per machine, the same with one per gateway, MQTT through RabbitMQ's plugin), each behind its own bad line, one
 * RabbitMQ, two copies of the centre, one database. Used by outages.test.ts and outages.long.ts.
 */
import * as assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type MongoServer, startMongo } from '../support/mongodb.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { Random } from '../support/random.ts';
import { audit, figures } from '../support/site/audit.ts';
import { type Box, createBox } from '../support/site/box.ts';
import { type Centre, createCentre } from '../support/site/centre.ts';
import { Load } from '../support/site/load.ts';
import { campaignSeed } from '../support/site/program.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary.ts';
import { testCertificates } from '../support/tls.ts';

/** A box with its line and its machines. */
interface Branch {
  readonly name: string;
  readonly box: Box;
  readonly line: TcpProxy;
  readonly load: Load;
}

interface Stage {
  readonly random: Random;
  readonly rabbit: Rabbit;
  readonly mongo: MongoServer;
  readonly centres: readonly Centre[];
  readonly branches: readonly Branch[];
}

/** What can happen, by name. Each ends with everything running again. */
export const outages = {
  async 'rabbit restarted'({ rabbit, random }: Stage) {
    await rabbit.stop();
    await sleep(random.below(1000));
    await rabbit.start();
  },
  async 'rabbit killed'({ rabbit, random }: Stage) {
    await rabbit.kill();
    await sleep(random.below(1000));
    await rabbit.start();
  },
  async 'both centres stopped'({ centres, random }: Stage) {
    await Promise.all(centres.map((centre) => centre.stop()));
    await sleep(random.below(2000));
    await Promise.all(centres.map((centre) => centre.start()));
  },
  async 'a centre killed'({ centres, random }: Stage) {
    const centre = random.pick(centres);
    await centre.kill();
    await sleep(random.below(1000));
    await centre.start();
  },
  async 'both centres killed'({ centres }: Stage) {
    await Promise.all(centres.map((centre) => centre.kill()));
    await Promise.all(centres.map((centre) => centre.start()));
  },
  async 'database killed'({ mongo, random }: Stage) {
    await mongo.kill();
    await sleep(500 + random.below(2000));
    await mongo.restart();
  },
  async 'database restarted'({ mongo }: Stage) {
    await mongo.restart();
  },
  async 'lines cut in mid-message'({ branches, random }: Stage) {
    await Promise.all(
      branches.map(async ({ line }) => {
        const direction = random.chance(0.7) ? 'up' : 'down';
        // A line that has nothing to carry in that direction just now is cut all the same.
        await line.cutAfter(direction, 1 + random.below(direction === 'up' ? 60_000 : 8000), 3000).catch(() => {});
        await line.cut();
        await sleep(random.below(300));
        await line.restore();
      }),
    );
  },
  async 'lines cut in the handshake'({ branches, random }: Stage) {
    await Promise.all(
      branches.map(async ({ line }) => {
        const cut = line.cutAfter('up', 1 + random.below(3000), 4000).catch(() => {});
        line.reset();
        await cut;
        await line.cut();
        await line.restore();
      }),
    );
  },
  async 'lines frozen'({ branches, random }: Stage) {
    for (const { line } of branches) line.frozen = true;
    await sleep(500 + random.below(3500));
    for (const { line } of branches) line.frozen = false;
  },
  async 'a gateway killed'({ branches, random }: Stage) {
    const { box } = random.pick(branches);
    await box.kill();
    await sleep(random.below(300));
    await box.start();
  },
} as const satisfies Record<string, (stage: Stage) => Promise<void>>;

export type Outage = keyof typeof outages;

/**
 * Runs steps one after the other, the outages of a step at once; then takes stock of each box. `rate`: reports a second
 * of each machine.
 */
export async function outageCampaign(choose: (random: Random) => readonly Outage[][], rate = 20): Promise<void> {
  const seed = campaignSeed('outages');
  const random = new Random(seed);
  const folder = temporaryFolder('holdfast-outages-');
  const [rabbit, mongo] = await Promise.all([startRabbit({ tls: true, mqtt: true }), startMongo({ own: true })]);
  const { ca } = testCertificates();
  const centres = await Promise.all(
    ['centre-1', 'centre-2'].map((name) =>
      createCentre({ folder: folder.path, name, broker: rabbit.tlsUrl!, ca, mongodb: mongo.url }),
    ),
  );
  const branches: Branch[] = [];
  const plan = choose(random);
  const open = (name: string, port: number, upstream: (port: number) => Record<string, unknown>) =>
    openBranch(name, folder, random, rate, port, upstream);
  try {
    await Promise.all(centres.map((centre) => centre.start()));
    const amqps = (port: number) => `amqps://guest:guest@localhost:${port}`;
    const tls = { ca };
    branches.push(
      await open('d', rabbit.tlsPort!, (port) => ({ url: amqps(port), tls })),
      await open('g', rabbit.tlsPort!, (port) => ({
        url: amqps(port),
        tls,
        replies: 'per-gateway',
      })),
      await open('q', rabbit.mqttPort!, (port) => ({
        url: `mqtt://guest:guest@127.0.0.1:${port}`,
      })),
    );
    const stage: Stage = { random, rabbit, mongo, centres, branches };
    const startedAt = performance.now();
    const counts = new Map<string, number>();
    for (const step of plan) {
      await Promise.all(step.map((outage) => outages[outage](stage)));
      for (const outage of step) counts.set(outage, (counts.get(outage) ?? 0) + 1);
      await sleep(random.below(1500));
    }
    const text = [...counts].map(([outage, count]) => `${outage} ${count}`).join(', ');
    console.log(`outages: ${text}; ${Math.round((performance.now() - startedAt) / 1000)} s`);
    const killed = plan.flat().includes('rabbit killed');
    const results = await Promise.all(
      branches.map(async ({ name, box, load, line }) => {
        const sent = await load.finish(60_000);
        const result = await audit({
          box,
          mongodb: mongo.url,
          load,
          sent,
          insertedInOrder: !killed,
          hasPrevious: name !== 'q',
        });
        console.log(`outages: ${name} (${line.accepted} connections up): ${figures(result, sent)}`);
        assert.ok(result.acknowledged > 100, `only ${result.acknowledged} reports were acknowledged`);
        return result.problems.map((problem) => `${name}: ${problem}`);
      }),
    );
    const problems = results.flat();
    assert.deepEqual(problems, [], `seed ${seed}`);
  } finally {
    for (const { load } of branches) load.kill();
    await Promise.all([
      ...branches.flatMap(({ box, line }) => [box.kill(), line.stop()]),
      ...centres.map((centre) => centre.kill()),
      rabbit.remove(),
      mongo.kill(),
    ]);
  }
}

async function openBranch(
  name: string,
  folder: TemporaryFolder,
  random: Random,
  rate: number,
  port: number,
  upstream: (port: number) => Record<string, unknown>,
): Promise<Branch> {
  const line = await startTcpProxy({ port });
  const mqttMachines = [`${name}-m1`, `${name}-m2`];
  const httpMachines = [`${name}-h1`];
  const box = await createBox({
    folder: folder.path,
    name: `box-${name}`,
    machines: [...mqttMachines, ...httpMachines],
    upstream: upstream(line.port),
  });
  await box.start();
  const load = new Load({
    seed: random.fork(),
    mqttMachines,
    httpMachines,
    mqttPort: box.mqttPort,
    httpPort: box.httpPort,
    rate,
    journal: folder.file(`acknowledged-${name}`),
  });
  return { name, box, line, load };
}
