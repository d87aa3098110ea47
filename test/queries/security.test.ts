import { request } from 'node:http';
import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultLoginLimits, wirePassword } from '../../src/accounts/index.ts';
import { HoldfastError } from '../../src/errors.ts';
import { systemClock } from '../../src/platform/index.ts';
import { Gate } from '../../src/protocols/machines/queries/gate.ts';
import { defaultQueryLimits } from '../../src/protocols/machines/queries/index.ts';
import type { DocumentStore } from '../../src/store/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  ask,
  base,
  encoded,
  error,
  errorCollection,
  process,
  processCollection,
  recordingLogger,
  type ServerOptions,
  sqlite,
  startMs,
  startQueries,
  storeReports,
} from './support.ts';

const test = suite('HTTP queries: security');
const hash = (plain: string) => wirePassword(plain, 'sha256');
const ends: (() => Promise<void>)[] = [];
test.after.each(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(options: ServerOptions = {}, wrap: (store: DocumentStore) => DocumentStore = (store) => store) {
  const store = await sqlite.open();
  ends.push(() => store.stop());
  const server = await startQueries(wrap(store), options);
  ends.push(() => server.http.stop());
  await storeReports(store, 'base', [base('sn1', '我', '机器'), base('sn2', '别人', '机器')]);
  await storeReports(store, processCollection, [process('sn1', 0), process('sn2', 0)]);
  await storeReports(store, errorCollection, [error('sn1', 0, '故障', '甲'), error('sn2', 0, '故障', '乙')]);
  await server.addAccount('me', ['我'], 'authorizer');
  return server;
}

/** What people try, in every place where a text may stand. */
const injections = [
  '{"$gt":""}',
  '{"$ne":null}',
  '$where',
  'sn1\u0000',
  "sn1' OR '1'='1",
  '["sn1","sn2"]',
  '%',
  '*',
  '__proto__',
  'sn2',
  '别人',
  'x'.repeat(6000),
  '-1',
  '1e9',
  '\u202e',
  '../sn2',
];

test('no parameter of any path lets anything through', async () => {
  const server = await start();
  server.authorizations.until.set('sn2', 'secret');
  const token = await server.logIn('me');
  const parameters: Record<string, string[]> = {
    'base/customer/devices': ['客户', 'customer'],
    'base/sn': ['sn'],
    'base/device': ['机器名称', 'device', '客户', 'customer'],
    'process/sn': ['sn', 'skip', 'limit', 'min_time', 'max_time'],
    'error/sn': ['sn', 'skip', 'limit', 'error', 'warn', 'prompt'],
    'auth/sn': ['sn', 'time'],
  };
  for (const [path, names] of Object.entries(parameters)) {
    for (const name of names) {
      for (const value of injections) {
        const others = name === 'sn' || !names.includes('sn') ? '' : '&sn=sn1';
        const plain = `${encoded({ [name]: value })}${others}`;
        const operator = `${encodeURIComponent(`${name}[$ne]`)}=x${others}`;
        const twice = `${encoded({ [name]: 'x' })}&${plain}`;
        for (const query of [plain, operator, twice]) {
          const { status, text, body } = await ask(server.port, `/deviceInfo/${path}`, `${query}&token=${token}`);
          assert.is(status, 200, `${path} ${query.slice(0, 100)}`);
          assert.ok(body !== undefined && typeof body.错误 === 'string', text);
          for (const foreign of ['sn2', '别人', '乙', 'secret'])
            assert.not.ok(text.includes(foreign), `${path} ${query}`);
          const isDefault = query === operator || (name === 'time' && value === '-1');
          if (!isDefault) assert.is(body.错误, '参数查询为空', `${path} ${query.slice(0, 100)}`);
        }
      }
    }
  }
  // What is allowed, of the account's own machine, and nothing else.
  assert.ok(server.authorizations.changes.every(({ serial, days }) => serial === 'sn1' && days === -1));
});

test('no login and no token gets in by injection', async () => {
  const server = await start({ loginLimits: lenient });
  const names = '/deviceInfo/base/customer/names';
  for (const value of [...injections, 'me', '']) {
    const login = await ask(server.port, '/login/', { name: 'me', passwd: value });
    assert.is(login.body.token, '', value);
    assert.is(
      (await ask(server.port, '/login/', { name: value, passwd: hash("me's") })).body.token !== '',
      value === 'me',
    );
    assert.is((await ask(server.port, '/login/', `name[$ne]=x&passwd[$ne]=x`)).body.token, '');
    assert.is((await ask(server.port, names, { token: value })).body.错误, 'token已失效，请重新登录', value);
    const cookie = `holdfast_machines=${encodeURIComponent(value)}`;
    assert.is((await ask(server.port, names, {}, { cookie })).body.错误, 'token已失效，请重新登录', value);
  }
});

const lenient = {
  perAddress: { ...defaultLoginLimits.perAddress, free: 1e9 },
  perAccount: { ...defaultLoginLimits.perAccount, free: 1e9 },
  tokens: { ...defaultLoginLimits.tokens, free: 1e9 },
};

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

test('a login without TLS is refused where that is not allowed, with a text that says why', async () => {
  const server = await start({ mayBePlain: () => false });
  const { status, body, headers } = await ask(server.port, '/login/', { name: 'me', passwd: hash("me's") });
  assert.is(status, 200);
  const text = '此网络不允许通过HTTP明文登录，请使用HTTPS';
  assert.equal(body, { 错误: text, error: text, 登录结果: '失败', token: '' });
  assert.is(headers['set-cookie'], undefined);
});

test('no token, password or query string reaches the log, whatever fails', async () => {
  const { logger, lines } = recordingLogger();
  let isBroken = false;
  const broken = (store: DocumentStore) =>
    new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...words: unknown[]) => {
          if (!isBroken) return value.apply(target, words);
          throw new HoldfastError('database-unreachable', 'mongodb://user:geheim@db is away');
        };
      },
    });
  const server = await start({ logger, mayBePlain: (address) => address !== undefined }, broken);
  const token = await server.logIn('me');
  const password = hash("me's");
  const asked = async () => {
    await ask(server.port, '/login', { name: 'me', passwd: password });
    await ask(server.port, '/login', { name: 'me', passwd: hash('wrong') });
    for (const path of ['base/customer/names', 'base/sn', 'process/sn', 'error/sn', 'auth/sn', 'logout', 'none']) {
      await ask(server.port, `/deviceInfo/${path}`, { token: 'eeeeeeeeeeee', sn: 'sn1' });
      const { text } = await ask(server.port, `/deviceInfo/${path}`, { token, sn: 'sn1', skip: 'query-string' });
      assert.not.ok(text.includes('geheim'), text);
    }
  };
  await asked();
  isBroken = true;
  await asked();
  assert.ok(lines.length > 5, 'failures are logged');
  const log = lines.join('\n');
  for (const secret of [token, password, hash('wrong'), 'eeeeeeeeeeee', 'query-string', 'passwd', "me's"]) {
    assert.not.ok(log.includes(secret), secret);
  }
});

