import { constants } from 'node:fs';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GpioError } from './errors.ts';
import { pause, type Timers } from './timers.ts';

/** How sysfs is written to; a test brings a kernel of its own. */
export interface SysfsFiles {
  write(path: string, text: string): Promise<void>;
}

export const systemFiles: SysfsFiles = { write: (path, text) => writeFile(path, text) };

/** udev gives the files of a fresh line to the group gpio a moment after they appear. */
const accessDeadlineMs = 2000;
const accessPauseMs = 10;

export interface SysfsLine {
  readonly root: string;
  /** Global number of the line. */
  readonly number: number;
  /** How people call it, for error texts. */
  readonly name: string;
  readonly timers: Timers;
  readonly files: SysfsFiles;
}

/** The line's folder, such as /sys/class/gpio/gpio529. */
export function lineFolder({ root, number }: SysfsLine): string {
  return join(root, `gpio${number}`);
}

/**
 * Asks the kernel for a line and waits until its files may be written. A line that is exported already is taken over:
 * after a crash it still stands there from the last run, because sysfs does not know who asked for it.
 *
 * @throws GpioError `busy`, `denied`, `no-such-line`, `no-gpio`, `unsupported`
 */
export async function exportLine(line: SysfsLine, direction: 'in' | 'out'): Promise<void> {
  const { root, number, name, timers, files } = line;
  const folder = lineFolder(line);
  if (!(await mayWrite(join(folder, 'value')))) {
    await files.write(join(root, 'export'), String(number)).catch(async (error: NodeJS.ErrnoException) => {
      // EBUSY also comes when two ask at once and the other was faster, or the files are not ours yet.
      if (error.code === 'EBUSY' && (await exists(folder))) return;
      throw await exportError(line, error);
    });
  }
  const deadline = timers.now() + accessDeadlineMs;
  const names = ['value', 'direction', 'active_low', ...(direction === 'in' ? ['edge'] : [])];
  const needed = names.map((file) => join(folder, file));
  for (;;) {
    const ready = await Promise.all(needed.map(mayWrite));
    if (ready.every(Boolean)) return;
    if (timers.now() > deadline) {
      if (direction === 'in' && !(await exists(join(folder, 'edge')))) {
        throw new GpioError('unsupported', `${name} raises no interrupts, so its changes cannot be told`);
      }
      throw new GpioError(
        'denied',
        `the files of ${name} in ${folder} may not be written; add the user to the group gpio`,
      );
    }
    await pause(timers, accessPauseMs);
  }
}

/** Gives the line back; one that is gone already is nothing to complain about. */
export async function unexportLine({ root, number, files }: SysfsLine): Promise<void> {
  await files.write(join(root, 'unexport'), String(number)).catch(() => undefined);
}

async function exportError({ root, number, name }: SysfsLine, error: NodeJS.ErrnoException): Promise<GpioError> {
  switch (error.code) {
    case 'EBUSY': {
      const user = await userFromDebugfs(number);
      return new GpioError(
        'busy',
        `${name} is used by ${user ?? 'the kernel or another program (gpioinfo names it)'}`,
        {
          cause: error,
        },
      );
    }
    case 'EACCES':
    case 'EPERM':
      return new GpioError('denied', `${root}/export may not be written; add the user to the group gpio`, {
        cause: error,
      });
    case 'EINVAL':
      return new GpioError('no-such-line', `the kernel knows no ${name} (number ${number})`, { cause: error });
    default:
      return new GpioError('no-gpio', `${name} could not be had from ${root}: ${error.message}`, { cause: error });
  }
}

/** ` gpio-529 (GPIO17              |w1                  ) in  hi` names the user; only root may read it. */
async function userFromDebugfs(number: number): Promise<string | undefined> {
  const text = await readFile('/sys/kernel/debug/gpio', 'utf8').catch(() => '');
  return new RegExp(`^ *gpio-${number} +\\([^|)]*\\|([^)]*)\\)`, 'm').exec(text)?.[1]?.trim() || undefined;
}

function mayWrite(path: string): Promise<boolean> {
  return access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
