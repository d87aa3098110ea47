// deadline: 180s
/**
 * The data folder on a small file system that fills up while the uplink is away: reports are refused and nothing that
 * was acknowledged is lost; when there is room again, or the uplink is back, the box goes on by itself.
 */

import * as assert from 'node:assert/strict';
import { suite } from 'uvu';
import { startMongo } from '../support/mongodb.ts';
import { publishPacket, RawClient } from '../support/mqtt-raw.ts';
import { startRabbit } from '../support/rabbitmq.ts';
import { audit, figures } from '../support/site/audit.ts';
import { type Box, createBox, passwordOf } from '../support/site/box.ts';
import { createCentre } from '../support/site/centre.ts';
import { Load } from '../support/site/load.ts';
import { reportBody } from '../support/site/machine-reports.ts';
import { campaignSeed } from '../support/site/program.ts';
import { SmallDisk } from '../support/site/small-disk.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

const mebibyte = 1024 * 1024;
const mqttMachines = ['m1', 'm2'];
const httpMachines = ['h1'];
const tester = 'sn000001';
const folder = temporaryFolder('holdfast-full-disk-');
const disk = await SmallDisk.mount(folder, 40 * mebibyte);

const test = suite('a full disk');

async function fillsAndGoesOn(small: SmallDisk): Promise<void> {
  const seed = campaignSeed('full-disk');
  const [rabbit, mongo] = await Promise.all([startRabbit(), startMongo({ own: true })]);
  const line = await startTcpProxy({ port: rabbit.port });
  const centre = await createCentre({ folder: folder.path, broker: rabbit.url, mongodb: mongo.url });
  const box = await createBox({
    folder: folder.path,
    dataFolder: `${small.path}/data`,
    before: small.before,
    machines: [...mqttMachines, ...httpMachines, tester],
    upstream: { url: `amqp://guest:guest@127.0.0.1:${line.port}` },
    spool: { freeReserve: '1MiB' },
  });
  let load: Load | undefined;
  try {
    await line.cut();
    await Promise.all([centre.start(), box.start()]);
    load = new Load({
      seed,
      mqttMachines,
      httpMachines,
      mqttPort: box.mqttPort,
      httpPort: box.httpPort,
      rate: 250,
      journal: folder.file('acknowledged'),
    });
    await load.acknowledges(100);
    // Something else on the box takes the last byte.
    small.occupy(0);
    await refuses(box);

    // A start on the full disk.
    await box.kill();
    box.program.begin();
    await refuses(box);

    // Somebody makes room.
    small.release();
    await load.acknowledges(200);
    await isWell(box);

    // The backlog itself takes what is left but for the reserve, and this time the uplink comes back.
    small.occupy(8 * mebibyte);
    await refuses(box);
    const waiting = (await box.health()).spool!.pending;
    await line.restore();
    await until(async () => (await box.health()).spool!.pending < waiting / 2, 'the backlog goes', 60_000, 100);
    await load.acknowledges(200);
    await isWell(box);

    const sent = await load.finish(60_000);
    const result = await audit({ box, mongodb: mongo.url, load, sent });
    console.log(`full-disk: ${waiting} waited at most; ${figures(result, sent)}`);
    assert.deepEqual(result.problems, [], `seed ${seed}`);
  } finally {
    load?.kill();
    await Promise.all([box.kill(), line.stop(), centre.kill(), rabbit.remove(), mongo.kill()]);
    small.unmount();
  }
}

/** Waits until no lane refuses any more. */
async function isWell(box: Box): Promise<void> {
  let last: unknown;
  await until(
    async () => {
      const health = await box.health();
      last = health;
      return health.ok;
    },
    () => `the box is well again: ${JSON.stringify(last)}\n${box.program.tail}`,
    20_000,
    100,
  );
}

/** Waits until the disk is full, and looks at what everybody is told. */
async function refuses(box: Box): Promise<void> {
  await until(
    async () => {
      const { code, status } = await box.health();
      return code === 503 && status === 'refusing';
    },
    () => `the disk fills up\n${box.program.tail}`,
    60_000,
    100,
  );
  // As large as a segment's free part could still hold, so that it cannot slip in; and never the same twice.
  const n = Math.floor(performance.now());
  const body = Buffer.from(
    reportBody(tester, 'device_process_info', n)
      .toString()
      .replace('"filling":"', `"filling":"${'y'.repeat(900_000)}`),
  );
  await until(async () => {
    const response = await box.post('device_process_info', body, tester);
    await response.arrayBuffer();
    return response.status === 503;
  }, 'HTTP 503');
  const client = await RawClient.open(box.mqttPort, { id: tester, username: tester, password: passwordOf(tester) });
  client.write(publishPacket('device_process_info', body, { id: 1 }));
  await client.closed;
  assert.deepEqual(
    client.packets.filter(({ type }) => type === 4),
    [],
    'a report that was not stored has been acknowledged',
  );
}

if (typeof disk === 'string') {
  console.log(`full-disk: skipped: ${disk}`);
  test.skip(`skipped: ${disk}`);
} else {
  test('refuses without a loss, and goes on when there is room or the uplink is back', () => fillsAndGoesOn(disk));
}

test.run();
