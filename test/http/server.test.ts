import * as assert from 'node:assert/strict';
import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import { Agent, type IncomingHttpHeaders, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { suite } from 'uvu';
import { Access } from '../../src/broker/index.ts';
import { defaultHttpLimits, type Health, HttpServer, type HttpServerOptions } from '../../src/http/index.ts';
import { createCounters, Metrics } from '../../src/metrics.ts';
import { silentLogger, systemClock } from '../../src/platform/index.ts';
import { process, TestIntake } from '../broker/harness.ts';
import { testCertificates } from '../support/tls.ts';
import { pause, until } from '../support/until.ts';

const test = suite('HTTP server');
const fixture = (name: string) => readFileSync(new URL(`../fixtures/machines/${name}.json`, import.meta.url));
const report = fixture('process-preheated');
const running: HttpServer[] = [];
test.after.each(async () => {
  for (const server of running.splice(0)) await server.stop();
});

async function start({
  limits = {},
  ...options
}: Partial<Omit<HttpServerOptions, 'limits'>> & { limits?: object } = {}) {
  const intake = new TestIntake();
  const counters = createCounters();
  const clock = systemClock();
  const clients = [
    { username: 'sn000001', password: 'one' },
    { username: 'named', password: 'secret', serials: ['*'] },
  ];
  const server = new HttpServer({
    listen: { host: '127.0.0.1', port: 0, alsoListen: [], tls: undefined },
    access: new Access({ clients, anonymous: false, clock, maxFailuresPerMinute: 5 }),
    intake,
    mayBePlain: () => true,
    health: () => ({ ok: true, status: 'ok', lanes: { process: 1 } }),
    metrics: new Metrics({ counters, gauges: { spoolPending: () => new Map([['process', 3]]) } }),
    metricsToken: undefined,
    limits: { ...defaultHttpLimits, ratePerSecond: 0, ...limits },
    counters,
    clock,
    logger: silentLogger,
    ...options,
  });
  await server.start();
  running.push(server);
  return { server, intake, counters, port: server.ports.plain[0]! };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(options: RequestOptions & { body?: Buffer | string; secure?: boolean }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = options.secure === true ? requestHttps : requestHttp;
    const request = send({ host: '127.0.0.1', method: 'POST', ...options }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts).toString() }),
      );
    });
    request.on('error', reject);
    request.end(options.body);
  });
}

const path = `/reports/${process}`;
const auth = 'sn000001:one';

test('who begins no TLS has as long as for the headers of a request', async () => {
  const files = testCertificates();
  const tls = { port: 0, certificate: readFileSync(files.server.certificate), key: readFileSync(files.server.key) };
  const listen = { host: '127.0.0.1', port: 0, alsoListen: [], tls };
  const { server } = await start({ listen, limits: { headersTimeoutMs: 200 } });
  const socket = connect({ port: server.ports.tls!, host: '127.0.0.1' }).on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', () => resolve('closed')));
  socket.resume();
  assert.equal(await Promise.race([closed, pause(2000).then(() => 'open')]), 'closed');
});

test('figures are not there before there are any', async () => {
  const { port } = await start({ metrics: { contentType: 'text/plain', text: async () => undefined } });
  const answer = await ask({ port, path: '/metrics', method: 'GET' });
  assert.deepEqual([answer.status, JSON.parse(answer.body).error], [503, 'starting']);
});

