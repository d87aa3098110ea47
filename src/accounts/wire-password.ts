import { createHash } from 'node:crypto';

/** How operation software hashes a password before it sends it (`accounts.machineHash`). */
export type MachineHash = 'sha256' | 'md5';

/** What arrives as 密码 for a plain password: lower-case hex of its hash. */
export function wirePassword(plain: string, hash: MachineHash): string {
  // The client hashes what its keyboard gave it; of the two encodings of one character, NFC is what keyboards give.
  return createHash(hash).update(plain.normalize('NFC')).digest('hex');
}

/** A received 密码 as it is compared: hex of either case is one value. Everything else stays as it is, at most 256 characters. */
export function normalWirePassword(received: string): string {
  const cut = received.slice(0, 256);
  return /^[0-9a-f]{32,128}$/i.test(cut) ? cut.toLowerCase() : cut;
}
