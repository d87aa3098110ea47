import { createHash, randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Turns } from '../platform/index.ts';

const derive = promisify<string | Buffer, Buffer, number, ScryptOptions, Buffer>(scrypt);

/** N = 2^14, r = 8: 16 MiB and some 50 ms on a computer, about 200 ms on a Raspberry Pi. */
const chosen = { ln: 14, r: 8, p: 1 };
const saltBytes = 16;
const hashBytes = 32;

/** What a stored hash may ask for: somebody who can write one must not be able to take all memory or all time. */
const memoryLimit = 64 * 2 ** 20;
const workLimit = 2 ** 22;

/**
 * Hashes a password with a fresh salt. The result is a PHC string, `$scrypt$ln=14,r=8,p=1$<salt>$<hash>` (base64
 * without padding), 76 characters or so.
 */
export async function hashPassword(plain: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const hash = await scryptOf(plain, salt, hashBytes, chosen);
  return `$scrypt$ln=${chosen.ln},r=${chosen.r},p=${chosen.p}$${encode(salt)}$${encode(hash)}`;
}

/**
 * Tells whether `plain` is the password that `stored` was made of. What does not begin with `$scrypt$` is a plain
 * password. Both are compared in constant time; a hash that is damaged or asks for too much matches nothing.
 */
export async function verifyPassword(plain: string, stored: string): Promise<boolean> {
  if (!stored.startsWith('$scrypt$')) return timingSafeEqual(digest(plain), digest(stored));
  const parsed = parse(stored);
  if (!parsed) return false;
  const hash = await scryptOf(plain, parsed.salt, parsed.hash.length, parsed);
  return timingSafeEqual(hash, parsed.hash);
}

interface Parameters {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/**
 * How many hashes are computed at once. They run on the four threads that also wait for the disk: with more, somebody
 * who guesses passwords would hold up every report. Who waits is an open connection, and the doors limit those.
 */
const turns = new Turns(2);

function scryptOf(plain: string, salt: Buffer, length: number, { ln, r, p }: Parameters): Promise<Buffer> {
  // One password can be typed in several encodings of the same characters; NFC makes them one.
  const options = { N: 2 ** ln, r, p, maxmem: memoryLimit + 2 ** 20 };
  return turns.take('', () => derive(plain.normalize('NFC'), salt, length, options));
}

function parse(stored: string): (Parameters & { salt: Buffer; hash: Buffer }) | undefined {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/.exec(
    stored,
  );
  if (!match) return undefined;
  const [ln, r, p] = match.slice(1, 4).map(Number) as [number, number, number];
  const memory = 128 * r * 2 ** ln;
  if (ln < 1 || r < 1 || p < 1 || memory > memoryLimit || 2 ** ln * r * p > workLimit) return undefined;
  return { ln, r, p, salt: Buffer.from(match[4]!, 'base64'), hash: Buffer.from(match[5]!, 'base64') };
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}

/** Texts of any length become comparable without telling their length. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text.normalize('NFC')).digest();
}