test('a client that says nothing or half a request does not keep the server from stopping', async () => {
  const files = testCertificates();
  const tls = { port: 0, certificate: readFileSync(files.server.certificate), key: readFileSync(files.server.key) };
  const listen = { host: '127.0.0.1', port: 0, alsoListen: [], tls };
  const { server, port, intake } = await start({ listen, limits: { stopWithinMs: 300 } });
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${Buffer.from(auth).toString('base64')}\r\n`;
  const sockets = ['', head.slice(0, 20), `${head}Content-Length: 99\r\n\r\nx`].flatMap((text) =>
    [port, server.ports.tls!].map((each) => {
      const socket = connect({ port: each, host: '127.0.0.1' }).on('error', () => {});
      // Over TLS these are no handshake; the first one has not begun with it.
      socket.write(text);
      return socket;
    }),
  );
  const quiet = connectTls({ port: server.ports.tls!, host: '127.0.0.1', rejectUnauthorized: false });
  quiet.on('error', () => {});
  await new Promise<void>((resolve) => quiet.once('secureConnect', resolve));
  intake.mode = 'hold';
  const agent = new Agent({ keepAlive: true });
  const answering = ask({ port, path, auth, body: report, agent });
  await until(() => intake.heldCount === 1);
  const stopping = server.stop();
  await pause(50);
  intake.mode = 'store';
  intake.release();
  assert.equal((await answering).status, 202);
  assert.equal(await Promise.race([stopping.then(() => 'stopped'), pause(3000).then(() => 'waits')]), 'stopped');
  for (const socket of [...sockets, quiet]) socket.destroy();
  agent.destroy();
});

test('OPTIONS is answered on every path, and admits no other origin', async () => {
  const { port } = await start();
  for (const target of [path, '/healthz', '/login/?name=x', '/deviceInfo/base/sn']) {
    const answer = await ask({
      port,
      path: target,
      method: 'OPTIONS',
      headers: { origin: 'http://elsewhere.example' },
    });
    assert.deepEqual([answer.status, answer.headers.allow, answer.body], [204, 'GET, HEAD, POST, OPTIONS', '']);
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
  }
});

test('a report is answered 202 with its reply once it is stored, whatever its Content-Type', async () => {
  const { intake, port } = await start();
  const types = [
    undefined,
    'application/json',
    'text/plain; charset=gbk',
    'application/x-www-form-urlencoded',
    'nonsense',
  ];
  for (const type of types) {
    const headers = type === undefined ? {} : { 'content-type': type };
    const answer = await ask({ port, path, auth, headers, body: report });
    assert.equal(answer.status, 202, type);
    assert.equal(answer.body, fixture('reply-process').toString());
    assert.match(answer.headers['content-type'] ?? '', /application\/json; charset=utf-8/);
  }
  assert.equal(intake.accepted.length, types.length);
  assert.equal(intake.accepted[0]?.payload, report.toString());
  intake.mode = 'hold';
  let isAnswered = false;
  const waiting = ask({ port, path, auth, body: report }).then(() => {
    isAnswered = true;
  });
  await until(() => intake.heldCount === 1);
  await pause(20);
  assert.ok(!isAnswered);
  intake.release();
  await waiting;
});

test('who closes its half of the connection behind the request is answered; half a request is not taken', async () => {
  const { intake, port } = await start();
  const talk = (body: Buffer) =>
    new Promise<string>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      const length = `Content-Length: ${report.length}`;
      const authorization = `Authorization: Basic ${Buffer.from(auth).toString('base64')}`;
      socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\n${authorization}\r\n${length}\r\n\r\n`);
      socket.end(body);
      let answer = '';
      socket.on('data', (chunk) => {
        answer += chunk;
      });
      socket.on('close', () => resolve(answer));
      socket.on('end', () => socket.destroy());
    });
  intake.mode = 'hold';
  const answering = talk(report);
  await until(() => intake.heldCount === 1);
  await pause(20);
  intake.mode = 'store';
  intake.release();
  const answer = await answering;
  assert.match(answer, /^HTTP\/1\.1 202 /);
  assert.ok(answer.includes(fixture('reply-process').toString()));
  assert.match(await talk(report.subarray(0, 20)), /^(HTTP\/1\.1 400 |$)/);
  assert.equal(intake.accepted.length, 1);
});

test('a malformed or empty report is answered 400 with the reply', async () => {
  const { port } = await start();
  for (const body of [fixture('bad-wrong-type'), 'not json', '']) {
    const answer = await ask({ port, path, auth, body });
    assert.equal(answer.status, 400);
    assert.match(answer.body, /"错误":"报文格式错误"/);
  }
});

test('an authorization query is answered 200', async () => {
  const { port } = await start();
  const answer = await ask({ port, path: '/reports/device_auth/', auth, body: fixture('authorization') });
  assert.equal(answer.status, 200);
});

test('wrong credentials are 401, then 429; foreign machines 403; unknown channels 404', async () => {
  const { port, intake } = await start();
  const foreign = report.toString().replace('sn000001', 'sn000002');
  assert.equal((await ask({ port, path, auth, body: foreign })).status, 403);
  assert.equal((await ask({ port, path, auth: 'named:secret', body: foreign })).status, 202);
  assert.equal((await ask({ port, path: '/reports/gateway_event', auth, body: '{}' })).status, 404);
  assert.equal((await ask({ port, path: '/nothing?token=secret', auth })).status, 404);
  const odd = await ask({ port, path: '/reports/%zz?token=secret', auth });
  assert.deepEqual([odd.status, JSON.parse(odd.body).error, odd.body.includes('secret')], [400, 'bad-request', false]);
  const none = await ask({ port, path, body: report });
  assert.equal(none.status, 401);
  assert.match(none.headers['www-authenticate'] ?? '', /^Basic /);
  for (let attempt = 0; attempt < 5; attempt++) {
    assert.equal((await ask({ port, path, auth: `sn000001:${attempt}`, body: report })).status, 401);
  }
  const many = await ask({ port, path, auth, body: report });
  assert.equal(many.status, 429);
  assert.equal(JSON.parse(many.body).error, 'too-many-attempts');
  assert.equal(intake.accepted.length, 1);
});

test('a password is not taken over plain HTTP from elsewhere, and is over TLS', async () => {
  const files = testCertificates();
  const tls = { port: 0, certificate: readFileSync(files.server.certificate), key: readFileSync(files.server.key) };
  const listen = { host: '127.0.0.1', port: 0, alsoListen: [0], tls };
  const { server, port } = await start({ listen, mayBePlain: () => false });
  const plain = await ask({ port, path, auth, body: report });
  assert.deepEqual([plain.status, JSON.parse(plain.body).error], [403, 'needs-tls']);
  assert.equal(server.ports.plain.length, 2);
  const ca = readFileSync(files.ca);
  const secure = { port: server.ports.tls!, path, auth, body: report, secure: true, ca, servername: 'localhost' };
  assert.equal((await ask(secure)).status, 202);
});

