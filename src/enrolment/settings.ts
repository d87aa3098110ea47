import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type EnrolmentCode, lookupHash, settingsKey } from './code.ts';

/** The way to the centre, as a box is given it. PEM texts, not paths. */
export interface UpstreamSettings {
  /** `amqp(s)://` or `mqtt(s)://`, with user and password. */
  readonly url: string;
  /** Authorities that the broker's certificate may be signed by. */
  readonly ca?: string | undefined;
  /** A client certificate and its key: both or none. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

/** What a code stands for. */
export interface EnrolmentSettings extends UpstreamSettings {
  /** The id that the box shall have; without it, the box keeps its own. */
  readonly gateway?: string | undefined;
  /** The centre's public key, PEM, when it was known as the code was made. */
  readonly centreKey?: string | undefined;
}

const texts = ['url', 'ca', 'certificate', 'key', 'gateway', 'centreKey'] as const;
const nonceBytes = 12;
const tagBytes = 16;

/** Encrypts settings so that only the whole code opens them (AES-256-GCM), base64. */
export function sealSettings(settings: EnrolmentSettings, code: EnrolmentCode): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', settingsKey(code), nonce).setAAD(boundTo(code));
  const text = Buffer.concat([cipher.update(JSON.stringify(settings), 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64');
}

/** Decrypts them; undefined when they were sealed with another code, or changed. */
export function openSettings(sealed: string, code: EnrolmentCode): EnrolmentSettings | undefined {
  const bytes = Buffer.from(sealed, 'base64');
  if (bytes.length < nonceBytes + tagBytes) return undefined;
  try {
    const decipher = createDecipheriv('aes-256-gcm', settingsKey(code), bytes.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    });
    decipher.setAAD(boundTo(code)).setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
    const text = Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]);
    return readSettings(JSON.parse(text.toString('utf8')));
  } catch {
    return undefined;
  }
}

/** Settings from parsed JSON; undefined when they are none. */
export function readSettings(value: unknown): EnrolmentSettings | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const found: Partial<Record<(typeof texts)[number], string>> = {};
  for (const name of texts) {
    const text = (value as Record<string, unknown>)[name];
    if (text === undefined || text === null) continue;
    if (typeof text !== 'string') return undefined;
    found[name] = text;
  }
  return found.url === undefined ? undefined : (found as EnrolmentSettings);
}

const boundTo = ({ lookup }: EnrolmentCode) => Buffer.from(`holdfast enrolment 1\n${lookupHash(lookup)}`);
