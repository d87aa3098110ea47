/** How guessing passwords and tokens is slowed down, and whom that does not shut out. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { wirePassword } from '../../src/accounts/index.ts';
import { systemClock } from '../../src/platform/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { guarded, lenient } from './guarded.ts';
import { ask, startMs } from './support.ts';

const test = suite('HTTP queries: guessing');
const start = guarded(test);
const hash = (plain: string) => wirePassword(plain, 'sha256');

test('an unknown account answers the same in the same time as a wrong password', async () => {
  const server = await start({ clock: systemClock(), loginLimits: lenient });
  const times: Record<string, number[]> = { me: [], nobody: [], 'not a\nname': [] };
  const answers = new Set<string>();
  for (let round = 0; round < 8; round++) {
    for (const name of Object.keys(times)) {
      const before = performance.now();
      const { text, status } = await ask(server.port, '/login', { name, passwd: hash('wrong') });
      times[name]!.push(performance.now() - before);
      answers.add(`${status} ${text}`);
    }
  }
  assert.is(answers.size, 1);
  const median = (name: string) => times[name]!.sort((a, b) => a - b)[4]!;
  // An answer without the slow hash would come in a tenth of the time.
  assert.ok(median('nobody') > median('me') / 2, `${median('nobody')} ms against ${median('me')} ms`);
  assert.ok(median('not a\nname') > median('me') / 2);
});

test('guessing a password is slowed down, by the address; a right one has to wait as well, and then goes through', async () => {
  const clock = new ManualClock(startMs);
  const server = await start({ clock });
  for (let index = 0; index < 5; index++)
    assert.is((await ask(server.port, '/login', { name: 'me', passwd: 'x' })).status, 200);
  // The sixth is heard, and the first that has to wait comes after it.
  assert.is((await ask(server.port, '/login', { name: 'other', passwd: 'x' })).status, 200);
  const limited = await ask(server.port, '/login', { name: 'me', passwd: hash("me's") });
  assert.is(limited.status, 429);
  assert.is(limited.headers['retry-after'], '1');
  assert.equal(limited.body, {
    错误: '尝试次数过多，请稍后再试',
    error: '尝试次数过多，请稍后再试',
    登录结果: '失败',
    token: '',
  });
  clock.advance(1000);
  assert.is((await ask(server.port, '/login', { name: 'me', passwd: hash("me's") })).body.登录结果, '成功');
});

test('many attempts at once are limited as those one after the other', async () => {
  const server = await start();
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => ask(server.port, '/login', { name: 'me', passwd: 'x' })),
  );
  assert.is(answers.filter(({ status }) => status === 200).length, 6);
});

test('an account is guarded against many addresses, and its owner is not shut out by it', async () => {
  const clock = new ManualClock(startMs);
  const { login } = await start({ clock });
  const guess = (index: number) => login.login('me', 'x', `192.0.2.${index}`);
  const right = (address: string) => login.login('me', hash("me's"), address);
  assert.is((await right('198.51.100.1')).kind, 'open');
  let heard = 0;
  for (let index = 0; index < 100; index++) if ((await guess(index)).kind === 'wrong') heard++;
  assert.is(heard, 11);
  // From where the account is at home it is heard at once; from elsewhere after the delay, which never passes 30 s.
  assert.is((await right('198.51.100.1')).kind, 'open');
  assert.is((await right('198.51.100.2')).kind, 'limited');
  for (let round = 0; round < 8; round++) {
    clock.advance(30_000);
    await guess(100 + round);
  }
  clock.advance(30_000);
  assert.is((await right('198.51.100.2')).kind, 'open');
  // An account that is not there is limited in the same way.
  let unknown = 0;
  for (let index = 0; index < 20; index++)
    if ((await login.login('nobody', 'x', `203.0.113.${index}`)).kind === 'wrong') unknown++;
  assert.is(unknown, 11);
});

test('guessing tokens is limited; a token that was right before is heard all the same, and a stale one counts once', async () => {
  const clock = new ManualClock(startMs);
  const server = await start({ clock });
  const names = '/deviceInfo/base/customer/names';
  const token = await server.logIn('me');
  for (let index = 0; index < 50; index++) {
    assert.is((await ask(server.port, names, { token: 'aaaaaaaaaaaa' })).status, 200);
  }
  const statuses: number[] = [];
  for (let index = 0; index < 60; index++) {
    statuses.push((await ask(server.port, names, { token: `bbbbbbbbbb${10 + index}` })).status);
  }
  assert.is(statuses.filter((status) => status === 200).length, 20);
  assert.is((await ask(server.port, names, { token })).body.错误, '');
  // Not from the limited address alone: another address may ask.
  assert.is((await server.login.account('cccccccccccc', '192.0.2.7')).kind, 'unknown');
  clock.advance(1000);
  assert.is((await ask(server.port, names, { token: 'cccccccccccc' })).status, 200);
});

test('one /64 of IPv6 is one address, and an IPv4 address in IPv6 clothes is itself', async () => {
  const { login } = await start();
  let heard = 0;
  for (let index = 0; index < 40; index++) {
    if ((await login.account(`${100000000000 + index}`, `2001:db8:1:2::${index.toString(16)}`)).kind === 'unknown')
      heard++;
  }
  assert.is(heard, 21);
  assert.is((await login.account('aaaaaaaaaaaa', '2001:db8:1:3::1')).kind, 'unknown');
  for (let index = 0; index < 30; index++) await login.account(`${200000000000 + index}`, '192.0.2.1');
  assert.is((await login.account('dddddddddddd', '::ffff:192.0.2.1')).kind, 'limited');
});

test.run();
