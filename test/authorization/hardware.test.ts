import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BoxKey } from '../../src/authorization/box-key.ts';
import { hardwareIdentities } from '../../src/authorization/hardware-identity.ts';
import { fingerprint, Sealer } from '../../src/authorization/seal.ts';
import { nodeFileSystem } from '../../src/platform/index.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { identity, newDisk, openBox } from './box.ts';

const test = suite('hardware identity');

const serialNumber = 'proc/device-tree/serial-number';
const productUuid = 'sys/class/dmi/id/product_uuid';
const machineId = 'etc/machine-id';
const bootId = 'proc/sys/kernel/random/boot_id';
const goodId = '0123456789abcdef0123456789abcdef';

function computer(files: Record<string, string>): string {
  const { path } = temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}
const sources = (files: Record<string, string>) =>
  hardwareIdentities(undefined, computer(files)).map(({ source }) => source);

test('device tree, then the board, then the machine-id; what is configured alone', () => {
  const all = {
    [serialNumber]: '10000000abcdef01\0',
    [productUuid]: '4C4C4544-0034-3010-8052-B4C04F4A3232\n',
    [machineId]: `${goodId}\n`,
  };
  const found = hardwareIdentities(undefined, computer(all));
  assert.equal(found, [
    { source: 'device-tree', value: '10000000abcdef01' },
    { source: 'dmi', value: '4c4c4544-0034-3010-8052-b4c04f4a3232' },
    { source: 'machine-id', value: goodId },
  ]);
  assert.equal(hardwareIdentities('rack 7', computer(all)), [{ source: 'configured', value: 'rack 7' }]);
  assert.equal(sources({}), []);
});

test('what makers leave in place of an identity is none', () => {
  for (const uuid of [
    '00000000-0000-0000-0000-000000000000',
    'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
    '03000200-0400-0500-0006-000700080009',
    'fefefefe-fefe-fefe-fefe-fefefefefefe',
    '12345678-1234-5678-90AB-CDDEEFAABBCC',
    'To Be Filled By O.E.M.',
    'Not Settable',
    '',
  ]) {
    assert.equal(sources({ [productUuid]: `${uuid}\n` }), [], uuid);
  }
  assert.equal(sources({ [serialNumber]: '0000000000000000\0', [machineId]: goodId }), ['machine-id']);
  assert.equal(sources({ [machineId]: 'uninitialized\n' }), []);
});

test('the machine-id of a container comes with its image', () => {
  assert.equal(sources({ [machineId]: goodId, '.dockerenv': '' }), []);
  assert.equal(sources({ [machineId]: goodId, 'run/.containerenv': '' }), []);
});

test('a box stays itself when a stronger identity becomes readable, and without one it has only this run', async () => {
  const fileSystem = await newDisk();
  const weak = computer({ [machineId]: goodId });
  const box = await openBox({ fileSystem, root: weak });
  assert.is(box.state.hardwareSource, 'machine-id');
  await box.state.leases.grant(identity);
  await box.state.close();
  const strong = computer({ [machineId]: goodId, [productUuid]: '4C4C4544-0034-3010-8052-B4C04F4A3232' });
  const next = await openBox({ fileSystem, root: strong, clock: box.clock });
  assert.is(next.look(), 'valid');
  await next.state.close();
  const bare = await openBox({ fileSystem, root: computer({}), clock: box.clock });
  assert.is(bare.look(), 'bad-seal');
  assert.ok(bare.alarms.active.has('hardware-identity-missing'));
  await bare.state.leases.grant(identity);
  assert.is(bare.look(), 'valid');
  await bare.state.close();
  const again = await openBox({ fileSystem, root: computer({}), clock: box.clock });
  assert.is(again.look(), 'bad-seal');
  await again.state.close();
});

test('in a container leases outlive the gateway, and end with the next start of the system', async () => {
  const container = (boot: string) =>
    computer({ [machineId]: goodId, '.dockerenv': '', [bootId]: `${boot}-4065-4c61-a61e-b95f9df603ab\n` });
  const fileSystem = await newDisk();
  const box = await openBox({ fileSystem, root: container('292f38c6') });
  assert.is(box.state.hardwareSource, 'boot');
  assert.ok(box.alarms.active.has('hardware-identity-missing'));
  await box.state.leases.grant(identity);
  await box.state.close();
  const again = await openBox({ fileSystem, root: container('292f38c6'), clock: box.clock });
  assert.is(again.look(), 'valid');
  await again.state.close();
  const later = await openBox({ fileSystem, root: container('0d5a1e77'), clock: box.clock });
  assert.is(later.look(), 'bad-seal');
  await later.state.close();
  assert.equal(sources({ [bootId]: '292f38c6-4065-4c61-a61e-b95f9df603ab\n', [machineId]: goodId }), ['machine-id']);
});