test('a store failure is 503, a large body 413, a fast client 429', async () => {
  const { port, intake, counters } = await start({ limits: { maxBodyBytes: 2000, ratePerSecond: 20 } });
  intake.mode = 'fail';
  const failed = await ask({ port, path, auth, body: report });
  assert.deepEqual([failed.status, JSON.parse(failed.body).error], [503, 'not-stored']);
  intake.mode = 'store';
  const large = await ask({ port, path, auth, body: Buffer.alloc(2001, ' ') });
  assert.deepEqual([large.status, JSON.parse(large.body).error], [413, 'too-large']);
  const statuses = new Set<number>();
  for (let count = 0; count < 40; count++) statuses.add((await ask({ port, path, auth, body: report })).status);
  assert.deepEqual([...statuses].sort(), [202, 429]);
  assert.ok((counters.httpAnswers.get('429') ?? 0) > 0);
});

test('by the name localhost one server listens, with the same limits', async () => {
  // As on a computer whose hosts file gives both addresses to the name.
  const { lookup } = dns;
  const both = [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ];
  const answer = (_name: string, _options: object, done: (error: null, addresses: object) => void) => done(null, both);
  dns.lookup = Object.assign(
    (...words: Parameters<typeof answer>) => (words[0] === 'localhost' ? answer : (lookup as typeof answer))(...words),
    lookup,
  ) as typeof lookup;
  const { port } = await start({
    limits: { maxConnectionsPerAddress: 2 },
    listen: { host: 'localhost', port: 0, alsoListen: [], tls: undefined },
  }).finally(() => {
    dns.lookup = lookup;
  });
  const outcomes: string[] = [];
  const sockets = ['127.0.0.1', '127.0.0.1', '127.0.0.1', '::1'].map((host) => {
    const socket = connect({ port, host });
    socket.on('error', () => {});
    socket.on('close', () => outcomes.push(host));
    return socket;
  });
  await until(() => outcomes.length === 2);
  await pause(50);
  assert.deepEqual(outcomes.toSorted(), ['127.0.0.1', '::1']);
  for (const socket of sockets) socket.destroy();
});

test('one address cannot take the places of all', async () => {
  const { port } = await start({ limits: { maxConnectionsPerAddress: 3 } });
  const status = (agent: Agent, localAddress: string) =>
    ask({ port, path: '/healthz', method: 'GET', agent, localAddress }).then(
      ({ status }) => status,
      () => 'cut',
    );
  const held = [1, 2, 3].map(() => new Agent({ keepAlive: true, maxSockets: 1 }));
  for (const agent of held) assert.equal(await status(agent, '127.0.0.1'), 200);
  const other = new Agent();
  assert.equal(await status(other, '127.0.0.1'), 'cut');
  assert.equal(await status(other, '127.0.0.2'), 200);
  held[0]!.destroy();
  await until(async () => (await status(other, '127.0.0.1')) === 200);
  for (const agent of held) agent.destroy();
});

test('who is slow with the headers is closed', async () => {
  const { port } = await start({ limits: { headersTimeoutMs: 200, requestTimeoutMs: 300 } });
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('POST /reports/x HTTP/1.1\r\nHost: x\r\n');
  const drops = setInterval(() => socket.write('X-A: 1\r\n'), 50);
  socket.resume();
  await new Promise((resolve) => socket.on('close', resolve));
  clearInterval(drops);
});

test('health is 200 or 503, and details are for this computer', async () => {
  let health: Health = { ok: true, status: 'degraded', uplink: 'away' };
  const { port } = await start({ health: () => health });
  const ok = await ask({ port, path: '/healthz', method: 'GET' });
  assert.deepEqual([ok.status, JSON.parse(ok.body)], [200, health]);
  health = { ok: false, status: 'refusing' };
  assert.equal((await ask({ port, path: '/healthz', method: 'GET' })).status, 503);
});

test('figures are in the format of Prometheus', async () => {
  const { port, counters } = await start();
  counters.reportsAccepted = 5;
  counters.reportsRefused.set('malformed', 2);
  const { status, body } = await ask({ port, path: '/metrics', method: 'GET' });
  assert.equal(status, 200);
  assert.match(body, /^holdfast_reports_accepted_total 5$/m);
  assert.match(body, /^holdfast_reports_refused_total\{reason="malformed"\} 2$/m);
  assert.match(body, /^holdfast_spool_pending\{lane="process"\} 3$/m);
  counters.reportsAccepted = 6;
  assert.match((await ask({ port, path: '/metrics', method: 'GET' })).body, /^holdfast_reports_accepted_total 6$/m);
});

test('a taken port names its key and leaves nothing open; start and stop may be repeated', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as { port: number };
  const listen = { host: '127.0.0.1', port: 0, alsoListen: [port], tls: undefined };
  await assert.rejects(start({ listen }), { code: 'port-taken', message: /http\.alsoListen/ });
  await new Promise((resolve) => taken.close(resolve));
  const { server } = await start();
  await server.start();
  await server.stop();
  await server.stop();
});

test.run();
