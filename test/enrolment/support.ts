import { readFileSync } from 'node:fs';
import { issueCode } from '../../src/central/index.ts';
import { type Central, createCentral } from '../../src/central.ts';
import { loadConfig } from '../../src/config/index.ts';
import {
  type EnrolmentCode,
  type EnrolmentSettings,
  type EnrolOptions,
  enrolBox,
  parseCode,
} from '../../src/enrolment/index.ts';
import { type Logger, nodeFileSystem, systemClock } from '../../src/platform/index.ts';
import { freePort, temporaryFolder } from '../support/temporary.ts';
import { type CertificateFiles, testCertificates } from '../support/tls.ts';

export const settings: EnrolmentSettings = {
  url: 'amqps://gw:s3cret-upstream@broker.example:5671/site',
  ca: readFileSync(testCertificates().ca, 'utf8'),
};

/** A centre with HTTPS and documents of its own. */
export interface TestCentre {
  readonly central: Central;
  readonly url: URL;
  readonly dataFolder: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Everything that it logged. */
  readonly log: string[];
  /** Makes a code. */
  code(more?: Partial<EnrolmentSettings>, validForMs?: number): Promise<EnrolmentCode>;
}

/** Starts one, with HTTPS unless `tls` is none; its documents are in a folder, or at `mongodb`. */
export async function startCentre(
  files: CertificateFiles | 'none' = testCertificates().server,
  host = '127.0.0.1',
  mongodb?: string,
): Promise<TestCentre> {
  const folder = temporaryFolder('hf-');
  const tls = files === 'none' ? undefined : files;
  const port = await freePort();
  const environment = {
    ...(mongodb ? { HOLDFAST_CENTRAL_MONGODB: mongodb } : { HOLDFAST_CENTRAL_EMBEDDED: folder.file('documents') }),
    HOLDFAST_CENTRAL_HTTP_HOST: host,
    HOLDFAST_CENTRAL_HTTP_PORT: String(port),
    ...(tls && { HOLDFAST_CENTRAL_HTTP_TLS_CERTIFICATE: tls.certificate, HOLDFAST_CENTRAL_HTTP_TLS_KEY: tls.key }),
  };
  const log: string[] = [];
  const central = createCentral({
    config: loadConfig({ environment }).config,
    clock: systemClock(),
    logger: recorder(log),
    dataFolder: folder.file('centre'),
    embeddedBroker: { host: '127.0.0.1', port: 0, gateways: [] },
  });
  await central.start();
  return {
    central,
    url: new URL(`${tls ? 'https' : 'http'}://127.0.0.1:${port}`),
    dataFolder: folder.file('centre'),
    environment,
    log,
    async code(more = {}, validForMs = 60_000) {
      const all = { ...settings, ...more };
      return parseCode(await issueCode(central.store, { settings: all, validForMs, nowMs: Date.now() }))!;
    },
  };
}

/** Shows a code to a centre as a new, stopped box does; what is given in `more` goes first. */
export function enrol(centre: { url: URL }, code: EnrolmentCode, more: Partial<EnrolOptions> = {}) {
  return enrolBox({
    centre: centre.url,
    code,
    trust: { ca: readFileSync(testCertificates().ca) },
    dataFolder: temporaryFolder('hf-').path,
    fileSystem: nodeFileSystem,
    configuredId: undefined,
    state: { running: false, waiting: 0, hasSent: false },
    force: false,
    ...more,
  });
}

export function recorder(lines: string[]): Logger {
  const write = (facts: object, message: string) => lines.push(JSON.stringify(facts) + message);
  const logger: Logger = { debug: write, info: write, warn: write, error: write, child: () => logger };
  return logger;
}