test('the key is 32 random bytes for the owner alone', async () => {
  const folder = temporaryFolder();
  const key = new BoxKey({ fileSystem: nodeFileSystem, dataFolder: folder.path });
  await key.open();
  const path = join(folder.path, 'secrets', 'box.key');
  assert.is(statSync(path).mode & 0o777, 0o600);
  assert.is(statSync(dirname(path)).mode & 0o777, 0o700);
  assert.equal(readFileSync(path), key.bytes);
  assert.is(key.bytes.length, 32);
  const again = new BoxKey({ fileSystem: nodeFileSystem, dataFolder: folder.path });
  await again.open();
  assert.equal(again.bytes, key.bytes);
  const other = new BoxKey({ fileSystem: nodeFileSystem, dataFolder: temporaryFolder().path });
  await other.open();
  assert.not.equal(other.bytes, key.bytes);
});

test('a damaged key is moved aside and replaced', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder.path, 'secrets'), { mode: 0o700 });
  writeFileSync(join(folder.path, 'secrets', 'box.key'), 'short');
  const key = new BoxKey({ fileSystem: nodeFileSystem, dataFolder: folder.path });
  await key.open();
  assert.is(readFileSync(join(folder.path, 'secrets', 'box.key.damaged'), 'utf8'), 'short');
  assert.equal(readFileSync(join(folder.path, 'secrets', 'box.key')), key.bytes);
});

for (const how of ['kill', 'power'] as const) {
  test(`${how} at each call of the first start: the box starts, and a key that was used is still there`, async () => {
    let step = 0;
    for (let isFinished = false; !isFinished; ) {
      step++;
      const fileSystem = await newDisk({ seed: step });
      fileSystem.dieAt = fileSystem.calls + step;
      const key = new BoxKey({ fileSystem, dataFolder: '/data' });
      await key.open();
      const isSaved = await key.save().then(
        () => true,
        () => false,
      );
      isFinished = !fileSystem.isDead;
      const next = new BoxKey({
        fileSystem: how === 'kill' ? fileSystem.afterKill() : fileSystem.afterPowerCut(),
        dataFolder: '/data',
      });
      await next.open();
      await next.save();
      if (isSaved) assert.equal(next.bytes, key.bytes);
    }
    assert.ok(step > 5, `only ${step} steps`);
  });
}

test('a full disk at the first start: nothing is sealed for the disk before the key is on it', async () => {
  const fileSystem = await newDisk();
  fileSystem.capacityBytes = 0;
  const box = await openBox({ fileSystem });
  const error = await box.state.leases.grant(identity).catch((caught: unknown) => caught);
  assert.match(String(error), /ENOSPC/);
  fileSystem.capacityBytes = Number.POSITIVE_INFINITY;
  await box.state.leases.grant(identity);
  const next = await openBox({ fileSystem: fileSystem.afterPowerCut(), clock: box.clock });
  assert.is(next.look(), 'valid');
});

test('a seal is for one box, one hardware, one purpose and exactly these values', async () => {
  const make = async () => {
    const key = new BoxKey({ fileSystem: await newDisk(), dataFolder: '/data' });
    await key.open();
    return key;
  };
  const key = await make();
  const here = { source: 'dmi', value: 'a' } as const;
  const sealer = new Sealer(key, here);
  const seal = sealer.seal('lease', ['a', 1, null]);
  assert.ok(sealer.isSealed('lease', ['a', 1, null], seal));
  assert.not.ok(sealer.isSealed('time', ['a', 1, null], seal));
  assert.not.ok(sealer.isSealed('lease', ['a', '1', null], seal));
  assert.not.ok(sealer.isSealed('lease', ['a', 1], seal));
  for (const bad of [
    undefined,
    null,
    '',
    7,
    seal.slice(1),
    `${seal}=`,
    `${seal.startsWith('A') ? 'B' : 'A'}${seal.slice(1)}`,
  ]) {
    assert.not.ok(sealer.isSealed('lease', ['a', 1, null], bad), String(bad));
  }
  for (const other of [
    new Sealer(key, { source: 'dmi', value: 'b' }),
    new Sealer(key, undefined),
    new Sealer(await make(), here),
  ]) {
    assert.not.ok(other.isSealed('lease', ['a', 1, null], seal));
  }
  assert.is.not(fingerprint(key, here), fingerprint(key, { source: 'dmi', value: 'b' }));
});

test.run();
