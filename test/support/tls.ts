/**
 * Certificates made on the spot with the `openssl` command line (1.1.1 or newer), once per process: an authority, a
 * good server certificate for localhost, 127.0.0.1 and ::1, and one bad one for each mistake that an operator makes.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { temporaryFolder } from './temporary.ts';

/** Paths of a certificate and its private key, both PEM. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Paths of everything; all PEM. */
export interface TestCertificates {
  /** The authority that signed all but `stranger`. */
  readonly ca: string;
  /** An authority that signed only `stranger`. */
  readonly wrongCa: string;
  /** For localhost, 127.0.0.1 and ::1. */
  readonly server: CertificateFiles;
  /** As `server`, with another key: its renewal. */
  readonly renewed: CertificateFiles;
  /** As `server`, over since the year 2020. */
  readonly expired: CertificateFiles;
  /** As `server`, from the year 2099. */
  readonly notYetValid: CertificateFiles;
  /** For elsewhere.example and 192.0.2.1. */
  readonly wrongHost: CertificateFiles;
  /** A client's; common name `gateway`. */
  readonly client: CertificateFiles;
  /** A client's certificate signed by `wrongCa`. */
  readonly stranger: CertificateFiles;
}

let made: TestCertificates | undefined;

/** Makes the certificates at the first call (about 0.2 s); later calls return the same. */
export function testCertificates(): TestCertificates {
  made ??= makeCertificates();
  return made;
}

const here = 'DNS:localhost,IP:127.0.0.1,IP:::1';
const elsewhere = 'DNS:elsewhere.example,IP:192.0.2.1';

function makeCertificates(): TestCertificates {
  const folder = temporaryFolder('holdfast-tls-');
  const ca = makeAuthority(folder.file('ca'), 'Holdfast test authority');
  const other = makeAuthority(folder.file('other'), 'Another authority');
  return {
    ca: ca.certificate,
    wrongCa: other.certificate,
    server: sign(ca, 'server', 'localhost', here),
    renewed: sign(ca, 'renewed', 'localhost', here),
    expired: sign(ca, 'expired', 'localhost', here, ['20190101000000Z', '20200101000000Z']),
    notYetValid: sign(ca, 'early', 'localhost', here, ['20990101000000Z', '20991231000000Z']),
    wrongHost: sign(ca, 'wrong-host', 'elsewhere.example', elsewhere),
    client: sign(ca, 'client', 'gateway', 'DNS:gateway'),
    stranger: sign(other, 'stranger', 'gateway', 'DNS:gateway'),
  };
}

interface Authority extends CertificateFiles {
  readonly folder: string;
  readonly configuration: string;
}

function makeAuthority(folder: string, name: string): Authority {
  mkdirSync(folder);
  const authority = {
    folder,
    configuration: `${folder}/openssl.cnf`,
    certificate: `${folder}/certificate.pem`,
    key: `${folder}/key.pem`,
  };
  writeFileSync(`${folder}/index.txt`, '');
  writeFileSync(authority.configuration, configuration(authority));
  makeKey(authority.key);
  openssl(
    'req',
    '-new',
    '-x509',
    '-config',
    authority.configuration,
    '-extensions',
    'authority',
    '-days',
    '3650',
  )(...['-key', authority.key, '-subj', `/CN=${name}`, '-out', authority.certificate]);
  return authority;
}

function sign(
  authority: Authority,
  name: string,
  commonName: string,
  alternativeNames: string,
  [from, to]: [string, string] = ['20200101000000Z', '20491231000000Z'],
): CertificateFiles {
  const file = (ending: string) => `${authority.folder}/${name}${ending}`;
  makeKey(file('.key'));
  openssl(
    'req',
    '-new',
    '-config',
    authority.configuration,
    '-key',
    file('.key'),
    '-subj',
    `/CN=${commonName}`,
  )(...['-out', file('.csr')]);
  writeFileSync(file('.ext'), `[leaf]\nsubjectAltName=${alternativeNames}\nextendedKeyUsage=serverAuth,clientAuth\n`);
  openssl(
    'ca',
    '-batch',
    '-notext',
    '-config',
    authority.configuration,
    '-extfile',
    file('.ext'),
  )(...['-extensions', 'leaf', '-startdate', from, '-enddate', to, '-in', file('.csr'), '-out', file('.pem')]);
  return { certificate: file('.pem'), key: file('.key') };
}

function makeKey(path: string): void {
  openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256')('-out', path);
}

/** In two steps only so that the lines above stay short. */
function openssl(...first: string[]): (...more: string[]) => void {
  return (...more) => {
    execFileSync('openssl', [...first, ...more], { stdio: ['ignore', 'ignore', 'pipe'] });
  };
}

function configuration({ folder, certificate, key }: { folder: string; certificate: string; key: string }): string {
  return `
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[ca]
default_ca = this
[this]
database = ${folder}/index.txt
new_certs_dir = ${folder}
certificate = ${certificate}
private_key = ${key}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = anything
[anything]
commonName = supplied
`;
}
