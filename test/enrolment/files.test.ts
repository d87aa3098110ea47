/** What an enrolment leaves on the disk, when the process or the power may go at any step of it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  boxKey,
  type Enrolment,
  enrolmentFileNames,
  finishEnrolment,
  readKeptId,
  readUpstream,
  stageEnrolment,
} from '../../src/enrolment/enrolment-files.ts';
import { isHoldfastError } from '../../src/errors.ts';
import { FaultFileSystem } from '../support/fault-file-system.ts';
import { Random } from '../support/random.ts';

const test = suite('files of an enrolment');
const dataFolder = '/data';
const enrolment = (name: string): Enrolment => ({
  gateway: `gw-${name}`,
  centreKey: `key of ${name}\n`,
  url: `amqps://${name}@broker`,
  ca: `ca of ${name}`,
});

/** All that an enrolment consists of, by the name that everything in it carries; fails for a mixture. */
function nameOf(fileSystem: FaultFileSystem): string {
  const place = { dataFolder, fileSystem };
  const read = (name: string) => {
    const path = `${dataFolder}/secrets/${name}`;
    if (!fileSystem.exists(path)) return undefined;
    const file = fileSystem.open(path);
    const bytes = Buffer.alloc(file.size());
    file.read(bytes, 0);
    file.close();
    return bytes.toString();
  };
  const upstream = readUpstream(place);
  const parts = [
    readKeptId(place)?.replace('gw-', ''),
    read('centre.pub')?.replace(/^key of (.*)\n$/, '$1'),
    upstream?.url.replace(/^amqps:\/\/(.*)@broker$/, '$1'),
    upstream?.ca?.replace('ca of ', ''),
  ];
  assert.is(new Set(parts).size, 1, `a mixture: ${parts}`);
  return parts[0] ?? 'none';
}

async function enrolTo(name: string, fileSystem: FaultFileSystem): Promise<void> {
  await stageEnrolment(enrolment(name), { dataFolder, fileSystem });
  await finishEnrolment({ dataFolder, fileSystem });
}

/** How many calls an enrolment of a box takes that is enrolled already. */
async function callsOf(first: boolean): Promise<number> {
  const fileSystem = await box(first, 1);
  const before = fileSystem.calls;
  await enrolTo('new', fileSystem);
  return fileSystem.calls - before;
}

async function box(first: boolean, seed: number): Promise<FaultFileSystem> {
  const fileSystem = new FaultFileSystem(new Random(seed));
  fileSystem.makeFolder(dataFolder);
  await fileSystem.syncFolder('/');
  if (!first) await enrolTo('old', fileSystem);
  return fileSystem;
}

for (const [title, first] of [
  ['a new box', true],
  ['a box that was enrolled before', false],
] as const) {
  for (const end of ['afterKill', 'afterPowerCut'] as const) {
    test(`${title}, ${end} at every call: the old enrolment or the new one, never a mixture`, async () => {
      const calls = await callsOf(first);
      assert.ok(calls > 30);
      const outcomes = new Set<string>();
      for (let step = 1; step <= calls; step++) {
        for (let seed = 1; seed <= 4; seed++) {
          const fileSystem = await box(first, seed * 1000 + step);
          fileSystem.dieAt = fileSystem.calls + step;
          const done = await enrolTo('new', fileSystem).then(
            () => true,
            () => false,
          );
          let next = fileSystem[end]();
          // The next start dies at each of its steps as well, and the one after it does not.
          next.dieAt = next.calls + 1 + ((step * 7 + seed * 3) % 40);
          await finishEnrolment({ dataFolder, fileSystem: next }).catch(() => {});
          next = next[end]();
          await finishEnrolment({ dataFolder, fileSystem: next });
          const name = nameOf(next);
          assert.ok(name === 'new' || name === (first ? 'none' : 'old'), name);
          if (done) assert.is(name, 'new', 'an enrolment that was reported is lost');
          outcomes.add(name);
          // And the same box can be enrolled again.
          await enrolTo('again', next);
          assert.is(nameOf(next), 'again');
          assert.is(next.openFiles, 0);
        }
      }
      assert.equal([...outcomes].toSorted(), ['new', first ? 'none' : 'old']);
    });
  }
}

test('a full or a broken disk fails the enrolment and leaves the old one', async () => {
  for (const code of ['ENOSPC', 'EIO'] as const) {
    const fileSystem = await box(false, 7);
    fileSystem.plan = (kind, path) => (kind === 'write' && path.includes('enrolment.json') ? code : undefined);
    await assertRejects(enrolTo('new', fileSystem), code);
    fileSystem.plan = () => undefined;
    await finishEnrolment({ dataFolder, fileSystem });
    assert.is(nameOf(fileSystem), 'old');
    assert.is(fileSystem.openFiles, 0);
  }
});

test("the box's key is made once and survives a power cut", async () => {
  const fileSystem = await box(true, 3);
  const text = async (on: FaultFileSystem) =>
    (await boxKey({ dataFolder, fileSystem: on })).export({ format: 'pem', type: 'pkcs8' });
  const key = await text(fileSystem);
  assert.is(await text(fileSystem.afterPowerCut()), key);
});

test('a damaged file is an error that names it, not a box without a way to the centre', async () => {
  const fileSystem = await box(false, 4);
  for (const name of [enrolmentFileNames.upstream, enrolmentFileNames.staged] as const) {
    const path = `${dataFolder}/secrets/${name}`;
    if (fileSystem.exists(path)) fileSystem.remove(path);
    fileSystem.create(path).write(Buffer.from('{"url": 1'), 0);
    try {
      readUpstream({ dataFolder, fileSystem });
      await finishEnrolment({ dataFolder, fileSystem });
      assert.unreachable();
    } catch (error) {
      assert.ok(isHoldfastError(error, 'configuration-invalid'), String(error));
      assert.ok(error.message.includes(path));
    }
    fileSystem.remove(path);
  }
});

async function assertRejects(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (thrown: NodeJS.ErrnoException) => thrown,
  );
  assert.is(error?.code, code);
}

test.run();
