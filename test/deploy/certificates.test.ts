/** `deploy/certificates/make`: what it makes works with Node's TLS, and is renewed without losing the authority. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../support/temporary.ts';

const test = suite('deploy/certificates/make');
const program = join(import.meta.dirname, '../../deploy/certificates/make');
const make = (...words: string[]) => execFileSync('sh', [program, ...words], { encoding: 'utf8' });
const dayMs = 86_400_000;

function made(...words: string[]) {
  const out = temporaryFolder().file('out');
  make('--out', out, ...words);
  const read = (name: string) => readFileSync(join(out, name));
  return { out, read, certificate: (name: string) => new X509Certificate(read(name)) };
}

/** Serves with the server's files, and asks for a client certificate; resolves with what the client got. */
async function meet(out: string, servername: string, withClient = true): Promise<string> {
  const read = (name: string) => readFileSync(join(out, name));
  const server: Server = createServer({
    cert: read('server.crt'),
    key: read('server.key'),
    ca: read('ca.crt'),
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.end(socket.getPeerX509Certificate()!.subject);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  try {
    return await new Promise((resolve, reject) => {
      const socket = tlsConnect({
        host: '127.0.0.1',
        port,
        servername: /^[\d.]+$/.test(servername) ? '' : servername,
        ...(/^[\d.]+$/.test(servername) && { host: servername }),
        ca: read('ca.crt'),
        ...(withClient && { cert: read('client.crt'), key: read('client.key') }),
      });
      let text = '';
      socket.on('data', (part) => {
        text += part;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
    });
  } finally {
    server.close();
  }
}

const codeOf = (promise: Promise<string>) =>
  promise.then(
    (text) => text,
    (error: NodeJS.ErrnoException) => String(error.code),
  );

test('server and client trust each other by name and by address; a wrong name and no client certificate fail', async () => {
  const { out } = made('--client', 'gw-7', 'box.example', '127.0.0.1');
  assert.is(await meet(out, 'box.example'), 'CN=gw-7');
  assert.is(await meet(out, '127.0.0.1'), 'CN=gw-7');
  assert.is(await codeOf(meet(out, 'other.example')), 'ERR_TLS_CERT_ALTNAME_INVALID');
  assert.is(await codeOf(meet(out, 'box.example', false)), 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
});

test('without names it is for this computer', async () => {
  const { out, certificate } = made();
  const server = certificate('server.crt');
  for (const name of [hostname(), 'localhost']) assert.ok(server.checkHost(name), name);
  for (const address of ['127.0.0.1', '::1']) assert.ok(server.checkIP(address), address);
  assert.is(await meet(out, 'localhost'), 'CN=gateway');
});

test('keys are P-256 and for the owner only, lifetimes and purposes are what they should be', () => {
  const { out, read, certificate } = made('box.example');
  assert.equal(readdirSync(out).toSorted(), [
    'ca.crt',
    'ca.key',
    'client.crt',
    'client.key',
    'server.crt',
    'server.key',
  ]);
  assert.is(statSync(out).mode & 0o777, 0o700);
  for (const name of ['ca', 'server', 'client']) {
    assert.is(statSync(join(out, `${name}.key`)).mode & 0o777, 0o600);
    assert.is(statSync(join(out, `${name}.crt`)).mode & 0o777, 0o644);
    const key = createPrivateKey(read(`${name}.key`));
    assert.is(key.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.ok(certificate(`${name}.crt`).checkPrivateKey(key));
  }
  const [ca, server, client] = ['ca.crt', 'server.crt', 'client.crt'].map(certificate) as [
    X509Certificate,
    X509Certificate,
    X509Certificate,
  ];
  const days = (one: X509Certificate) => Math.round((Date.parse(one.validTo) - Date.parse(one.validFrom)) / dayMs);
  assert.equal([ca, server, client].map(days), [3650, 825, 825]);
  assert.equal([ca.ca, server.ca, client.ca], [true, false, false]);
  assert.equal(server.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  assert.equal(client.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  assert.ok(server.verify(ca.publicKey) && client.verify(ca.publicKey));
});

test('run again it keeps the authority and renews the others, which the old authority file still verifies', async () => {
  const { out, certificate } = made('box.example');
  const [ca, server, client] = ['ca.crt', 'server.crt', 'client.crt'].map((name) => certificate(name).fingerprint256);
  const said = make('--out', out, '--days', '90', 'box.example', 'second.example');
  assert.match(said, /kept .*ca\.crt\nrenewed .*server\.crt \(DNS:box\.example,DNS:second\.example\)\nrenewed/);
  assert.is(certificate('ca.crt').fingerprint256, ca);
  assert.is.not(certificate('server.crt').fingerprint256, server);
  assert.is.not(certificate('client.crt').fingerprint256, client);
  assert.is(await meet(out, 'second.example'), 'CN=gateway');
  assert.equal(
    readdirSync(out).filter((name) => name.startsWith('.')),
    [],
  );
});

test('half an authority is not replaced, and wrong words are refused with exit code 2', () => {
  const { out } = made('box.example');
  rmSync(join(out, 'ca.key'));
  const half = spawnSync('sh', [program, '--out', out, 'box.example'], { encoding: 'utf8' });
  assert.is(half.status, 1);
  assert.match(half.stderr, /one is missing/);
  for (const words of [['--days', 'many'], ['--dyas', '3'], ['--out'], ['a b;rm'], ['--client', 'x/CN=y']]) {
    const { status, stderr } = spawnSync('sh', [program, ...words], { encoding: 'utf8', cwd: temporaryFolder().path });
    assert.is(status, 2, words.join(' '));
    assert.match(stderr, /^make: /);
  }
  assert.match(make('--help'), /^Usage: /);
});

test('a certificate never outlives its authority', () => {
  const out = temporaryFolder().file('out');
  make('--out', out, '--ca-days', '100', '--days', '90', 'box.example');
  const { status, stderr } = spawnSync('sh', [program, '--out', out, 'box.example'], { encoding: 'utf8' });
  assert.is(status, 1);
  assert.match(stderr, /ends before/);
});

test.run();
