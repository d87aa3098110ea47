/**
 * Power cuts under load: a file system that forgets what was not synced, at random instants, with the gateway's real
 * processes on it. Used by power-cut.test.ts and power-cut.long.ts.
 */
import * as assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { startMongo } from '../support/mongodb.ts';
import { startRabbit } from '../support/rabbitmq.ts';
import { Random } from '../support/random.ts';
import { audit, figures } from '../support/site/audit.ts';
import { type Box, createBox } from '../support/site/box.ts';
import { createCentre } from '../support/site/centre.ts';
import { Load } from '../support/site/load.ts';
import { campaignSeed } from '../support/site/program.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { compare, longestStart, Reporter, serial } from './first-start.ts';

/** A disk whose power can be taken away. */
export interface PowerCutDisk {
  /** Where it is mounted, seen from inside. */
  readonly path: string;
  /** Words before a command that shall see it. */
  readonly before: readonly string[];
  /** Every call fails from now on, and what was not synced is gone. */
  powerOff(): void;
  /** Shows what is left; no process is on it any more. */
  powerOn(): Promise<void>;
}

const mqttMachines = ['m1', 'm2', 'm3'];
const httpMachines = ['h1'];

/** `rate`: reports a second of each machine. */
export async function powerCuts(disk: PowerCutDisk, cuts: number, rate: number): Promise<void> {
  const seed = campaignSeed('power-cut');
  const random = new Random(seed);
  const folder = temporaryFolder('holdfast-power-cut-');
  const [rabbit, mongo] = await Promise.all([startRabbit(), startMongo({ own: true })]);
  const line = await startTcpProxy({ port: rabbit.port });
  const centre = await createCentre({ folder: folder.path, broker: rabbit.url, mongodb: mongo.url });
  const box = await createBox({
    folder: folder.path,
    dataFolder: `${disk.path}/data`,
    before: disk.before,
    machines: [...mqttMachines, ...httpMachines],
    upstream: { url: `amqp://guest:guest@127.0.0.1:${line.port}` },
  });
  const load = new Load({
    seed: random.fork(),
    mqttMachines,
    httpMachines,
    mqttPort: box.mqttPort,
    httpPort: box.httpPort,
    rate,
    // Not on the disk that forgets.
    journal: folder.file('acknowledged'),
  });
  try {
    await centre.start();
    const startedAt = performance.now();
    const counts = { starting: 0, killed: 0, away: 0, verified: 0 };
    let isAway = false;
    let wasReady = false;
    box.program.begin();
    for (let cut = 0; cut < cuts; cut++) {
      // A third hits a start, the very first one among them; the others a box at work.
      if (cut === 0 || random.chance(0.3)) {
        counts.starting++;
        await sleep(random.below(1200));
      } else {
        await box.ready();
        wasReady = true;
        await sleep(random.below(1000));
      }
      // Killed and started again shortly before: what the first process left in the cache is not on the device yet.
      if (random.chance(0.3)) {
        counts.killed++;
        await box.kill();
        box.program.begin();
        await sleep(random.below(1500));
      }
      if (isAway) counts.away++;
      disk.powerOff();
      // Some time with a dead disk: nothing may be acknowledged then.
      if (random.chance(0.3)) await sleep(random.below(100));
      await box.kill();
      await disk.powerOn();
      // Half of the time the reports stay on the disk, else they are delivered and their segments used again.
      if (random.chance(0.3)) {
        isAway = !isAway;
        await (isAway ? line.cut() : line.restore());
      }
      // Before it was ready once there may be no spool at all.
      if (wasReady && random.chance(0.1)) {
        counts.verified++;
        await isSound(box, `after cut ${cut + 1}, seed ${seed}`);
      }
      box.program.begin();
    }
    await line.restore();
    await box.ready();
    await load.acknowledges(20);
    const sent = await load.finish(60_000);
    // A long campaign leaves a long backlog.
    await box.drained(300_000);
    const result = await audit({ box, mongodb: mongo.url, load, sent });
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    const kinds = `${counts.starting} while starting, ${counts.killed} after a kill -9, ${counts.away} with the uplink away`;
    console.log(
      `power-cut: ${cuts} cuts (${kinds}; ${counts.verified} spools read through) in ${seconds} s; ${figures(result, sent)}`,
    );
    assert.deepEqual(result.problems, [], `seed ${seed}`);
    assert.match(await box.run(['audit', 'verify']), /^sound/);
    assert.ok(result.acknowledged > cuts * 5, `only ${result.acknowledged} reports were acknowledged`);
  } finally {
    load.kill();
    await Promise.all([box.kill(), line.stop(), centre.kill(), rabbit.remove(), mongo.kill()]);
  }
}

/** Power cuts in the very first start, half of them shortly after a first start that was killed. */
export async function cutFirstStarts(disk: PowerCutDisk, count: number): Promise<void> {
  const seed = campaignSeed('power-cut, first starts');
  const random = new Random(seed);
  const folder = temporaryFolder('holdfast-power-cut-');
  const longestMs = await longestStart();
  let acknowledged = 0;
  for (let step = 0; step < count; step++) {
    const name = `first-${step}`;
    const dataFolder = `${disk.path}/${name}`;
    const box = await createBox({ folder: folder.path, name, dataFolder, before: disk.before, machines: [serial] });
    const reporter = new Reporter(box);
    try {
      box.program.begin();
      if (random.chance(0.5)) {
        await sleep(random.below(longestMs));
        await box.kill();
        box.program.begin();
      }
      await sleep(random.below(longestMs));
      disk.powerOff();
      await box.kill();
      await disk.powerOn();
      acknowledged += reporter.acknowledged.length;
      await box.start();
      await reporter.once();
      await reporter.end();
      await compare(box, reporter, `first start ${step + 1}, seed ${seed}`);
    } finally {
      await reporter.end();
      await box.kill();
    }
    execFileSync('env', [...disk.before, 'rm', '-rf', dataFolder]);
  }
  console.log(`power-cut: ${count} first starts cut within ${longestMs} ms, ${acknowledged} acknowledged before`);
}

/** Reads the whole spool of a box that is off. */
async function isSound(box: Box, what: string): Promise<void> {
  const last = (await box.spool<{ sound?: boolean }>('verify')).at(-1);
  assert.equal(last?.sound, true, `${what}: ${JSON.stringify(last)}`);
}
