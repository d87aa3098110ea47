import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ask,
  base,
  clockText,
  error,
  errorCollection,
  mongo,
  process,
  processCollection,
  type StoreKind,
  sqlite,
  startQueries,
  storeReports,
} from './support.ts';

const mongodb = await mongo();
const empty = '参数查询为空';
const stale = 'token已失效，请重新登录';

/** Two customers of 重庆 and one of 深圳; accounts for each view. */
async function site(kind: StoreKind) {
  const store = await kind.open();
  const server = await startQueries(store);
  await storeReports(store, 'base', [
    base('sn000001', '重庆达优', '重庆1号机', { 操作软件版本: 'V1', 层: 1.5, 批: 12345678901234567890n.toString() }),
    base('sn000002', '重庆达优', '重庆2号机'),
    base('sn000003', '深圳领航', '重庆1号机'),
    base('sn000001', '重庆达优', '重庆1号机', { 操作软件版本: 'V2', _secret: 'x', 错误: 'mine' }),
  ]);
  await storeReports(
    store,
    processCollection,
    Array.from({ length: 30 }, (_, index) => process('sn000001', index, { 序: index })),
  );
  await storeReports(store, processCollection, [process('sn000003', 0)]);
  await storeReports(store, errorCollection, [
    error('sn000001', 1, '故障', '电机运动超时'),
    error('sn000001', 2, '报警', '温度高'),
    error('sn000001', 3, '提示', '请加粉'),
    error('sn000001', 4, '未知等级', '新机型'),
    error('sn000003', 1, '故障', '别家的'),
  ]);
  await server.addAccount('全部', ['*'], 'authorizer');
  await server.addAccount('重庆', ['重庆达优', '没有机器的客户']);
  await server.addAccount('空', []);
  const all = await server.logIn('全部');
  const chongqing = await server.logIn('重庆');
  const none = await server.logIn('空');
  const close = async () => {
    await server.http.stop();
    await store.stop();
  };
  return { ...server, all, chongqing, none, close };
}

type Site = Awaited<ReturnType<typeof site>>;