test('the database’s error is answered in 错误, and the next query as if nothing had been', async () => {
  let isBroken = false;
  const flaky = (store: DocumentStore) =>
    new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (name !== 'find' || !isBroken) return typeof value === 'function' ? value.bind(target) : value;
        return () => Promise.reject(new HoldfastError('database-unreachable', 'the database does not answer'));
      },
    });
  const server = await start({}, flaky);
  const token = await server.logIn('me');
  isBroken = true;
  for (const path of ['base/sn', 'process/sn', 'error/sn', 'auth/sn', 'base/customer/devices']) {
    const { status, body } = await ask(server.port, `/deviceInfo/${path}`, { token, sn: 'sn1', customer: '我' });
    assert.is(status, 200);
    assert.is(body.错误, 'the database does not answer');
  }
  const login = await ask(server.port, '/login', { name: 'me', passwd: hash("me's") });
  assert.is(login.body.error, 'the database does not answer');
  assert.is(login.body.token, '');
  isBroken = false;
  assert.is((await ask(server.port, '/deviceInfo/base/sn', { token, sn: 'sn1' })).body.错误, '');
});

test('queries of one account are limited in rate and in number at once', async () => {
  const clock = new ManualClock(startMs);
  const server = await start({ clock, limits: { ratePerSecond: 5 } });
  const token = await server.logIn('me');
  const answers: number[] = [];
  for (let index = 0; index < 8; index++)
    answers.push((await ask(server.port, '/deviceInfo/base/sn', { token, sn: 'sn1' })).status);
  assert.equal(answers, [200, 200, 200, 200, 200, 429, 429, 429]);
  clock.advance(1000);
  assert.is((await ask(server.port, '/deviceInfo/base/sn', { token, sn: 'sn1' })).status, 200);
});

