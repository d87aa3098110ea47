/**
 * `flows.json` and `flows_cred.json` change together: credentials without their nodes are thrown away by Node-RED, and
 * nodes without their credentials can do nothing.
 *
 * Invariants: both are written whole into `flows-new.json` first, whose rename is the step that counts; whoever starts
 * next puts the files in order and removes it. So a kill or a power cut at any instant leaves the old flow or the new one.
 * Failure behaviour: rejects with Node's error, and as far as the disk lets it the old credentials are back then.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, syncFolder, writeDurably } from './durable-file.ts';

export const flowsName = 'flows.json';
export const credentialsName = 'flows_cred.json';
const stagedName = 'flows-new.json';

/** Texts of the two files. */
export interface FlowPair {
  readonly flows: string;
  /** undefined: there are none. */
  readonly credentials: string | undefined;
}

/** Resolves when both are on the device. */
export async function writePair(folder: string, pair: FlowPair): Promise<void> {
  const before = await readIfThere(join(folder, credentialsName));
  await writeDurably(join(folder, stagedName), JSON.stringify(pair));
  try {
    await putInPlace(folder, pair);
  } catch (error) {
    // A deploy that has failed must not come into force by itself later. When this fails too, that is better than half of it.
    await writeCredentials(folder, before)
      .then(() => removeStaged(folder))
      .catch(() => {});
    throw error;
  }
}

/** Ends a change that was cut off. To be called while nobody else writes the files. */
export async function finishPair(folder: string): Promise<void> {
  const text = await readIfThere(join(folder, stagedName));
  if (text === undefined) return;
  const pair = readPair(text);
  if (pair === undefined) await removeStaged(folder);
  else await putInPlace(folder, pair);
}

async function putInPlace(folder: string, { flows, credentials }: FlowPair): Promise<void> {
  await writeCredentials(folder, credentials);
  await writeDurably(join(folder, flowsName), flows);
  await removeStaged(folder);
}

async function writeCredentials(folder: string, credentials: string | undefined): Promise<void> {
  const path = join(folder, credentialsName);
  if (credentials === undefined) await rm(path, { force: true });
  else await writeDurably(path, credentials);
}

async function removeStaged(folder: string): Promise<void> {
  await rm(join(folder, stagedName), { force: true });
  await syncFolder(folder);
}

/** undefined for what was not written here. */
function readPair(text: string): FlowPair | undefined {
  try {
    const { flows, credentials } = JSON.parse(text) as Record<string, unknown>;
    if (typeof flows !== 'string' || (credentials !== undefined && typeof credentials !== 'string')) return undefined;
    return { flows, credentials };
  } catch {
    return undefined;
  }
}
