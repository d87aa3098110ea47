import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { dirname, join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { type Clock, type FileSystem, type OpenFile, syncFolders, systemClock } from '../platform/index.ts';

/** The key pair that grants are signed with. */
export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** What gateways pin: SPKI in PEM. */
  readonly publicPem: string;
}

/** Where the key comes from. */
export interface SigningKeySources {
  /** `central.signingKey`. */
  readonly configured: string | undefined;
  readonly dataFolder: string;
  readonly fileSystem: FileSystem;
  readonly clock?: Clock;
}

/** The key, there from `load` on. */
export class CentreKey implements SigningKey {
  readonly #sources: SigningKeySources;
  #key: SigningKey | undefined;

  constructor(sources: SigningKeySources) {
    this.#sources = sources;
  }

  /** Reads the key, or makes it at the first start; see `signingKey`. Idempotent. */
  async load(): Promise<void> {
    this.#key ??= await signingKey(this.#sources);
  }

  get privateKey(): KeyObject {
    return this.#loaded.privateKey;
  }

  get publicKey(): KeyObject {
    return this.#loaded.publicKey;
  }

  get publicPem(): string {
    return this.#loaded.publicPem;
  }

  get #loaded(): SigningKey {
    if (this.#key === undefined) throw new Error("the centre's signing key is used before it is loaded");
    return this.#key;
  }
}

const fileName = 'grant-signing.key';
const largestBytes = 16_384;
/** Making a key takes some ms. */
const makingMs = 5000;
const lookMs = 50;

/**
 * The centre's Ed25519 key: the configured one, else the one that was made at the first start. It is on the device
 * before this resolves, because gateways pin its public half and go by it for ever.
 *
 * Throws `configuration-invalid` for a file that holds something else; file-system errors pass through.
 */
export async function signingKey(sources: SigningKeySources): Promise<SigningKey> {
  const { configured, dataFolder, fileSystem } = sources;
  if (configured !== undefined) return readKey(configured, fileSystem, 'central.signingKey');
  const path = join(dataFolder, 'secrets', fileName);
  if (!fileSystem.exists(path)) await makeKey(path, sources);
  const key = readKey(path, fileSystem, 'the signing key of this centre');
  // Also for one that another copy, or a process that was killed, has made.
  await syncFolders(fileSystem, dirname(path));
  return key;
}

/**
 * Written aside and renamed, so that a power cut leaves either no key or a whole one. The name aside can be made once: of
 * several copies that start for the first time on one folder, one makes the key, and the others wait for it.
 */
async function makeKey(path: string, { fileSystem, clock = systemClock() }: SigningKeySources) {
  const folder = dirname(path);
  const aside = `${path}.new`;
  fileSystem.makeFolder(folder);
  let file: OpenFile | undefined;
  for (let waitedMs = 0; file === undefined; waitedMs += lookMs) {
    if (fileSystem.exists(path)) return;
    // Whoever has begun it and was that long about it was cut off.
    if (waitedMs >= makingMs && fileSystem.exists(aside)) fileSystem.remove(aside);
    file = createNew(aside, fileSystem);
    if (file === undefined) await clock.sleep(lookMs);
  }
  const { privateKey } = generateKeyPairSync('ed25519');
  try {
    file.write(Buffer.from(privateKey.export({ format: 'pem', type: 'pkcs8' }) as string), 0);
    await file.sync();
  } finally {
    file.close();
  }
  fileSystem.rename(aside, path);
}

/** undefined when there is one already. */
function createNew(path: string, fileSystem: FileSystem): OpenFile | undefined {
  try {
    return fileSystem.create(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
}

function readKey(path: string, fileSystem: FileSystem, what: string): SigningKey {
  const file = fileSystem.open(path, 'read');
  const bytes = Buffer.alloc(largestBytes);
  try {
    const privateKey = createPrivateKey(bytes.subarray(0, file.read(bytes, 0)));
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error(`the key is ${privateKey.asymmetricKeyType}`);
    const publicKey = createPublicKey(privateKey);
    return { privateKey, publicKey, publicPem: publicKey.export({ format: 'pem', type: 'spki' }) as string };
  } catch (cause) {
    throw new HoldfastError(
      'configuration-invalid',
      `${what} (${path}) is no Ed25519 private key in PEM; put the one back that the gateways know this centre by`,
      cause,
    );
  } finally {
    bytes.fill(0);
    file.close();
  }
}
