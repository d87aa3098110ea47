import { randomInt } from 'node:crypto';
import { dirname, join } from 'node:path';
import { isHoldfastError } from '../errors.ts';
import { type FileSystem, type Logger, replaceFile } from '../platform/index.ts';
import type { Accounts } from './accounts.ts';
import { type MachineHash, wirePassword } from './wire-password.ts';

/** What making the first administrator needs. */
export interface FirstAdministratorOptions {
  readonly accounts: Accounts;
  readonly machineHash: MachineHash;
  readonly dataFolder: string;
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
  /** Shows a line to a person at the console; never a log. Without it the file alone has the password. */
  readonly announce?: ((line: string) => void) | undefined;
}

const system = 'machines';
const administrator = 'admin';
/** Without those that look like another: a person types them. */
const letters = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const passwordLength = 16;

/** The file with the passwords of all systems' first administrators: `system name password`, a line each. */
export const firstAdministratorsPath = (dataFolder: string): string =>
  join(dataFolder, 'secrets', 'first-administrators');

/**
 * Makes `admin` with a random password when there is no account at all; resolves with whether it did. The password is
 * on the device before the account exists: a power cut leaves a password too many, never an account that nobody can use.
 */
export async function makeFirstAdministrator(options: FirstAdministratorOptions): Promise<boolean> {
  const { accounts, machineHash, dataFolder, fileSystem, logger, announce } = options;
  if (await accounts.hasAny()) return false;
  const path = firstAdministratorsPath(dataFolder);
  const password = Array.from({ length: passwordLength }, () => letters[randomInt(letters.length)]).join('');
  const others = linesOf(path, fileSystem).filter((line) => !line.startsWith(`${system} `));
  await keepLines(path, [...others, `${system} ${administrator} ${password}`], fileSystem);
  try {
    await accounts.add({
      name: administrator,
      password: wirePassword(password, machineHash),
      customers: ['*'],
      role: 'authorizer',
      origin: 'first',
    });
  } catch (error) {
    // Another copy of the centre was first: its file has the password that counts.
    if (!isHoldfastError(error, 'account-exists')) throw error;
    await keepLines(path, others, fileSystem);
    return false;
  }
  logger.info({ account: administrator, file: path }, 'the first administrator was made; its password is in the file');
  announce?.(`first administrator of the machines' queries: ${administrator}, password ${password} (also in ${path})`);
  return true;
}

function linesOf(path: string, fileSystem: FileSystem): string[] {
  if (!fileSystem.exists(path)) return [];
  const file = fileSystem.open(path, 'read');
  try {
    const bytes = Buffer.alloc(Math.min(file.size(), 65_536));
    const text = bytes.toString('utf8', 0, file.read(bytes, 0));
    return text.split('\n').filter((line) => line !== '');
  } finally {
    file.close();
  }
}

/** Resolves when the file is on the device, and its folder too. */
async function keepLines(path: string, lines: readonly string[], fileSystem: FileSystem): Promise<void> {
  const folder = dirname(path);
  fileSystem.makeFolder(folder);
  await replaceFile(fileSystem, path, Buffer.from(lines.map((line) => `${line}\n`).join('')));
  await fileSystem.syncFolder(dirname(folder));
}
