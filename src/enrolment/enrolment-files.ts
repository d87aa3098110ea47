/**
 * What an enrolment leaves on the box, all in `secrets/` of the data folder, mode 0600: `gateway-id`, `centre.pub` (the
 * centre's key for grants), `upstream.json` (the way to the centre), and `enrolment.key` (the box's own key).
 *
 * Invariants: the three files change together. The new state is written whole into `enrolment.json` first, whose rename
 * is the step that counts; from then on whoever starts next puts the files in order and removes it. So a kill or a power
 * cut at any instant leaves the old enrolment or the new one, never a mixture.
 * Failure behaviour: what cannot be read throws `configuration-invalid` and names the file; file-system errors pass.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { namePattern } from '../config/index.ts';
import { HoldfastError } from '../errors.ts';
import { type FileSystem, replaceFile, syncFolders } from '../platform/index.ts';
import { newBoxKey } from './messages.ts';
import { readSettings, type UpstreamSettings } from './settings.ts';

/** What a box has been given. */
export interface Enrolment extends UpstreamSettings {
  readonly gateway: string;
  readonly centreKey: string;
}

/** Names in `secrets/`. */
export const enrolmentFileNames = {
  staged: 'enrolment.json',
  upstream: 'upstream.json',
  gatewayId: 'gateway-id',
  centreKey: 'centre.pub',
  boxKey: 'enrolment.key',
} as const;

const largestBytes = 1_048_576;

interface Place {
  readonly dataFolder: string;
  readonly fileSystem: FileSystem;
}

/** Puts an enrolment on the device, to be used from `finishEnrolment` on. */
export async function stageEnrolment(enrolment: Enrolment, place: Place): Promise<void> {
  await keepSecret(enrolmentFileNames.staged, `${JSON.stringify(enrolment)}\n`, place);
}

/**
 * Ends an enrolment that was staged; does nothing without one. To be called by whoever has the box to himself, before
 * anything of it is read. Resolves with whether there was one.
 */
export async function finishEnrolment(place: Place): Promise<boolean> {
  const text = readText(enrolmentFileNames.staged, place);
  if (text === undefined) return false;
  const { gateway, centreKey, url, ca, certificate, key } = readEnrolment(text, pathOf('staged', place));
  await keepSecret(enrolmentFileNames.centreKey, centreKey, place);
  await keepSecret(enrolmentFileNames.gatewayId, `${gateway}\n`, place);
  await keepSecret(enrolmentFileNames.upstream, `${JSON.stringify({ url, ca, certificate, key })}\n`, place);
  place.fileSystem.remove(pathOf('staged', place));
  await place.fileSystem.syncFolder(folderOf(place));
  return true;
}

/** The way to the centre that this box was given; undefined when it was never enrolled. */
export function readUpstream(place: Place): UpstreamSettings | undefined {
  const text = readText(enrolmentFileNames.upstream, place);
  if (text === undefined) return undefined;
  const settings = readSettings(parse(text));
  if (settings !== undefined) return settings;
  throw damaged(pathOf('upstream', place));
}

/** The id that is kept; undefined when there is none yet. */
export function readKeptId(place: Place): string | undefined {
  const id = readText(enrolmentFileNames.gatewayId, place)?.trim();
  return id !== undefined && namePattern.test(id) ? id : undefined;
}

/** The key that the centre knows this box by; made and on the device at the first call. */
export async function boxKey(place: Place): Promise<KeyObject> {
  const text = readText(enrolmentFileNames.boxKey, place);
  if (text !== undefined) {
    const kept = parseKey(text, pathOf('boxKey', place));
    await syncFolders(place.fileSystem, folderOf(place));
    return kept;
  }
  const key = newBoxKey();
  await keepSecret(enrolmentFileNames.boxKey, key.export({ format: 'pem', type: 'pkcs8' }) as string, place);
  return key;
}

function parseKey(text: string, path: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    throw damaged(path);
  }
}

function readEnrolment(text: string, path: string): Enrolment {
  const value = parse(text);
  const settings = readSettings(value);
  if (settings?.gateway === undefined || settings.centreKey === undefined || !namePattern.test(settings.gateway)) {
    throw damaged(path);
  }
  return settings as Enrolment;
}

/** Resolves when the file is on the device, and the folders that it is in too: the first `enrol` may have made them. */
async function keepSecret(name: string, content: string, { dataFolder, fileSystem }: Place): Promise<void> {
  const folder = join(dataFolder, 'secrets');
  fileSystem.makeFolder(folder);
  await replaceFile(fileSystem, join(folder, name), Buffer.from(content));
  await syncFolders(fileSystem, folder);
}

function readText(name: string, { dataFolder, fileSystem }: Place): string | undefined {
  const path = join(dataFolder, 'secrets', name);
  if (!fileSystem.exists(path)) return undefined;
  const file = fileSystem.open(path, 'read');
  try {
    const size = file.size();
    if (size > largestBytes) throw damaged(path);
    const bytes = Buffer.alloc(size);
    return bytes.toString('utf8', 0, file.read(bytes, 0));
  } finally {
    file.close();
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const folderOf = ({ dataFolder }: Place) => join(dataFolder, 'secrets');
const pathOf = (name: keyof typeof enrolmentFileNames, place: Place) => join(folderOf(place), enrolmentFileNames[name]);

function damaged(path: string): HoldfastError {
  return new HoldfastError(
    'configuration-invalid',
    `${path} is damaged: put it back from a copy, or remove it and enrol this box again`,
  );
}
