import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gatewayId } from '../../src/config/index.ts';
import { isHoldfastError } from '../../src/errors.ts';
import { type FileSystem, nodeFileSystem } from '../../src/platform/index.ts';
import { watchedFileSystem } from '../support/watched-file-system.ts';

const newFolder = () => mkdtempSync(join(tmpdir(), 'gateway-id-'));
const idIn = (dataFolder: string, fileSystem: FileSystem = nodeFileSystem, configured?: string) =>
  gatewayId({ configured, dataFolder, fileSystem });

const test = suite('gateway id');

test('is drawn once and kept', async () => {
  const folder = newFolder();
  const id = await idIn(folder);
  assert.match(id, /^gw-[a-z0-9]{10}$/);
  assert.is(await idIn(folder), id);
  assert.is.not(await idIn(newFolder()), id);
  assert.equal(readdirSync(join(folder, 'secrets')), ['gateway-id']);
});

test('the configured one goes first and is not kept', async () => {
  const folder = newFolder();
  assert.is(await idIn(folder, nodeFileSystem, 'line-7'), 'line-7');
  assert.equal(readdirSync(folder), []);
});

test('is on the device under its name before it is used', async () => {
  const steps: string[] = [];
  const folder = newFolder();
  const watched = watchedFileSystem((step, path) => {
    const name = path === folder ? 'data' : path.endsWith('secrets') ? 'secrets' : 'above';
    steps.push(step === 'sync folder' ? `sync ${name}` : step);
  });
  await idIn(folder, watched);
  assert.equal([...new Set(steps)], ['sync file', 'rename', 'sync secrets', 'sync data', 'sync above']);
});

test('what a power cut left beside it is replaced', async () => {
  const folder = newFolder();
  nodeFileSystem.makeFolder(join(folder, 'secrets'));
  writeFileSync(join(folder, 'secrets', 'gateway-id.new'), 'gw-torn');
  const id = await idIn(folder);
  assert.is(readFileSync(join(folder, 'secrets', 'gateway-id'), 'utf8'), `${id}\n`);
});

test('a damaged file is an error, not a new name', async () => {
  const folder = newFolder();
  nodeFileSystem.makeFolder(join(folder, 'secrets'));
  writeFileSync(join(folder, 'secrets', 'gateway-id'), '\0\0\0');
  try {
    await idIn(folder);
    assert.unreachable();
  } catch (error) {
    assert.ok(isHoldfastError(error, 'configuration-invalid'), String(error));
  }
});

test.run();