function tests(kind: StoreKind): void {
  const test = suite(`HTTP queries over ${kind.name}`);
  let s: Site;
  test.before(async () => {
    s = await site(kind);
  });
  test.after(async () => {
    await s.close();
    await kind.close();
  });
  const get = async (path: string, query: Record<string, string | number> | string, token = s.all) => {
    const pairs = typeof query === 'string' ? `${query}&token=${token}` : { ...query, token };
    return (await ask(s.port, `/deviceInfo/${path}/`, pairs)).body;
  };

  test('a login answers the four keys and a token of 12 characters', async () => {
    assert.match(s.all, /^[0-9a-f]{12}$/);
    const wrong = await ask(s.port, '/login', { 账号名: '全部', 密码: 'x' });
    assert.is(wrong.status, 200);
    assert.equal(wrong.body, { 错误: '账号或密码错误', error: '账号或密码错误', 登录结果: '失败', token: '' });
  });

  test('every path refuses a missing, wrong and foreign token, with or without a trailing slash', async () => {
    for (const path of [
      'base/customer/names',
      'base/customer/devices',
      'base/sn',
      'base/device',
      'process/sn',
      'error/sn',
      'auth/sn',
    ]) {
      for (const query of ['', 'token=', 'token=000000000000', 'token=%7B%22%24gt%22%3A%22%22%7D', 'token[$gt]=']) {
        for (const slash of ['', '/']) {
          const { status, body } = await ask(s.port, `/deviceInfo/${path}${slash}`, query);
          assert.is(status, 200);
          assert.is(body.错误, stale, `${path} ${query}`);
        }
      }
    }
  });

  test('customer names: those that the account may see and that have a machine', async () => {
    assert.equal(await get('base/customer/names', {}), {
      错误: '',
      客户列表: [{ 客户: '深圳领航' }, { 客户: '重庆达优' }],
    });
    assert.equal(await get('base/customer/names', {}, s.chongqing), { 错误: '', 客户列表: [{ 客户: '重庆达优' }] });
    assert.equal(await get('base/customer/names', {}, s.none), { 错误: empty, 客户列表: [] });
  });

  test('the machines of a customer', async () => {
    const devices = [
      { 序列号: 'sn000001', 机器名称: '重庆1号机' },
      { 序列号: 'sn000002', 机器名称: '重庆2号机' },
    ];
    assert.equal(await get('base/customer/devices', { 客户: '重庆达优' }), { 错误: '', 设备列表: devices });
    assert.equal(await get('base/customer/devices', { customer: '重庆达优' }, s.chongqing), {
      错误: '',
      设备列表: devices,
    });
    for (const query of [{ customer: '深圳领航' }, { customer: '无' }, {}]) {
      assert.equal(await get('base/customer/devices', query, s.chongqing), { 错误: empty, 设备列表: [] });
    }
  });

  test('quotes around names and values, ASCII and full-width, are removed once', async () => {
    const name = encodeURIComponent('“重庆达优”');
    const key = encodeURIComponent('"客户"');
    const { body } = await ask(s.port, '/deviceInfo/base/customer/devices/', `${key}=${name}&token=%22${s.all}%22`);
    assert.is(body.错误, '');
    assert.is((await get('base/sn', 'sn=%EF%BC%82sn000002%EF%BC%82')).序列号, 'sn000002');
    assert.is((await get('base/sn', 'sn=%22%22sn000002%22%22')).错误, empty);
  });

  test('the newest base information, flat, without any key of ours', async () => {
    const answer = await get('base/sn', { sn: 'sn000001' });
    assert.is(answer.错误, '');
    assert.is(answer.操作软件版本, 'V2');
    assert.equal(
      Object.keys(answer).filter((key) => key.startsWith('_')),
      [],
    );
    assert.is(answer['＿secret'], 'x');
    assert.equal(Object.keys(answer).slice(0, 3), ['错误', '序列号', '机器型号']);
    assert.is((await get('base/sn', { sn: 'sn000003' }, s.chongqing)).错误, empty);
    assert.equal(await get('base/sn', { sn: 'unknown' }), { 错误: empty });
    assert.equal(await get('base/sn', {}), { 错误: empty });
  });

  test('base information by the name of a machine, of a customer, of both', async () => {
    // Of one name at two customers: accepted last.
    assert.is((await get('base/device', { 机器名称: '重庆1号机' })).序列号, 'sn000001');
    assert.is((await get('base/device', { device: '重庆1号机', 客户: '深圳领航' })).序列号, 'sn000003');
    assert.is((await get('base/device', { device: '重庆1号机' }, s.chongqing)).序列号, 'sn000001');
    assert.is((await get('base/device', { 客户: '重庆达优' })).序列号, 'sn000001');
    assert.equal(await get('base/device', { device: '重庆1号机', 客户: '深圳领航' }, s.chongqing), { 错误: empty });
    assert.equal(await get('base/device', { device: '重庆1号机' }, s.none), { 错误: empty });
    assert.equal(await get('base/device', {}), { 错误: empty });
  });

  test('process reports: newest first, in pages', async () => {
    const first = await get('process/sn', { sn: 'sn000001' });
    assert.is(first.错误, '');
    assert.equal(
      first.信息.map((item: { 序: number }) => item.序),
      Array.from({ length: 20 }, (_, index) => 29 - index),
    );
    assert.equal(Object.keys(first.信息[0]), [...Object.keys(process('', 0)), '序']);
    const newest = await get('process/sn', { sn: 'sn000001', skip: 0, limit: 1 });
    assert.equal(
      newest.信息.map((item: { 序: number }) => item.序),
      [29],
    );
    const last = await get('process/sn', { sn: 'sn000001', skip: 25, limit: 1000000 });
    assert.is(last.信息.length, 5);
    for (const query of [
      { skip: 30 },
      { limit: 0 },
      { skip: -1 },
      { limit: -1 },
      { skip: 'x' },
      { limit: '1e3' },
      { skip: 10000001 },
    ]) {
      assert.equal(
        await get('process/sn', { sn: 'sn000001', ...query }),
        { 错误: empty, 信息: [] },
        JSON.stringify(query),
      );
    }
    assert.equal(await get('process/sn', { sn: 'sn000003' }, s.chongqing), { 错误: empty, 信息: [] });
    assert.equal(await get('process/sn', {}), { 错误: empty, 信息: [] });
  });

  test('process reports within times, both ends inclusive, either alone', async () => {
    const at = (second: number) => Date.parse('2024-03-18T07:30:00Z') / 1000 + second;
    const numbers = async (query: Record<string, string | number>) =>
      (await get('process/sn', { sn: 'sn000001', limit: 100, ...query })).信息.map((item: { 序: number }) => item.序);
    assert.equal(await numbers({ min_time: at(10), max_time: at(12) }), [12, 11, 10]);
    assert.equal(await numbers({ min_time: at(28) }), [29, 28]);
    assert.equal(await numbers({ max_time: at(1) }), [1, 0]);
    for (const query of [
      { min_time: -1 },
      { max_time: 'x' },
      { min_time: at(12), max_time: at(10) },
      { min_time: '999999999999999' },
    ]) {
      assert.is((await get('process/sn', { sn: 'sn000001', ...query })).错误, empty, JSON.stringify(query));
    }
  });

  test('errors: by level, all without one; an unknown level is told as a hint', async () => {
    const told = async (query: Record<string, string | number>) =>
      (await get('error/sn', { sn: 'sn000001', ...query })).信息.map((item: object) => Object.keys(item)[0]);
    assert.equal(await get('error/sn', { sn: 'sn000001', error: 1 }), {
      错误: '',
      信息: [{ 故障: '电机运动超时', 报文时间: clockText(1) }],
    });
    assert.equal(await told({}), ['提示', '提示', '报警', '故障']);
    assert.equal(await told({ error: 1, warn: 1, prompt: 1 }), ['提示', '报警', '故障']);
    assert.equal(await told({ warn: 1, error: 0 }), ['报警']);
    assert.equal(await told({ prompt: 1, error: 1, skip: 1, limit: 5 }), ['故障']);
    for (const query of [{ error: 2 }, { warn: 'true' }, { prompt: -1 }, { skip: -1 }, { limit: 'x' }]) {
      assert.equal(
        await get('error/sn', { sn: 'sn000001', ...query }),
        { 错误: empty, 信息: [] },
        JSON.stringify(query),
      );
    }
    assert.is((await get('error/sn', { sn: 'sn000003' }, s.chongqing)).错误, empty);
  });

  test('an authorization is read by all who see the machine and set by 授权管理 alone', async () => {
    s.authorizations.until.set('sn000001', '2024-03-18 15:30:45').set('sn000003', 'x');
    const known = { 错误: '', 序列号: 'sn000001', 授权截止时间: '2024-03-18 15:30:45' };
    assert.equal(await get('auth/sn', { sn: 'sn000001' }), known);
    assert.equal(await get('auth/sn', { sn: 'sn000001', time: 0 }, s.chongqing), known);
    assert.equal(await get('auth/sn', { sn: 'sn000003' }, s.chongqing), { 错误: empty });
    assert.equal(await get('auth/sn', { sn: 'sn000002' }), { 错误: empty });
    assert.equal(await get('auth/sn', { sn: 'sn000001', time: 120 }, s.chongqing), { 错误: '此账号没有授权管理权限' });
    assert.equal(s.authorizations.changes, []);
    assert.equal(await get('auth/sn', { sn: 'sn000001', time: -36500 }), {
      错误: '',
      序列号: 'sn000001',
      授权截止时间: 'day -36500',
    });
    assert.equal(s.authorizations.changes, [{ serial: 'sn000001', days: -36500, by: '全部' }]);
    for (const time of [36501, -36501, 'x', '1.5']) {
      assert.equal(await get('auth/sn', { sn: 'sn000001', time }), { 错误: empty }, String(time));
    }
    s.authorizations.outcome = 'unknown';
    assert.equal(await get('auth/sn', { sn: 'sn000001', time: 1 }), { 错误: empty });
    s.authorizations.outcome = 'offline';
    assert.equal(await get('auth/sn', { sn: 'sn000001', time: 1 }), { 错误: '网络不通，请在中心设置' });
    assert.is(s.authorizations.changes.length, 3);
  });

  test('a session ends at logout and lives from its cookie, but not for a page of another site', async () => {
    const answer = await ask(s.port, '/login', { name: '重庆', passwd: '' });
    assert.is(answer.headers['set-cookie'], undefined);
    const token = await s.logIn('重庆');
    const cookie = `other=1; holdfast_machines=${token}`;
    const names = '/deviceInfo/base/customer/names';
    assert.is((await ask(s.port, names, {}, { cookie })).body.错误, '');
    assert.is((await ask(s.port, names, {}, { cookie, 'sec-fetch-site': 'cross-site' })).body.错误, stale);
    assert.is((await ask(s.port, '/deviceInfo/logout/', { token })).body.错误, '');
    assert.is((await ask(s.port, names, {}, { cookie })).body.错误, stale);
    assert.is((await ask(s.port, '/deviceInfo/logout', { token })).body.错误, stale);
  });

  test.run();
}

tests(sqlite);
tests(mongodb);
