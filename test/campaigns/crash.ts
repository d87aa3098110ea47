/**
 * `kill -9` of the gateway at random instants under load. Used by crash.test.ts (eight kills) and crash.long.ts (200).
 */
import * as assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { startMongo } from '../support/mongodb.ts';
import { startRabbit } from '../support/rabbitmq.ts';
import { Random } from '../support/random.ts';
import { audit, figures } from '../support/site/audit.ts';
import { createBox } from '../support/site/box.ts';
import { createCentre } from '../support/site/centre.ts';
import { Load } from '../support/site/load.ts';
import { campaignSeed } from '../support/site/program.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { testCertificates } from '../support/tls.ts';

const mqttMachines = ['m1', 'm2', 'm3', 'm4'];
const httpMachines = ['h1'];

/** `rate`: reports a second of each machine; what the centre cannot take in the meantime is waited for at the end. */
export async function crashCampaign(kills: number, rate: number): Promise<void> {
  const seed = campaignSeed('crash');
  const random = new Random(seed);
  const folder = temporaryFolder('holdfast-crash-');
  const [rabbit, mongo] = await Promise.all([startRabbit({ tls: true }), startMongo({ own: true })]);
  const { ca } = testCertificates();
  const centre = await createCentre({ folder: folder.path, broker: rabbit.url, mongodb: mongo.url });
  const box = await createBox({
    folder: folder.path,
    machines: [...mqttMachines, ...httpMachines],
    upstream: { url: rabbit.tlsUrl, tls: { ca } },
  });
  let load: Load | undefined;
  try {
    await Promise.all([centre.start(), box.start()]);
    load = new Load({
      seed: random.fork(),
      mqttMachines,
      httpMachines,
      mqttPort: box.mqttPort,
      httpPort: box.httpPort,
      rate,
      journal: folder.file('acknowledged'),
    });
    const startedAt = performance.now();
    let early = 0;
    for (let kill = 0; kill < kills; kill++) {
      // A quarter hits the start, where the spool is read and the doors open; the others a box at work.
      if (random.chance(0.25) && kill > 0) {
        early++;
        await sleep(random.below(1000));
      } else {
        await box.ready();
        await sleep(random.below(1500));
      }
      await box.kill();
      box.program.begin();
    }
    await box.ready();
    await load.acknowledges(20);
    const sent = await load.finish();
    const result = await audit({ box, mongodb: mongo.url, load, sent });
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    console.log(`crash: ${kills} kills (${early} while starting) in ${seconds} s; ${figures(result, sent)}`);
    assert.deepEqual(result.problems, [], `seed ${seed}`);
    assert.ok(result.acknowledged > kills * 5, `only ${result.acknowledged} reports were acknowledged`);
  } finally {
    load?.kill();
    await Promise.all([box.kill(), centre.kill(), rabbit.remove(), mongo.kill()]);
  }
}
