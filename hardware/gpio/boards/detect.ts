import { readFile } from 'node:fs/promises';
import { GpioError } from '../errors.ts';
import type { BoardProfile } from './profile.ts';
import { boardProfiles } from './profiles.ts';

export interface DetectOptions {
  /** A profile's name, when the configuration names one; then nothing is looked at. */
  readonly name?: string | undefined;
  /** Where the board says what it is. Default /proc/device-tree/model. */
  readonly modelFile?: string;
  /** Default: that of this process. */
  readonly arch?: string;
}

/** The board that this is, or undefined for one without a profile. @throws GpioError for a name that is not known */
export async function detectBoard({
  name,
  modelFile = '/proc/device-tree/model',
  arch = process.arch,
}: DetectOptions = {}): Promise<BoardProfile | undefined> {
  if (name !== undefined) return boardNamed(name);
  const model = await readFile(modelFile, 'utf8').catch(() => undefined);
  // The device tree ends its strings with a zero.
  if (model !== undefined) return boardOfModel(model.replaceAll('\0', '').trim());
  return arch === 'x64' || arch === 'ia32' ? boardNamed('generic-x86') : undefined;
}

function boardOfModel(model: string): BoardProfile | undefined {
  return boardProfiles.find(({ models }) => models.some((start) => model.startsWith(start)));
}

function boardNamed(name: string): BoardProfile {
  const found = boardProfiles.find((profile) => profile.name === name);
  if (found) return found;
  const names = boardProfiles.map((profile) => profile.name).join(', ');
  throw new GpioError('invalid-settings', `there is no board profile "${name}"; there are ${names}`);
}
