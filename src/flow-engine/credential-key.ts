import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { nodeFileSystem, syncFolders } from '../platform/index.ts';
import { readIfThere, writeDurably } from './durable-file.ts';

/**
 * What the flows' credentials are encrypted with: `flow-credentials.key` in the box's secrets, made at the first start.
 *
 * @throws HoldfastError `configuration-invalid` when the file holds no key: with another one every credential would be lost.
 */
export async function credentialKey(secretsFolder: string): Promise<string> {
  const path = join(secretsFolder, 'flow-credentials.key');
  const kept = (await readIfThere(path))?.trim();
  if (kept === undefined) {
    await mkdir(secretsFolder, { recursive: true, mode: 0o700 });
    const key = randomBytes(32).toString('hex');
    await writeDurably(path, `${key}\n`);
    await syncFolders(nodeFileSystem, secretsFolder);
    return key;
  }
  if (/^[0-9a-f]{64}$/.test(kept)) {
    await syncFolders(nodeFileSystem, secretsFolder);
    return kept;
  }
  throw new HoldfastError(
    'configuration-invalid',
    `${path} does not hold a key: put the file back, or remove it together with flows/flows_cred.json and enter the flows' passwords anew`,
  );
}
