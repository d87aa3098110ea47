import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { type FileSystem, replaceFile, syncFolders } from '../platform/index.ts';
import { namePattern } from './schema.ts';

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** What the id of a gateway depends on. */
export interface GatewayIdSources {
  /** `gateway.id`. */
  readonly configured: string | undefined;
  readonly dataFolder: string;
  readonly fileSystem: FileSystem;
}

/**
 * The name of this gateway: the configured one, else the one that was drawn at the first start. It is on the device
 * before this resolves, because reports carry it for ever: a box that forgot it after a power cut would be another box.
 *
 * Throws `configuration-invalid` when the kept file does not hold a name; file-system errors pass through.
 */
export async function gatewayId({ configured, dataFolder, fileSystem }: GatewayIdSources): Promise<string> {
  if (configured !== undefined) return configured;
  const folder = join(dataFolder, 'secrets');
  const path = join(folder, 'gateway-id');
  if (fileSystem.exists(path)) {
    const kept = readId(path, fileSystem);
    await syncFolders(fileSystem, folder);
    return kept;
  }
  fileSystem.makeFolder(folder);
  const id = `gw-${Array.from({ length: 10 }, () => letters[randomInt(letters.length)]).join('')}`;
  await replaceFile(fileSystem, path, Buffer.from(`${id}\n`));
  await syncFolders(fileSystem, folder);
  return id;
}

function readId(path: string, fileSystem: FileSystem): string {
  const file = fileSystem.open(path, 'read');
  try {
    const bytes = Buffer.alloc(256);
    const id = bytes.toString('utf8', 0, file.read(bytes, 0)).trim();
    if (namePattern.test(id)) return id;
  } finally {
    file.close();
  }
  throw new HoldfastError(
    'configuration-invalid',
    `${path} does not hold a gateway id; put the id back that the centre knows this gateway by, or set gateway.id`,
  );
}