test('clients that leave in mid-answer pile up nothing at the store', async () => {
  let finds = 0;
  let atOnce = 0;
  let most = 0;
  const held: (() => void)[] = [];
  let isHeld = false;
  const slow = (store: DocumentStore) =>
    new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        if (name !== 'find') return value.bind(target);
        return async (...words: [{ collection: string }]) => {
          if (isHeld && words[0].collection === 'device_process') {
            finds++;
            most = Math.max(most, ++atOnce);
            await new Promise<void>((resolve) => held.push(resolve));
            atOnce--;
          }
          return value.apply(target, words);
        };
      },
    });
  const server = await start({ limits: { perAccount: 4 } }, slow);
  const token = await server.logIn('me');
  isHeld = true;
  for (let index = 0; index < 40; index++) {
    const query = encoded({ token, sn: 'sn1', limit: 1000 });
    const leaving = request({ host: '127.0.0.1', port: server.port, path: `/deviceInfo/process/sn/?${query}` });
    leaving.on('error', () => {});
    leaving.end();
    await new Promise((resolve) => setTimeout(resolve, 5));
    leaving.destroy();
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.is(most, 4);
  assert.is(finds, 4);
  isHeld = false;
  for (const release of held.splice(0)) release();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.is((await ask(server.port, '/deviceInfo/process/sn', { token, sn: 'sn1' })).body.信息.length, 1);
  assert.is(finds, 4);
});

test('a client that does not read its answer keeps its place, and is cut off', async () => {
  const server = await start({ limits: { perAccount: 1, stalledMs: 1000 } });
  const token = await server.logIn('me');
  const reports = Array.from({ length: 40 }, (_, index) => process('sn1', 10 + index, { 备注: 'x'.repeat(400_000) }));
  await storeReports(server.store, processCollection, reports);
  const socket = connect({ port: server.port, host: '127.0.0.1' });
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(`GET /deviceInfo/process/sn/?${encoded({ token, sn: 'sn1', limit: 1000 })} HTTP/1.1\r\nHost: x\r\n\r\n`);
  // Its first bytes and no more: what the kernel does not take stays in the memory of the server.
  await new Promise((resolve) => socket.once('readable', resolve));
  const other = () => ask(server.port, '/deviceInfo/base/sn', { token, sn: 'sn1' });
  assert.is((await other()).status, 429);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  assert.is((await other()).status, 200);
  socket.resume();
  await closed;
  assert.ok(socket.bytesRead < 15_000_000, `${socket.bytesRead} bytes were sent`);
});

test('answers to pipelined queries give their places back, read or not', async () => {
  const server = await start({ limits: { perAccount: 8 } });
  const token = await server.logIn('me');
  const query = `GET /deviceInfo/base/sn/?${encoded({ token, sn: 'sn1' })} HTTP/1.1\r\nHost: x\r\n\r\n`;
  for (let round = 0; round < 5; round++) {
    const socket = connect({ port: server.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    await new Promise<void>((resolve) => socket.write(query.repeat(8), () => resolve()));
    if (round % 2 === 0) await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => ask(server.port, '/deviceInfo/base/sn', { token, sn: 'sn1' })),
  );
  assert.ok(
    answers.every(({ status }) => status === 200),
    answers.map(({ status }) => status).join(' '),
  );
});

test('one account has one large answer under way at a time, and all of them so many', async () => {
  const gate = new Gate(systemClock(), { ...defaultQueryLimits, largeInAll: 2 });
  const begun: string[] = [];
  const grow = (name: string) => {
    const place = gate.enter(name[0]!)!;
    void place.grow().then(() => begun.push(name));
    return place;
  };
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const [a1, a2, b1] = [grow('a1'), grow('a2'), grow('b1'), grow('c1')];
  await turn();
  assert.equal(begun, ['a1', 'b1']);
  a1.leave();
  a1.leave();
  await turn();
  assert.equal(begun, ['a1', 'b1', 'a2']);
  // Who gives up while waiting or growing holds nothing back.
  a2.leave();
  b1.leave();
  await turn();
  assert.equal(begun, ['a1', 'b1', 'a2', 'c1']);
});

test('nothing of a URL comes back with what is not there', async () => {
  const server = await start();
  const token = await server.logIn('me');
  const { status, text } = await ask(server.port, '/deviceInfo/none', { token });
  assert.is(status, 404);
  assert.not.ok(text.includes(token), text);
});

test('a URL that is too long, or no URL at all, is refused and leaves the server as it was', async () => {
  const server = await start();
  const token = await server.logIn('me');
  const long = await ask(server.port, '/deviceInfo/base/sn', { token, sn: 'x'.repeat(40_000) });
  assert.is(long.status, 431);
  const raw = await new Promise<string>((resolve) => {
    const socket = connect(server.port, '127.0.0.1', () =>
      socket.write('GET /deviceInfo/base/sn/?sn=\x00\xff HTTP/1.1\r\nHost: x\r\n\r\n'),
    );
    socket.on('data', (bytes) => resolve(bytes.toString()));
    socket.on('close', () => resolve(''));
  });
  assert.match(raw, /^HTTP\/1\.1 400/);
  const broken = await ask(server.port, '/deviceInfo/base/sn', `sn=%E9%8&token=${token}&&&=&=x`);
  assert.is(broken.body.错误, '参数查询为空');
  assert.is((await ask(server.port, '/deviceInfo/base/sn', { token, sn: 'sn1' })).body.错误, '');
});

test.run();
