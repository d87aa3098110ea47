import { dirname, resolve } from 'node:path';
import { describeError } from '../errors.ts';
import type { FileSystem, Logger } from '../platform/index.ts';

/**
 * The names of this folder and of all above it, as far as they may be read, are on the device.
 *
 * @throws what the file system throws for the folder and the one that it is in.
 */
export async function syncFolders(fileSystem: FileSystem, path: string, logger: Logger): Promise<void> {
  const folder = resolve(path);
  await fileSystem.syncFolder(folder);
  await fileSystem.syncFolder(dirname(folder));
  for (let at = dirname(dirname(folder)); ; at = dirname(at)) {
    try {
      await fileSystem.syncFolder(at);
    } catch (error) {
      logger.debug({ at, error: describeError(error) }, 'cannot sync a folder above the spool');
    }
    if (at === dirname(at)) return;
  }
}
