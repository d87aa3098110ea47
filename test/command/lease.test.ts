import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AuthorizationState, administerAuthorization, isAuthorizationRequest } from '../../src/authorization/index.ts';
import { runCommandLine } from '../../src/command/index.ts';
import { ControlSocket, controlSocketPath } from '../../src/control-socket.ts';
import { nodeFileSystem, SiteTime, silentLogger, systemClock } from '../../src/platform/index.ts';
import { lockFolder } from '../../src/spool/index.ts';
import { machine } from '../authorization/box.ts';
import { temporaryFolder } from '../support/temporary.ts';

const test = suite('holdfast lease and audit');
const hardwareIdentity = 'rack 7, slot 3';

/** A box with two leases, a denial and their lines; `run` is a command line on it. */
async function createBox() {
  const folder = temporaryFolder();
  const dataFolder = folder.file('data');
  const config = folder.file('box.yaml');
  writeFileSync(config, JSON.stringify({ gateway: { id: 'gw-1' }, authorization: { hardwareIdentity } }));
  mkdirSync(`${dataFolder}/spool`, { recursive: true, mode: 0o700 });
  const open = async () => {
    const state = new AuthorizationState({
      settings: {
        offlineGraceMs: 259_200_000,
        centreKey: undefined,
        hardwareIdentity,
        maxLeases: 100,
        audit: { fileBytes: 65_536, files: 3 },
      },
      dataFolder,
      gatewayId: 'gw-1',
      fileSystem: nodeFileSystem,
      clock: systemClock(),
      siteTime: new SiteTime('Asia/Shanghai'),
      synchronization: () => 'unknown',
      alarms: { raise() {}, clear() {} },
      logger: silentLogger,
      boot: 'b',
    });
    await state.open();
    return state;
  };
  const state = await open();
  for (const serial of ['sn1', 'sn2']) {
    await state.leases.grant(machine(serial));
    await state.audit.append('answer', { serial, granted: true });
  }
  await state.leases.deny('sn3', { text: 'not-authorized' });
  await state.close();

  const run = async (...words: string[]) => {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runCommandLine({
      words: [...words, '--config', config, '--data', dataFolder],
      environment: {},
      print: (line) => void out.push(line),
      printError: (line) => void err.push(line),
      input: process.stdin,
    });
    return { code, out: out.join('\n'), err: err.join('\n') };
  };
  return { dataFolder, open, run };
}

/** The same as a gateway does with its control socket and its lock. */
async function serve({ dataFolder, open }: Awaited<ReturnType<typeof createBox>>) {
  const lock = lockFolder(`${dataFolder}/spool`);
  const state = await open();
  const socket = new ControlSocket({
    path: controlSocketPath(dataFolder),
    answer: (request) => {
      assert.ok(isAuthorizationRequest(request));
      return administerAuthorization(state, request);
    },
  });
  await socket.start();
  return async () => {
    await socket.stop();
    await state.close();
    lock.release();
  };
}

const items = (text: string) => text.split('\n').map((line) => JSON.parse(line));

for (const isRunning of [false, true]) {
  test(`list, show, revoke, rebind, verify and show of a ${isRunning ? 'running' : 'stopped'} box`, async () => {
    const box = await createBox();
    const stop = isRunning ? await serve(box) : undefined;
    const { run } = box;
    const list = await run('lease', 'list', '--json');
    assert.equal(
      items(list.out).map(({ serial, kind, state }) => [serial, kind, state]),
      [
        ['sn1', 'lease', 'valid'],
        ['sn2', 'lease', 'valid'],
        ['sn3', 'denial', 'revoked'],
      ],
    );
    assert.match((await run('lease', 'show', 'sn1')).out, /^serial: sn1 {2}state: valid {2}kind: lease {2}ends: 20/);
    const unknown = await run('lease', 'show', 'sn9');
    assert.equal([unknown.code, unknown.out], [1, '']);
    assert.match(unknown.err, /nothing is known of sn9/);

    assert.is((await run('lease', 'revoke', 'sn1')).code, 0);
    assert.is((await run('lease', 'revoke', 'sn1')).code, 1);
    assert.is(items((await run('lease', 'show', 'sn1', '--json')).out)[0].state, 'revoked');
    assert.equal(items((await run('lease', 'rebind', '--json')).out)[0], { sealed: 3, left: [] });

    const shown = items((await run('audit', 'show')).out);
    assert.equal(
      shown.map(({ event }) => event),
      ['answer', 'answer', 'revoked', 'rebind', 'rebound'],
    );
    assert.is(items((await run('audit', 'show', '--serial', 'sn1', '--limit', '1')).out)[0].event, 'revoked');
    const sound = await run('audit', 'verify');
    assert.equal([sound.code, sound.out], [0, 'sound: 5 lines in 1 files']);
    const log = `${box.dataFolder}/logs/audit.log`;
    writeFileSync(log, readFileSync(log, 'utf8').replace('"granted":true', '"granted":null'));
    const bad = await run('audit', 'verify');
    assert.is(bad.code, 1);
    assert.match(bad.out, /^NOT SOUND: audit\.log, line 1: is not as it was written/);
    await stop?.();
  });
}

test('looking at a stopped box writes nothing', async () => {
  const { dataFolder, run } = await createBox();
  const files = ['store/authorization', 'logs/audit.log', 'secrets/box.key'].map((name) => `${dataFolder}/${name}`);
  const look = () => files.map((path) => [statSync(path).mtimeMs, statSync(path).ino]);
  const before = look();
  for (const words of [
    ['lease', 'list'],
    ['lease', 'show', 'sn1'],
    ['audit', 'verify'],
    ['audit', 'show'],
  ]) {
    assert.is((await run(...words)).code, 0, words.join(' '));
  }
  assert.equal(look(), before);
});

test('wrong words are exit code 2 with a sentence', async () => {
  const { run } = await createBox();
  for (const words of [
    ['lease'],
    ['lease', 'lst'],
    ['lease', 'show'],
    ['lease', 'revoke', '重庆'],
    ['lease', 'list', 'sn1'],
    ['audit'],
    ['audit', 'verify', 'x'],
    ['audit', 'show', '--limit', '0'],
  ]) {
    const { code, err } = await run(...words);
    assert.is(code, 2, words.join(' '));
    assert.match(err, /^holdfast: /);
  }
});

test('a folder without a box is said to be one', async () => {
  const err: string[] = [];
  const code = await runCommandLine({
    words: ['lease', 'list', '--data', temporaryFolder().file('nothing')],
    environment: {},
    print: () => {},
    printError: (line) => void err.push(line),
    input: process.stdin,
  });
  assert.is(code, 1);
  assert.match(err.join(), /there is no box in .*nothing/);
});

test.run();
