// slow

import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { wirePassword } from '../../src/accounts/index.ts';
import { ask, base, process as processReport } from '../queries/support.ts';
import { createBox } from '../support/site/box.ts';
import { cleanEnvironment, holdfast } from '../support/site/program.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

const test = suite('holdfast user');
const hash = (plain: string) => wirePassword(plain, 'sha256');
let folder: TemporaryFolder;
test.before.each(() => {
  folder = temporaryFolder();
});
test.after.each(() => folder.remove());

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

/** Runs `holdfast user` with a line of standard input. */
function user(words: readonly string[], input = ''): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(holdfast, ['user', ...words], { env: cleanEnvironment });
    let out = '';
    let errors = '';
    child.stdout.on('data', (bytes) => {
      out += bytes;
    });
    child.stderr.on('data', (bytes) => {
      errors += bytes;
    });
    child.on('close', (code) => resolve({ code, out, errors }));
    child.stdin.end(input);
  });
}

test('on a box: the same while it runs and while it is stopped, and a login works with what was set', async () => {
  const box = await createBox({ folder: folder.path, machines: ['sn1', 'sn2'] });
  const data = ['--data', box.dataFolder];
  // Before the first start; then there is no need of a first administrator.
  const added = await user(['add', '张三', '--customer', '甲', '--customer', '乙', ...data], 'geheim\n');
  assert.is(added.code, 0, added.errors);
  assert.is(added.out, '张三  viewer  甲, 乙  added\n');
  assert.match(added.errors, /^accounts of the gateway in /m);
  await box.start();
  assert.is((await user(['add', 'boss', '--customer', '*', '--role', '授权管理', ...data], 'top\n')).code, 0);
  const list = (await user(['list', '--json', ...data])).out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(
    list.map(({ name, customers, role, origin }) => ({ name, customers, role, origin })),
    [
      { name: 'boss', customers: ['*'], role: 'authorizer', origin: 'local' },
      { name: '张三', customers: ['甲', '乙'], role: 'viewer', origin: 'local' },
    ],
  );
  const logIn = async (name: string, plain: string): Promise<string> =>
    (await ask(box.httpPort, '/login/', { name, passwd: hash(plain) })).body.token;

  // What machines report is there to be asked for, without any centre.
  await box.post('device_base_info', JSON.stringify(base('sn1', '甲', '一号')), 'sn1');
  await box.post('device_base_info', JSON.stringify(base('sn2', '丙', '二号')), 'sn2');
  await box.post('device_process_info', JSON.stringify(processReport('sn1', 5)), 'sn1');
  const token = await logIn('张三', 'geheim');
  await until(
    async () => (await ask(box.httpPort, '/deviceInfo/process/sn/', { sn: 'sn1', token })).body.错误 === '',
    'the report can be asked for',
  );
  const process = await ask(box.httpPort, '/deviceInfo/process/sn', { sn: 'sn1', token });
  assert.equal(process.body, { 错误: '', 信息: [processReport('sn1', 5)] });
  assert.is((await ask(box.httpPort, '/deviceInfo/base/sn', { sn: 'sn2', token })).body.错误, '参数查询为空');
  const boss = await logIn('boss', 'top');
  assert.is((await ask(box.httpPort, '/deviceInfo/base/sn', { sn: 'sn2', token: boss })).body.机器名称, '二号');
  const change = await ask(box.httpPort, '/deviceInfo/auth/sn', { sn: 'sn1', token: boss, time: 5 });
  assert.equal(change.body, { 错误: '网络不通，请在中心设置' });

  assert.is((await user(['passwd', '张三', ...data], 'neu\n')).out, '张三  changed\n');
  assert.is(
    (await ask(box.httpPort, '/deviceInfo/base/sn', { sn: 'sn1', token })).body.错误,
    'token已失效，请重新登录',
  );
  assert.is(await logIn('张三', 'geheim'), '');
  assert.match(await logIn('张三', 'neu'), /^[0-9a-f]{12}$/);
  assert.is((await user(['remove', 'boss', ...data])).code, 0);
  const twice = await user(['remove', 'boss', ...data]);
  assert.is(twice.code, 1);
  assert.match(twice.errors, /there is no account boss/);

  await box.stop();
  assert.match((await user(['list', ...data])).out, /^张三 {2}viewer {2}甲, 乙 {2}from local, changed /);
  // A restart keeps accounts, sessions, and what may be asked.
  await box.start();
  const again = await logIn('张三', 'neu');
  assert.is((await ask(box.httpPort, '/deviceInfo/process/sn', { sn: 'sn1', token: again })).body.错误, '');
  const log = readFileSync(`${folder.path}/box.log`, 'utf8');
  for (const secret of ['geheim', hash('geheim'), hash('neu'), token, boss, again]) assert.not.ok(log.includes(secret));
  await box.stop();
});

test('a box without accounts makes the first administrator, whose password is in a file and in no log', async () => {
  const box = await createBox({ folder: folder.path, machines: ['sn1'] });
  await box.start();
  const line = readFileSync(`${box.dataFolder}/secrets/first-administrators`, 'utf8');
  const [, password] = /^machines admin (\S+)\n$/.exec(line)!;
  const { body } = await ask(box.httpPort, '/login', { name: 'admin', passwd: hash(password!) });
  assert.is(body.登录结果, '成功');
  assert.not.ok(readFileSync(`${folder.path}/box.log`, 'utf8').includes(password!));
  await box.stop();
});

test('at a centre with documents in a folder: directly while it is stopped', async () => {
  const config = `${folder.path}/centre.yaml`;
  writeFileSync(config, JSON.stringify({ central: { embedded: `${folder.path}/documents` } }));
  const common = ['--config', config, '--data', `${folder.path}/data`];
  const added = await user(['add', 'a', '--customer', '*', ...common], 'p\n');
  assert.is(added.code, 0, added.errors);
  assert.match(added.errors, /^accounts of the centre in .*documents$/m);
  assert.match((await user(['list', ...common])).out, /^a {2}viewer {2}\*/);
  // Asked for by name, the box's own are others.
  assert.is((await user(['list', '--gateway', ...common])).out, '');
});

test('wrong usage ends with 2 and says what is right; a password is never a word', async () => {
  const data = ['--data', folder.file('box')];
  for (const [words, text] of [
    [[], /needs an action/],
    [['ad'], /did you mean add/],
    [['add', ...data], /needs the name/],
    [['add', 'a', 'geheim', ...data], /not given as a word/],
    [['hash', 'geheim'], /not given as a word/],
    [['add', 'a', '--role', 'king', ...data], /there is no role king/],
    [['list', '--central', '--gateway', ...data], /exclude each other/],
    [['list', '--central', ...data], /central\.mongodb or central\.embedded is required/],
  ] as const) {
    const { code, errors } = await user(words, 'p\n');
    assert.is(code, 2, `${words.join(' ')}: ${errors}`);
    assert.match(errors, text);
  }
});

test.run();
