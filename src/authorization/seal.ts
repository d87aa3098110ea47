/**
 * Seals: HMAC-SHA256 under a key that only this box, as it is now, can derive. A seal says that this box wrote exactly
 * this; it does not say that it was the last thing it wrote.
 */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { BoxKey } from './box-key.ts';
import type { HardwareIdentity } from './hardware-identity.ts';

/** What a seal is for: one made for another purpose is not valid. */
export type SealPurpose = 'lease' | 'time' | 'audit';

export class Sealer {
  readonly #boxKey: BoxKey;
  readonly #key: Buffer;

  /**
   * `hardware`: what the key is bound to. `undefined` binds it to the box's secret alone, for what has to outlive an
   * exchange of hardware; an identity from `none` to this run of the program.
   */
  constructor(boxKey: BoxKey, hardware: HardwareIdentity | undefined) {
    this.#boxKey = boxKey;
    const salt = hardware === undefined ? '' : hardware.source === 'none' ? randomBytes(32) : hardware.value;
    this.#key = Buffer.from(hkdfSync('sha256', boxKey.bytes, salt, 'holdfast seal 1', 32));
  }

  /** Resolves when what is sealed now can be verified after a restart. Throws what the file system throws. */
  ready(): Promise<void> {
    return this.#boxKey.save();
  }

  /** The seal of these values, as 43 characters of base64url. */
  seal(purpose: SealPurpose, values: readonly (string | number | null)[]): string {
    return this.#mac(purpose, values).toString('base64url');
  }

  /** True when `seal` is the seal of exactly these values. Takes the same time wherever it differs. */
  isSealed(purpose: SealPurpose, values: readonly (string | number | null)[], seal: unknown): boolean {
    if (typeof seal !== 'string' || seal.length !== 43) return false;
    const given = Buffer.from(seal, 'base64url');
    return given.length === 32 && timingSafeEqual(given, this.#mac(purpose, values));
  }

  // JSON: no two different lists have the same text, whatever is in their fields.
  #mac(purpose: SealPurpose, values: readonly (string | number | null)[]): Buffer {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([purpose, ...values]))
      .digest();
  }
}

/** What is kept of an identity, to know it again; tells nothing about it to whoever has not got the box's secret. */
export function fingerprint(boxKey: BoxKey, { source, value }: HardwareIdentity): string {
  return createHmac('sha256', boxKey.bytes)
    .update(JSON.stringify(['hardware', source, value]))
    .digest('base64url')
    .slice(0, 22);
}
