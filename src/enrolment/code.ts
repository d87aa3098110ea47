import { createHash, hkdfSync, randomBytes } from 'node:crypto';

/** Crockford's base32: nothing that looks like something else; read in either case, with O for 0 and I or L for 1. */
const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const lookupDigits = 12;
const secretDigits = 24;
const checkDigits = 4;
const groupDigits = 5;

/**
 * A one-time code, taken apart. `lookup` (60 bits) is what the box shows to the centre; `secret` (120 bits) never leaves
 * the box: the settings are decrypted with it there.
 */
export interface EnrolmentCode {
  readonly lookup: string;
  readonly secret: string;
}

/** Draws a new code. */
export function drawCode(): EnrolmentCode {
  const drawn = Array.from(randomBytes(lookupDigits + secretDigits), (byte) => digits[byte & 31]).join('');
  return { lookup: drawn.slice(0, lookupDigits), secret: drawn.slice(lookupDigits) };
}

/** The code as people copy it: eight groups of five characters; the last four of all are a check. */
export function formatCode({ lookup, secret }: EnrolmentCode): string {
  const all = lookup + secret + check(lookup + secret);
  return all.match(new RegExp(`.{${groupDigits}}`, 'g'))!.join('-');
}

/** Reads what somebody typed; undefined when it is no code or was mistyped. Hyphens and spaces do not matter. */
export function parseCode(text: string): EnrolmentCode | undefined {
  if (text.length > 200) return undefined;
  const plain = text.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1');
  const length = lookupDigits + secretDigits;
  if (plain.length !== length + checkDigits || [...plain].some((digit) => !digits.includes(digit))) return undefined;
  if (check(plain.slice(0, length)) !== plain.slice(length)) return undefined;
  return { lookup: plain.slice(0, lookupDigits), secret: plain.slice(lookupDigits, length) };
}

/** True for the half of a code that is shown to the centre. */
export function isLookup(value: unknown): value is string {
  return typeof value === 'string' && new RegExp(`^[${digits}]{${lookupDigits}}$`).test(value);
}

/** Under what name the centre keeps a code: it tells neither half. Lower-case hex. */
export function lookupHash(lookup: string): string {
  return createHash('sha256').update(`holdfast enrolment lookup 1\n${lookup}`).digest('hex');
}

/** The key that the settings are encrypted with, 32 bytes. */
export function settingsKey({ lookup, secret }: EnrolmentCode): Buffer {
  const salt = Buffer.from(lookupHash(lookup), 'hex');
  return Buffer.from(hkdfSync('sha256', secret, salt, 'holdfast enrolment settings 1', 32));
}

/** So that a mistyped code is told from an unknown one, without asking anybody. */
function check(text: string): string {
  const hash = createHash('sha256').update(`holdfast enrolment check 1\n${text}`).digest();
  return Array.from(hash.subarray(0, checkDigits), (byte) => digits[byte & 31]).join('');
}
