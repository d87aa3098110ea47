import { dirname } from 'node:path';
import type { FileSystem } from './file-system.ts';

/**
 * Puts `content` in the place of the file at `path`, or makes it: written aside (`<path>.new`) and renamed, so that a
 * power cut leaves either what was there before or the new file as a whole. Resolves when it is on the device under its
 * name. The folder exists; whether its own name is on the device is the caller's matter. Only one call at a time for a
 * path.
 *
 * @throws what the file system throws.
 */
export async function replaceFile(fileSystem: FileSystem, path: string, content: Uint8Array): Promise<void> {
  const aside = `${path}.new`;
  if (fileSystem.exists(aside)) fileSystem.remove(aside);
  const file = fileSystem.create(aside);
  try {
    file.write(content, 0);
    await file.sync();
  } finally {
    file.close();
  }
  fileSystem.rename(aside, path);
  await fileSystem.syncFolder(dirname(path));
}
