/** Certificates in files: what is renewed is used without a restart, what is broken is not, and both are told. */
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Central, createCentral } from '../../src/central.ts';
import { loadConfig } from '../../src/config/index.ts';
import { isHoldfastError } from '../../src/errors.ts';
import { Gateway } from '../../src/gateway.ts';
import {
  type CertificateMaterial,
  Certificates,
  type Clock,
  certificateFingerprint,
  contextOptions,
  silentLogger,
  systemClock,
  type WatchedCertificate,
} from '../../src/platform/index.ts';
import { parseBrokerUrl, socketOptions, upstreamBrokerKeys, watchedTls } from '../../src/uplink/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { freePorts, type TemporaryFolder, temporaryFolder } from '../support/temporary.ts';
import { type CertificateFiles, testCertificates } from '../support/tls.ts';

const test = suite('certificates in files');
const made = testCertificates();
const inSeason = Date.parse('2026-11-01');

class Board {
  readonly active = new Map<string, Readonly<Record<string, unknown>>>();
  raise(code: string, details: Readonly<Record<string, unknown>>, subject: string): void {
    this.active.set(`${code} ${subject}`, details);
  }
  clear(code: string, subject: string): void {
    this.active.delete(`${code} ${subject}`);
  }
  get names(): string[] {
    return [...this.active.keys()];
  }
}

interface Stage {
  readonly folder: TemporaryFolder;
  readonly board: Board;
  readonly clock: Clock & Partial<ManualClock>;
  readonly certificates: Certificates;
  readonly watched: WatchedCertificate;
  readonly applied: CertificateMaterial[];
  readonly paths: CertificateFiles;
}

/** A certificate that is looked after; the looks are asked for. */
function stage(files: CertificateFiles = made.server, clock: Stage['clock'] = new ManualClock(inSeason)): Stage {
  const folder = temporaryFolder();
  const paths = { certificate: folder.file('chain.pem'), key: folder.file('key.pem') };
  put(files, paths);
  const board = new Board();
  const certificates = new Certificates({ clock, logger: silentLogger, alarms: board });
  const applied: CertificateMaterial[] = [];
  const watched = certificates.watch('http.tls', paths, (material) => applied.push(material));
  certificates.start();
  return { folder, board, clock, certificates, watched, applied, paths };
}

/** As tools do it: aside, then renamed into place. */
function put(files: Partial<CertificateFiles>, paths: CertificateFiles): void {
  for (const part of ['certificate', 'key'] as const) {
    const from = files[part];
    if (from === undefined) continue;
    copyFileSync(from, `${paths[part]}.new`);
    renameSync(`${paths[part]}.new`, paths[part]);
  }
}

test('a renewal is applied once, whole, by itself', async () => {
  const { certificates, applied, watched, paths, clock, board } = stage();
  put(made.renewed, paths);
  (clock as ManualClock).advance(5000);
  await certificates.stop();
  assert.is(applied.length, 1);
  assert.equal(applied[0]!.certificate, readFileSync(made.renewed.certificate));
  assert.equal(applied[0]!.key, readFileSync(made.renewed.key));
  assert.is(watched.current, applied[0]);
  await certificates.check();
  assert.is(applied.length, 1);
  assert.equal(board.names, []);
});

test('a renewal that is met between its two files is no alarm, and is taken when it is whole', async () => {
  const { certificates, applied, board, paths } = stage();
  put({ certificate: made.renewed.certificate }, paths);
  await certificates.check();
  assert.is(applied.length, 0);
  assert.equal(board.names, []);
  put({ key: made.renewed.key }, paths);
  await certificates.check();
  assert.is(applied.length, 1);
});

const mistakes: [name: string, text: RegExp, damage: (stage: Stage) => void][] = [
  ['a key of another certificate', /http\.tls\.key.*belong/, ({ paths }) => put({ key: made.client.key }, paths)],
  ['an expired one', /http\.tls\.certificate.*expired/, ({ paths }) => put(made.expired, paths)],
  ['one that is not yet valid', /not valid before 2099/, ({ paths }) => put(made.notYetValid, paths)],
  ['no PEM', /http\.tls\.certificate.*no PEM/, ({ paths }) => writeFileSync(paths.certificate, 'renew me')],
  ['an empty key', /http\.tls\.key.*no PEM/, ({ paths }) => writeFileSync(paths.key, '')],
  ['a missing file', /ENOENT/, ({ paths }) => rmSync(paths.certificate)],
  [
    'a chain cut off after its first certificate',
    /cut off/,
    ({ paths }) => {
      const chain = readFileSync(made.server.certificate, 'utf8') + readFileSync(made.ca, 'utf8');
      writeFileSync(paths.certificate, chain.slice(0, -100));
    },
  ],
];
for (const [name, text, damage] of mistakes) {
  test(`${name} is not used: alarm, and what was in use stays until it is right`, async () => {
    const all = stage();
    const { certificates, applied, board, watched, paths } = all;
    damage(all);
    await certificates.check();
    await certificates.check();
    assert.equal(applied, []);
    assert.equal(watched.current?.certificate, readFileSync(made.server.certificate));
    assert.equal(board.names, ['certificate-invalid http.tls']);
    const problem = String(board.active.get('certificate-invalid http.tls')!.problem);
    assert.match(problem, text);
    assert.not.match(problem, /BEGIN|PRIVATE KEY-/);
    put(made.renewed, paths);
    await certificates.check();
    assert.is(applied.length, 1);
    assert.equal(board.names, []);
  });
}

