/**
 * A file that a first start has made is gone by from the next start on. When the first start was killed between the
 * rename and the sync, its name is in the cache only: a power cut after the next start must not take it away.
 */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BoxKey } from '../../src/authorization/box-key.ts';
import { signingKey } from '../../src/central/index.ts';
import { gatewayId } from '../../src/config/index.ts';
import { boxKey } from '../../src/enrolment/enrolment-files.ts';
import { credentialKey } from '../../src/flow-engine/credential-key.ts';
import { FlowFiles } from '../../src/flow-engine/flow-files.ts';
import { nodeFileSystem } from '../../src/platform/index.ts';
import { SqliteDocumentStore } from '../../src/store/index.ts';
import { FaultFileSystem } from '../support/fault-file-system.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Random } from '../support/random.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { watchedFileSystem } from '../support/watched-file-system.ts';

const dataFolder = '/var/lib/data';
const seeds = 5;

const makers: Readonly<Record<string, (fileSystem: FaultFileSystem) => Promise<string>>> = {
  "the gateway's id": (fileSystem) => gatewayId({ configured: undefined, dataFolder, fileSystem }),
  "the box's key for enrolling": async (fileSystem) =>
    String((await boxKey({ dataFolder, fileSystem })).export({ format: 'pem', type: 'pkcs8' })),
  "the box's secret": async (fileSystem) => {
    const key = new BoxKey({ dataFolder, fileSystem });
    await key.open();
    await key.save();
    return key.bytes.toString('hex');
  },
  "the centre's key": async (fileSystem) => {
    const clock = new ManualClock();
    // What was begun and cut off is waited for.
    clock.sleep = async () => {};
    return (await signingKey({ configured: undefined, dataFolder, fileSystem, clock })).publicPem;
  },
};

const test = suite('names of kept files');

for (const [title, make] of Object.entries(makers)) {
  test(`${title} stays after a kill at any call of the first start and a power cut after the second`, async () => {
    for (let dieAt = 1, isOver = false; !isOver; dieAt++) {
      for (let seed = 1; seed <= seeds; seed++) {
        const first = new FaultFileSystem(new Random(dieAt * seeds + seed));
        first.dieAt = dieAt;
        // Once it lives, later calls need not be tried.
        isOver = await make(first).then(
          () => true,
          () => false,
        );
        const second = first.afterKill();
        const used = await make(second);
        assert.is(await make(second.afterPowerCut()), used, `killed at call ${dieAt}, seed ${seed}`);
      }
    }
  });
}

test('the folders of the flows and of their key are synced with all above them', async () => {
  const { path: above } = temporaryFolder();
  const { syncFolder } = nodeFileSystem;
  const synced = new Set<string>();
  nodeFileSystem.syncFolder = async (path) => void synced.add(path);
  try {
    const data = join(above, 'data');
    // Made, and found.
    for (let start = 1; start <= 2; start++) {
      synced.clear();
      await new FlowFiles(join(data, 'flows')).open();
      assert.equal([...synced].slice(0, 3), [join(data, 'flows'), data, above], `start ${start}`);
      synced.clear();
      await credentialKey(join(data, 'secrets'));
      assert.equal([...synced].slice(0, 3), [join(data, 'secrets'), data, above], `start ${start}`);
    }
  } finally {
    nodeFileSystem.syncFolder = syncFolder;
  }
});

test('a store of documents syncs its folder and all above it, made or found', async () => {
  const { path: above } = temporaryFolder();
  const folder = join(above, 'deep', 'documents');
  for (let start = 1; start <= 2; start++) {
    const synced = new Set<string>();
    const fileSystem = watchedFileSystem((step, path) => {
      if (step === 'sync folder') synced.add(path);
    });
    const store = new SqliteDocumentStore({ folder, fileSystem });
    await store.start();
    await store.stop();
    for (const path of [folder, join(above, 'deep'), above]) assert.ok(synced.has(path), `start ${start}: ${path}`);
  }
});

test.run();
