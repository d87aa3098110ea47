import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { signingKey } from '../../src/central/index.ts';
import { isHoldfastError } from '../../src/errors.ts';
import { type FileSystem, nodeFileSystem } from '../../src/platform/index.ts';
import { signGrant, verifyGrant } from '../../src/protocols/machines/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { watchedFileSystem } from '../support/watched-file-system.ts';

const newFolder = () => temporaryFolder().file('data');
const keyIn = (dataFolder: string, configured?: string, fileSystem: FileSystem = nodeFileSystem) =>
  signingKey({ configured, dataFolder, fileSystem });
const pem = (type: 'ed25519' | 'x25519') => {
  const pair = type === 'ed25519' ? generateKeyPairSync(type) : generateKeyPairSync(type);
  return pair.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
};

const test = suite('signing key of the centre');

test('is made once, kept, and nobody else can read it', async () => {
  const folder = newFolder();
  const first = await keyIn(folder);
  const second = await keyIn(folder);
  assert.is(first.publicPem, second.publicPem);
  assert.match(first.publicPem, /^-----BEGIN PUBLIC KEY-----\n/);
  assert.equal(readdirSync(join(folder, 'secrets')), ['grant-signing.key']);
  assert.is(statSync(join(folder, 'secrets/grant-signing.key')).mode & 0o777, 0o600);
  assert.is(statSync(join(folder, 'secrets')).mode & 0o777, 0o700);
  const identity = { serial: 's', model: 'm', name: 'n', address: 'a', customer: 'c' };
  const terms = { identity, until: '2030-01-01 00:00:00', grantedAt: '2026-01-01 00:00:00', version: 1 };
  assert.ok(verifyGrant(signGrant(terms, 'gw', first.privateKey), 'gw', second.publicKey));
  assert.is.not((await keyIn(newFolder())).publicPem, first.publicPem);
});

test('is on the device under its name before it is used', async () => {
  const steps: string[] = [];
  const folder = newFolder();
  const watched = watchedFileSystem((step, path) => {
    const name = path === folder ? 'data' : path.endsWith('secrets') ? 'secrets' : 'above';
    steps.push(step === 'sync folder' ? `sync ${name}` : step);
  });
  await keyIn(folder, undefined, watched);
  assert.equal([...new Set(steps)], ['sync file', 'rename', 'sync secrets', 'sync data', 'sync above']);
});

test('of copies that start for the first time on one folder, one makes the key', async () => {
  const folder = newFolder();
  const keys = await Promise.all(Array.from({ length: 8 }, () => keyIn(folder)));
  assert.is(new Set(keys.map(({ publicPem }) => publicPem)).size, 1);
  assert.equal(readdirSync(join(folder, 'secrets')), ['grant-signing.key']);
});

test('what a power cut left beside it is waited for, and then made anew', async () => {
  const folder = newFolder();
  nodeFileSystem.makeFolder(join(folder, 'secrets'));
  writeFileSync(join(folder, 'secrets/grant-signing.key.new'), 'torn');
  const clock = new ManualClock();
  const key = signingKey({ configured: undefined, dataFolder: folder, fileSystem: nodeFileSystem, clock });
  await clock.advanceGently(4000);
  assert.equal(readdirSync(join(folder, 'secrets')), ['grant-signing.key.new']);
  await clock.advanceGently(2000);
  assert.match((await key).publicPem, /PUBLIC KEY/);
  assert.equal(readdirSync(join(folder, 'secrets')), ['grant-signing.key']);
});

test('a configured one goes first, for several copies', async () => {
  const folder = newFolder();
  const file = temporaryFolder().file('key.pem');
  writeFileSync(file, pem('ed25519'));
  assert.is((await keyIn(folder, file)).publicPem, (await keyIn(newFolder(), file)).publicPem);
  assert.is(nodeFileSystem.exists(folder), false);
});

test('anything else in the file is refused, and left as it is', async () => {
  for (const content of ['', 'no key', pem('x25519')]) {
    const folder = newFolder();
    const path = join(folder, 'secrets/grant-signing.key');
    nodeFileSystem.makeFolder(join(folder, 'secrets'));
    writeFileSync(path, content);
    const error = await keyIn(folder).then(
      () => undefined,
      (thrown) => thrown,
    );
    assert.ok(isHoldfastError(error, 'configuration-invalid'), content);
    assert.is(readFileSync(path, 'utf8'), content);
  }
});

test.run();
