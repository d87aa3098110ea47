import { dirname, resolve } from 'node:path';
import { describeError } from '../errors.ts';
import type { FileSystem } from './file-system.ts';
import { type Logger, silentLogger } from './logger.ts';

/**
 * The names in this folder, its own, and those of all above it, as far as they may be read, are on the device. Also to be
 * called for a file that is found, before anybody goes by it: the process before this one may have been killed between the
 * rename and the sync, and then a power cut would take away what has been used meanwhile.
 *
 * @throws what the file system throws for the folder and the one that it is in.
 */
export async function syncFolders(fileSystem: FileSystem, path: string, logger: Logger = silentLogger): Promise<void> {
  const folder = resolve(path);
  await fileSystem.syncFolder(folder);
  await fileSystem.syncFolder(dirname(folder));
  for (let at = dirname(dirname(folder)); ; at = dirname(at)) {
    try {
      await fileSystem.syncFolder(at);
    } catch (error) {
      logger.debug({ at, error: describeError(error) }, 'cannot sync a folder above');
    }
    if (at === dirname(at)) return;
  }
}
