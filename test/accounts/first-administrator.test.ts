import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Accounts, firstAdministratorsPath, makeFirstAdministrator, wirePassword } from '../../src/accounts/index.ts';
import { nodeFileSystem } from '../../src/platform/index.ts';
import { recordingLogger, siteTime, sqlite, startMs } from '../queries/support.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';

const test = suite('first administrator');

async function start() {
  const store = await sqlite.open();
  const accounts = new Accounts({ store, clock: new ManualClock(startMs), siteTime });
  const dataFolder = temporaryFolder().path;
  const { logger, lines } = recordingLogger();
  const announced: string[] = [];
  const make = () =>
    makeFirstAdministrator({
      accounts,
      machineHash: 'sha256',
      dataFolder,
      fileSystem: nodeFileSystem,
      logger,
      announce: (line) => announced.push(line),
    });
  return { store, accounts, path: firstAdministratorsPath(dataFolder), lines, announced, make };
}

test('is made once, where there is no account, with a password that only its file and the console have', async () => {
  const { store, accounts, path, lines, announced, make } = await start();
  assert.is(await make(), true);
  const [, name, password] = /^machines (\S+) (\S+)\n$/.exec(readFileSync(path, 'utf8'))!;
  assert.is(name, 'admin');
  assert.is(statSync(path).mode & 0o777, 0o600);
  assert.ok(password!.length >= 16);
  const account = (await accounts.verify('admin', wirePassword(password!, 'sha256')))!;
  assert.equal([account.customers, account.role, account.origin], [['*'], 'authorizer', 'first']);
  assert.is(announced.length, 1);
  assert.ok(announced[0]!.includes(password!));
  assert.not.ok(lines.join('\n').includes(password!));
  assert.is(await make(), false);
  assert.is(announced.length, 1);
  await store.stop();
});

test('leaves the lines of other systems, and replaces its own from a start that was cut short', async () => {
  const { store, path, make } = await start();
  nodeFileSystem.makeFolder(path.replace(/\/[^/]+$/, ''));
  writeFileSync(path, 'production prodsys abc\nmachines admin old\nrouter admin def\n');
  await make();
  assert.match(readFileSync(path, 'utf8'), /^production prodsys abc\nrouter admin def\nmachines admin \w{16}\n$/);
  await store.stop();
});

test('of two copies of the centre at once one makes it, and only its file has a password', async () => {
  const { store, accounts, path, make } = await start();
  const second = await start();
  const racing = new Proxy(accounts, {
    get: (target, name) => {
      if (name === 'hasAny') return async () => false;
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  await make();
  const { lines, logger } = recordingLogger();
  const dataFolder = temporaryFolder().path;
  const other = makeFirstAdministrator({
    accounts: racing,
    machineHash: 'sha256',
    dataFolder,
    fileSystem: nodeFileSystem,
    logger,
  });
  assert.is(await other.catch((error) => error.code), false);
  assert.is(readFileSync(firstAdministratorsPath(dataFolder), 'utf8'), '');
  assert.ok(readFileSync(path, 'utf8').length > 0);
  assert.is(lines.length, 0);
  await store.stop();
  await second.store.stop();
});

test.run();
