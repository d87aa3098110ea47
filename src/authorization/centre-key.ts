import { createPublicKey, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import type { FileSystem } from '../platform/index.ts';

const largestBytes = 16_384;

/**
 * The centre's public key that this gateway goes by: `authorization.centreKey`, else the one that enrolment has left in
 * `secrets/centre.pub`. undefined when there is neither: then nothing is signed as far as this gateway can tell.
 *
 * Throws `configuration-invalid` for a file that holds something else: a gateway that went on without the key would take
 * anybody's word.
 */
export function readCentreKey(options: {
  readonly configured: string | undefined;
  readonly dataFolder: string;
  readonly fileSystem: FileSystem;
}): KeyObject | undefined {
  const { configured, dataFolder, fileSystem } = options;
  const path = configured ?? join(dataFolder, 'secrets', 'centre.pub');
  if (configured === undefined && !fileSystem.exists(path)) return undefined;
  const file = fileSystem.open(path, 'read');
  try {
    const bytes = Buffer.alloc(largestBytes);
    const text = bytes.toString('latin1', 0, file.read(bytes, 0));
    // A private key would be read as its public half; that one belongs to the centre alone.
    if (!text.includes('-----BEGIN PUBLIC KEY-----')) throw new Error('there is no public key in it');
    const key = createPublicKey(text);
    if (key.asymmetricKeyType !== 'ed25519') throw new Error(`the key is ${key.asymmetricKeyType}`);
    return key;
  } catch (cause) {
    throw new HoldfastError(
      'configuration-invalid',
      `${path} holds no Ed25519 public key in PEM; get the centre's again (GET /enrol/key), or enrol this box again`,
      cause,
    );
  } finally {
    file.close();
  }
}