test('a server that refuses a certificate keeps its own', async () => {
  const { folder, paths, board } = stage();
  const certificates = new Certificates({ clock: new ManualClock(inSeason), logger: silentLogger, alarms: board });
  const watched = certificates.watch('mqtt.tls', paths, () => {
    throw new Error('ca md too weak');
  });
  certificates.start();
  put(made.renewed, paths);
  await certificates.check();
  await certificates.check();
  assert.equal(watched.current?.certificate, readFileSync(made.server.certificate));
  assert.match(String(board.active.get('certificate-invalid mqtt.tls')!.problem), /too weak/);
  folder.remove();
});

test('with a clock that is wrong a renewal is taken all the same', async () => {
  const { certificates, applied, paths } = stage(made.server, new ManualClock(0));
  put(made.renewed, paths);
  await certificates.check();
  assert.is(applied.length, 1);
});

test('the end is told 21 days before, in an alarm and in seconds', async () => {
  const clock = new ManualClock(Date.parse('2049-12-09T23:00:00Z'));
  const { certificates, board } = stage(made.server, clock);
  assert.equal(board.names, []);
  assert.is(certificates.secondsLeft.get('http.tls.certificate'), 21 * 86_400 + 3600);
  clock.setWall(Date.parse('2049-12-11T00:00:00Z'));
  await certificates.check();
  assert.equal(board.names, ['certificate-expiring http.tls.certificate']);
  assert.is(board.active.get('certificate-expiring http.tls.certificate')!.until, '2049-12-31T00:00:00.000Z');
  clock.setWall(Date.parse('2050-01-01T00:00:00Z'));
  assert.ok(certificates.secondsLeft.get('http.tls.certificate')! < 0);
});

test('a server does not start with files that cannot be used', () => {
  const certificates = new Certificates({ clock: systemClock(), logger: silentLogger, alarms: new Board() });
  const files = { certificate: made.server.certificate, key: made.client.key };
  try {
    certificates.watchServer('mqtt.tls', files, () => {});
    assert.unreachable();
  } catch (error) {
    assert.ok(isHoldfastError(error, 'configuration-invalid'), String(error));
    assert.match(error.message, /mqtt\.tls\.key/);
  }
});

