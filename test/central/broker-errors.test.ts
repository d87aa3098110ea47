/** What the centre says of a broker that it cannot use names the centre's own keys, and never a password. */

import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describeError } from '../../src/errors.ts';
import { freePort, temporaryFolder } from '../support/temporary.ts';
import { type CertificateFiles, testCertificates } from '../support/tls.ts';
import { until } from '../support/until.ts';
import { startCentral } from './support.ts';

const test = suite('the centre and a broker that it cannot use');
const certificates = testCertificates();
const { ca } = certificates;

async function serve(files: CertificateFiles): Promise<Server> {
  const server = createServer({ cert: readFileSync(files.certificate), key: readFileSync(files.key) });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** The broker's error of `/healthz`. */
async function errorFor(port: number, tls: { ca?: string; certificate?: string; key?: string }): Promise<string> {
  const central = await startCentral({
    HOLDFAST_CENTRAL_BROKER: `amqps://user:s3cret@localhost:${port}`,
    HOLDFAST_CENTRAL_EMBEDDED: temporaryFolder('hf-').path,
    HOLDFAST_CENTRAL_BROKER_TLS_CA: tls.ca,
    HOLDFAST_CENTRAL_BROKER_TLS_CERTIFICATE: tls.certificate,
    HOLDFAST_CENTRAL_BROKER_TLS_KEY: tls.key,
  });
  const error = () => (central.health.broker as { lastError?: string } | undefined)?.lastError;
  try {
    await until(() => error() !== undefined, 'an error');
    return String(error());
  } catch (cause) {
    return describeError(cause);
  } finally {
    await central.stop();
  }
}

const cases: [name: string, files: CertificateFiles, tls: Parameters<typeof errorFor>[1], text: RegExp][] = [
  ['another authority', certificates.server, { ca: certificates.wrongCa }, /not signed.*central\.brokerTls\.ca/],
  ['an expired certificate', certificates.expired, { ca }, /expired.*renew it at the broker/],
  ['a certificate for another host', certificates.wrongHost, { ca }, /another host.*central\.broker,/],
  [
    'a key of another certificate',
    certificates.server,
    { ca, certificate: certificates.client.certificate, key: certificates.stranger.key },
    /central\.brokerTls\.certificate and central\.brokerTls\.key/,
  ],
];
for (const [name, files, tls, text] of cases) {
  test(name, async () => {
    const server = await serve(files);
    const error = await errorFor((server.address() as { port: number }).port, tls);
    assert.match(error, text);
    assert.not.match(error, /upstream\.|s3cret/);
    server.close();
  });
}

test('nobody there', async () => {
  assert.match(await errorFor(await freePort(), {}), /refuses connections: check that the broker runs there/);
});

test.run();
