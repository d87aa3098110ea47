import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GpioError } from './errors.ts';

/** Where the kernel shows GPIO chips as files. */
export const sysfsRoot = '/sys/class/gpio';

/** A chip as sysfs shows it: line N of the chip has the global number `base + N`. */
export interface SysfsChip {
  readonly folder: string;
  readonly label: string;
  /** Global number of its first line: 0 before Linux 6.6 on most boards, 512 or more since. */
  readonly base: number;
  readonly lines: number;
}

/** Every chip below `root`, lowest base first. @throws GpioError `no-gpio`, `denied` */
export async function listSysfsChips(root: string): Promise<SysfsChip[]> {
  const names = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EACCES')
      throw new GpioError('denied', `${root} may not be read; add the user to the group gpio`);
    throw new GpioError('no-gpio', `there is no ${root}: this kernel does not offer GPIO over sysfs`, { cause: error });
  });
  const chips = await Promise.all(
    names.filter((name) => /^gpiochip\d+$/.test(name)).map((name) => readChip(root, name)),
  );
  return chips.filter((chip) => chip !== undefined).sort((a, b) => a.base - b.base);
}

/**
 * The chip with one of these labels, or in the folder of that name (`gpiochip512`). Labels stay when a kernel counts
 * the lines differently; numbers do not.
 *
 * @throws GpioError `no-gpio`
 */
export async function findSysfsChip(root: string, wanted: readonly string[]): Promise<SysfsChip> {
  const chips = await listSysfsChips(root);
  for (const name of wanted) {
    const chip = chips.find(({ label, folder }) => label === name || folder === name);
    if (chip) return chip;
  }
  const there = chips.map(({ label, folder }) => `${folder} (${label})`).join(', ') || 'no chip at all';
  throw new GpioError('no-gpio', `${root} has no chip ${wanted.map((name) => `"${name}"`).join(' or ')}, but ${there}`);
}

/** A chip that goes away while it is read is left out. */
async function readChip(root: string, folder: string): Promise<SysfsChip | undefined> {
  try {
    const [label, base, lines] = await Promise.all(
      ['label', 'base', 'ngpio'].map(async (file) => (await readFile(join(root, folder, file), 'utf8')).trim()),
    );
    return { folder, label: label!, base: Number(base), lines: Number(lines) };
  } catch {
    return undefined;
  }
}