test('a client has the newest that can be used at each connect', async () => {
  const clock = new ManualClock(inSeason);
  const folder = temporaryFolder();
  const paths = { certificate: folder.file('chain.pem'), key: folder.file('key.pem'), ca: made.ca };
  put(made.client, paths);
  const certificates = new Certificates({ clock, logger: silentLogger, alarms: new Board() });
  const url = 'amqps://broker.example';
  const tls = watchedTls(certificates, url, paths, upstreamBrokerKeys);
  const seen: (string | undefined)[] = [];
  const server = createServer({
    ...contextOptions({ ca: readFileSync(made.ca), ...readPair(made.server) }),
    requestCert: true,
  });
  server.on('secureConnection', (socket) => {
    seen.push(socket.getPeerX509Certificate()?.fingerprint256.replaceAll(':', '').toLowerCase());
    socket.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const connectNow = async () => {
    const address = { ...parseBrokerUrl(url), host: '127.0.0.1', port: portOf(server) };
    const socket = tlsConnect(socketOptions(address, tls, new AbortController().signal));
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
  };
  await connectNow();
  writeFileSync(paths.key, 'half writ');
  await certificates.check();
  await connectNow();
  put(made.renewed, paths);
  await certificates.check();
  await connectNow();
  server.close();
  const [first, second] = [made.client, made.renewed].map((files) =>
    certificateFingerprint(readFileSync(files.certificate)),
  );
  assert.equal(seen, [first, first, second]);
});

test('gateway and centre, by real sockets: old connections live on, new ones have the new certificate', async () => {
  const folder = temporaryFolder();
  const paths = { certificate: folder.file('chain.pem'), key: folder.file('key.pem') };
  put(made.server, paths);
  const [http, https, mqtt, mqtts, central] = (await freePorts(5)) as [number, number, number, number, number];
  const { config } = loadConfig({
    environment: {
      HOLDFAST_HTTP_HOST: '127.0.0.1',
      HOLDFAST_HTTP_PORT: String(http),
      HOLDFAST_HTTP_TLS_CERTIFICATE: paths.certificate,
      HOLDFAST_HTTP_TLS_KEY: paths.key,
      HOLDFAST_HTTP_TLS_PORT: String(https),
      HOLDFAST_MQTT_HOST: '127.0.0.1',
      HOLDFAST_MQTT_PORT: String(mqtt),
      HOLDFAST_MQTT_TLS_PORT: String(mqtts),
      HOLDFAST_MQTT_TLS_CERTIFICATE: paths.certificate,
      HOLDFAST_MQTT_TLS_KEY: paths.key,
      HOLDFAST_MQTT_TLS_CA: made.ca,
      HOLDFAST_CENTRAL_HTTP_HOST: '127.0.0.1',
      HOLDFAST_CENTRAL_HTTP_PORT: String(central),
      HOLDFAST_CENTRAL_HTTP_TLS_CERTIFICATE: paths.certificate,
      HOLDFAST_CENTRAL_HTTP_TLS_KEY: paths.key,
      HOLDFAST_CENTRAL_EMBEDDED: folder.file('documents'),
    },
  });
  const clock = systemClock();
  const gateway = new Gateway({ config, dataFolder: folder.file('data'), clock, logger: silentLogger });
  await gateway.start();
  const centre: Central = createCentral({
    config,
    clock,
    logger: silentLogger,
    dataFolder: folder.file('centre'),
    embeddedBroker: { host: '127.0.0.1', port: 0, gateways: [] },
  } as Parameters<typeof createCentral>[0]);
  await centre.start();
  try {
    const ports = [https, mqtts, central];
    const before = await Promise.all(ports.map((port) => open(port)));
    const first = certificateFingerprint(readFileSync(made.server.certificate));
    const second = certificateFingerprint(readFileSync(made.renewed.certificate));
    assert.equal(before.map(fingerprintOf), [first, first, first]);

    writeFileSync(paths.key, 'half writ');
    await gateway.reloadCertificates();
    await centre.reloadCertificates();
    const meanwhile = await Promise.all(ports.map((port) => open(port)));
    assert.equal(meanwhile.map(fingerprintOf), [first, first, first]);

    put(made.renewed, paths);
    await gateway.reloadCertificates();
    await centre.reloadCertificates();
    const after = await Promise.all(ports.map((port) => open(port)));
    assert.equal(after.map(fingerprintOf), [second, second, second]);

    for (const index of [0, 2]) assert.match(await ask(before[index]!), /^HTTP\/1\.1 200 /);
    // CONNECT without credentials: CONNACK refuses, so the connection of before was served.
    before[1]!.write(Buffer.from('100f00044d5154540402003c000361626d', 'hex'));
    assert.is((await firstBytes(before[1]!))[0], 0x20);
    for (const socket of [...before, ...meanwhile, ...after]) socket.destroy();

    const figures = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text();
    for (const file of ['http.tls.certificate', 'mqtt.tls.certificate', 'mqtt.tls.ca']) {
      assert.match(figures, new RegExp(`^holdfast_certificate_seconds\\{file="${file}"\\} \\d{8,}`, 'm'));
    }
    const stranger = await open(mqtts, made.stranger).then(
      async (socket) => (await firstBytes(socket)).length,
      () => 0,
    );
    assert.is(stranger, 0, 'a client certificate of another authority is let in');
    await refusesOldTls(https);
    await refusesOldTls(mqtts);
    await refusesOldTls(central);
  } finally {
    await centre.stop();
    await gateway.stop();
  }
});

test('files are looked at by themselves, by a clock that runs', async () => {
  const folder = temporaryFolder();
  const paths = { certificate: folder.file('chain.pem'), key: folder.file('key.pem') };
  put(made.server, paths);
  const certificates = new Certificates({
    clock: systemClock(),
    logger: silentLogger,
    alarms: new Board(),
    everyMs: 20,
  });
  const renewed = Promise.withResolvers<CertificateMaterial>();
  // The clock's timers do not keep the process alive.
  const alive = setInterval(() => {}, 1000);
  certificates.watch('http.tls', paths, renewed.resolve);
  certificates.start();
  put(made.renewed, paths);
  assert.equal((await renewed.promise).key, readFileSync(made.renewed.key));
  await certificates.stop();
  clearInterval(alive);
});

function open(port: number, client: CertificateFiles = made.client): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, ...contextOptions({ ca: readFileSync(made.ca), ...readPair(client) }) };
    const socket = tlsConnect(options, () => resolve(socket));
    socket.on('error', reject);
  });
}

function refusesOldTls(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect(
      {
        host: '127.0.0.1',
        port,
        ca: readFileSync(made.ca),
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'ALL',
      },
      () => reject(new Error(`port ${port} speaks ${socket.getProtocol()}`)),
    );
    socket.on('error', () => resolve());
  });
}

const fingerprintOf = (socket: TLSSocket) =>
  socket.getPeerX509Certificate()?.fingerprint256.replaceAll(':', '').toLowerCase();

function readPair(files: CertificateFiles) {
  return { certificate: readFileSync(files.certificate), key: readFileSync(files.key) };
}

async function ask(socket: TLSSocket): Promise<string> {
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  return (await firstBytes(socket)).toString();
}

/** What comes next; nothing when the other side closes. */
function firstBytes(socket: TLSSocket): Promise<Buffer> {
  return new Promise((resolve) => {
    socket.once('data', resolve);
    socket.once('close', () => resolve(Buffer.alloc(0)));
    socket.on('error', () => resolve(Buffer.alloc(0)));
  });
}

const portOf = (server: Server) => (server.address() as { port: number }).port;

test.run();
