/**
 * Certificates and keys as they stand in files, and whether they can be used together.
 *
 * Invariants: what is called usable was taken by the TLS library as a whole; a file that was cut off in the middle is
 * never usable, even when its first certificate is.
 * Failure behaviour: `judge` never throws on bad content; it says what is wrong, in words that name the key of the
 * configuration and never the content.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/** What stands in the files, PEM; a part that is not configured is undefined. */
export interface CertificateMaterial {
  /** Authorities that the other side's certificate may be signed by. */
  readonly ca?: string | Buffer | undefined;
  /** The chain that is shown to the other side, and its private key: both or none. */
  readonly certificate?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
}

export const certificateParts = ['ca', 'certificate', 'key'] as const;
export type CertificatePart = (typeof certificateParts)[number];

/** Oldest protocol that is spoken, by servers and clients alike. */
export const minimumTlsVersion = 'TLSv1.2';

/** From when until when a part is good, ms since 1970 UTC. */
export interface Validity {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** What was found out about some material. */
export interface Judgement {
  /** Why it cannot be used; undefined when it can, whatever the date. */
  readonly problem: string | undefined;
  readonly validity: Readonly<Partial<Record<CertificatePart, Validity>>>;
}

/** Looks at material; `section` is the key of the configuration that names its files. */
export function judge(material: CertificateMaterial, section: string): Judgement {
  const validity: Partial<Record<CertificatePart, Validity>> = {};
  const wrong = (part: CertificatePart, text: string) => ({ problem: `${section}.${part}: ${text}`, validity });
  const { ca, certificate, key } = material;
  let chain: X509Certificate[] = [];
  for (const part of ['ca', 'certificate'] as const) {
    const content = material[part];
    if (content === undefined) continue;
    const certificates = readCertificates(content);
    if (certificates === undefined) return wrong(part, 'is no PEM certificate, or one that was cut off');
    if (part === 'certificate') chain = certificates;
    const from = certificates.map(({ validFrom }) => Date.parse(validFrom));
    const until = certificates.map(({ validTo }) => Date.parse(validTo));
    // Of authorities an old one may stand beside a new one; a chain is good while all of it is.
    validity[part] =
      part === 'ca'
        ? { fromMs: Math.min(...from), untilMs: Math.max(...until) }
        : { fromMs: Math.max(...from), untilMs: Math.min(...until) };
  }
  if (certificate !== undefined || key !== undefined) {
    if (certificate === undefined) return wrong('certificate', 'is missing beside its key');
    if (key === undefined) return wrong('key', 'is missing beside its certificate');
    try {
      if (!chain[0]!.checkPrivateKey(createPrivateKey(key))) return wrong('key', 'does not belong to the certificate');
    } catch {
      return wrong('key', 'is no PEM private key without a passphrase, or one that was cut off');
    }
  }
  try {
    createSecureContext(contextOptions({ ca, certificate, key }));
  } catch (error) {
    return { problem: `${section}: the TLS library refuses it (${(error as Error).message})`, validity };
  }
  return { problem: undefined, validity };
}

/** The material under the names that Node's TLS wants, with the lowest version that is spoken. */
export function contextOptions({ ca, certificate, key }: CertificateMaterial) {
  return {
    minVersion: minimumTlsVersion,
    ...(ca !== undefined && { ca }),
    ...(certificate !== undefined && { cert: certificate }),
    ...(key !== undefined && { key }),
  } as const;
}

/** True when two are the same, byte for byte. */
export function sameMaterial(one: CertificateMaterial, other: CertificateMaterial): boolean {
  return certificateParts.every((part) => {
    const [a, b] = [one[part], other[part]];
    return a === b || (a !== undefined && b !== undefined && Buffer.from(a).equals(Buffer.from(b)));
  });
}

/** SHA-256 of the first certificate of a PEM chain, in lower-case hex; undefined when there is none. */
export function certificateFingerprint(content: string | Buffer): string | undefined {
  return readCertificates(content)?.[0]?.fingerprint256.replaceAll(':', '').toLowerCase();
}

function readCertificates(content: string | Buffer): X509Certificate[] | undefined {
  const text = content.toString();
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0 || blocks.length !== text.split('-----BEGIN CERTIFICATE').length - 1) return undefined;
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return undefined;
  }
}
