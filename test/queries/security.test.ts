/** What no query, login or failure gives away. */
import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { wirePassword } from '../../src/accounts/index.ts';
import { HoldfastError } from '../../src/errors.ts';
import type { DocumentStore } from '../../src/store/index.ts';
import { guarded, lenient } from './guarded.ts';
import { ask, encoded, recordingLogger } from './support.ts';

const test = suite('HTTP queries: security');
const start = guarded(test);
const hash = (plain: string) => wirePassword(plain, 'sha256');

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

test('nothing of a URL comes back with what is not there', async () => {
  const server = await start();
  const token = await server.logIn('me');
  for (const [path, wanted] of [
    ['/deviceInfo/none', 404],
    ['/deviceInfo/%zz', 400],
  ] as const) {
    const { status, text } = await ask(server.port, path, { token });
    assert.is(status, wanted);
    assert.not.ok(text.includes(token), text);
  }
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
