import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import {
  type Bench,
  bench,
  benchWithEditor,
  EditorClient,
  type FlowNode,
  flow,
  once,
  probe,
  stopAll,
} from './support.ts';

const test = suite('editor');
let made: Bench & { client: EditorClient };
let port: number;

test.before(async () => {
  port = await freePort();
  made = await benchWithEditor({ port, flows: flow(once('i', 'p'), probe('p')) });
  made.accounts.add('reader', 'read');
});
test.after(stopAll);

test('a wrong password and an unknown name are refused, and whoever guesses waits', async () => {
  const client = new EditorClient(port);
  assert.is(await client.login('admin', 'wrong'), 403);
  assert.is(await client.login('nobody'), 403);
  assert.is(await client.login('impatient'), 429);
  for (const path of ['/flows', '/settings', '/nodes', '/credentials/mqtt-broker/x', '/context/global']) {
    assert.is((await client.request('GET', path)).status, 401, path);
  }
  // A right login comes through after them: no guesser shuts anybody out here.
  for (let i = 0; i < 7; i++) await client.login('admin', 'wrong');
  assert.is(await client.login('admin'), 200);
  assert.is((await client.request('GET', '/flows')).status, 200);
});

test('the gateway is told from which address', () => {
  assert.ok(made.accounts.addresses.length > 5);
  for (const address of made.accounts.addresses) assert.is(address, '127.0.0.1');
});

test('a reader sees the flow and changes nothing', async () => {
  const client = new EditorClient(port);
  assert.is(await client.login('reader'), 200);
  const flows = (await (await client.request('GET', '/flows')).json()) as FlowNode[];
  assert.is(flows.length, 3);
  const before = readFileSync(made.folder.file('flows/flows.json'), 'utf8');
  for (const [method, path, body] of [
    ['POST', '/flows', []],
    ['POST', '/flow', { nodes: [] }],
    ['DELETE', '/flow/tab', undefined],
    ['POST', '/inject/i', {}],
    ['POST', '/nodes', { module: 'node-red-node-random' }],
  ] as const) {
    assert.ok([401, 403, 404].includes((await client.request(method, path, body)).status), path);
  }
  assert.is(readFileSync(made.folder.file('flows/flows.json'), 'utf8'), before);
});

test('nobody installs nodes unless the configuration lets them', async () => {
  assert.is((await made.client.request('POST', '/nodes', { module: 'node-red-node-random' })).status, 404);
});

test('withheld nodes are not there, the others are', async () => {
  const response = await made.client.request('GET', '/nodes', undefined, { Accept: 'application/json' });
  const types = ((await response.json()) as { types: string[] }[]).flatMap((set) => set.types);
  for (const type of ['exec', 'file', 'file in', 'watch', 'tcp in', 'udp in', 'websocket in', 'http in', 'html']) {
    assert.not.ok(types.includes(type), type);
  }
  for (const type of ['inject', 'debug', 'function', 'switch', 'change', 'csv', 'mqtt in', 'http request', 'link in']) {
    assert.ok(types.includes(type), type);
  }
});

test('the page may not be framed, says not what runs it, and nobody else may read it', async () => {
  const { headers } = await fetch(`http://127.0.0.1:${port}/`, { headers: { Origin: 'http://elsewhere.example' } });
  assert.match(headers.get('content-security-policy')!, "frame-ancestors 'none'");
  assert.is(headers.get('x-frame-options'), 'DENY');
  assert.is(headers.get('x-powered-by'), null);
  assert.is(headers.get('access-control-allow-origin'), null);
});

test('credentials are encrypted, and are there again after a restart', async () => {
  const flows = flow({ id: 's', type: 'test-secret', credentials: { password: 'pass of a printer' } });
  await made.client.deploy(flows);
  await until(() => made.written().includes('secret pass of a printer'), 'the node has it');
  for (const name of readdirSync(made.folder.file('flows')).filter((file) => file.includes('.json'))) {
    assert.not.match(readFileSync(made.folder.file(`flows/${name}`), 'utf8'), 'pass of a printer');
  }
  await made.engine.stop();
  await made.engine.start();
  await until(
    () => made.written().filter((line) => line === 'secret pass of a printer').length === 2,
    'the node has it',
  );
  await until(() => made.engine.state.editor !== undefined, 'the editor is open');
  // The session is the gateway's, so it is still good.
  assert.is((await made.client.request('GET', '/flows')).status, 200);
});

test('an account that is removed is out within seconds, and its open page as well', async () => {
  const client = new EditorClient(port);
  made.accounts.add('leaver', '*');
  await client.login('leaver');
  const page = new WebSocket(`ws://127.0.0.1:${port}/comms`);
  await new Promise((resolve) => page.addEventListener('open', resolve));
  const closed = new Promise((resolve) => page.addEventListener('close', resolve));
  page.send(JSON.stringify({ auth: client.token }));
  await new Promise((resolve) => page.addEventListener('message', resolve, { once: true }));
  made.accounts.users.delete('leaver');
  await until(async () => (await client.request('GET', '/flows')).status === 401, 'it is out', 5000);
  await closed;
});

test('logging out ends the session', async () => {
  const client = new EditorClient(port);
  await client.login('admin');
  assert.is((await client.request('POST', '/auth/revoke', { token: client.token })).status, 200);
  assert.is((await client.request('GET', '/flows')).status, 401);
});

test('the port may be taken: the flows run, with an alarm', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const taken = (other.address() as { port: number }).port;
  const { engine, alarms } = bench({
    flows: flow(once('i', 'p'), probe('p')),
    config: `  editor: { enabled: true, host: 127.0.0.1, port: ${taken} }\n`,
  });
  await engine.start();
  await until(() => alarms.has('port-taken/flows.editor.port'), 'the alarm is there');
  await until(() => engine.state.state === 'running', 'it runs');
  await engine.stop();
  other.close();
});

test.run();
