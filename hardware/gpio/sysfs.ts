/**
 * GPIO over sysfs: inputs through the package onoff (it waits for interrupts with epoll), outputs by writing the files.
 *
 * - The chip is found by its label, and the line's global number is the chip's base plus the line, so BCM 17 is BCM 17
 *   whatever board and kernel.
 * - sysfs does not know who exported a line, and keeps it when the process dies: such a line is taken over. Within this
 *   process each line has one owner.
 * - sysfs cannot set pulls: `unsupported`.
 * - A value that cannot be read any more (the chip is unplugged, somebody took the line back) closes the line and calls
 *   `onLost`; onoff alone would end the process then.
 */
import { join } from 'node:path';
import { EdgeFilter } from './edge-filter.ts';
import { asGpioError, GpioError } from './errors.ts';
import { takeLine } from './line-owners.ts';
import { type LoadOnoff, loadOnoff, type OnoffGpio, type OnoffLine } from './onoff.ts';
import type { ChipDescription, GpioChip, InputLine, InputOptions, Level, OutputLine, OutputOptions } from './port.ts';
import { normalizeInput, normalizeOutput, requireLineNumber } from './settings.ts';
import { findSysfsChip, type SysfsChip, sysfsRoot } from './sysfs-chips.ts';
import { exportLine, lineFolder, type SysfsFiles, type SysfsLine, systemFiles, unexportLine } from './sysfs-export.ts';
import { systemTimers, type Timers } from './timers.ts';

export interface SysfsDriverOptions {
  readonly uri: string;
  /** Labels or folder names of the chip, the first that is there wins. */
  readonly chips: readonly string[];
  /** Default /sys/class/gpio. */
  readonly root?: string;
  readonly files?: SysfsFiles;
  readonly load?: LoadOnoff;
  readonly timers?: Timers;
}

export class SysfsDriver implements GpioChip {
  readonly uri: string;
  readonly #chips: readonly string[];
  readonly #root: string;
  readonly #files: SysfsFiles;
  readonly #load: LoadOnoff;
  readonly #timers: Timers;

  constructor({
    uri,
    chips,
    root = sysfsRoot,
    files = systemFiles,
    load = loadOnoff,
    timers = systemTimers,
  }: SysfsDriverOptions) {
    this.uri = uri;
    this.#chips = chips;
    this.#root = root;
    this.#files = files;
    this.#load = load;
    this.#timers = timers;
  }

  async describe(): Promise<ChipDescription> {
    try {
      const { folder, label, base, lines } = await findSysfsChip(this.#root, this.#chips);
      const explanation = `sysfs: ${folder} is "${label}" with ${lines} lines; line 0 has the number ${base}.`;
      const missing = await this.#load().then(
        () => undefined,
        (error: unknown) => asGpioError(error, 'driver-missing', 'onoff did not load'),
      );
      const problem = missing ? { problem: { code: missing.code, text: missing.message } } : {};
      return { uri: this.uri, driver: 'sysfs', label, explanation, ...problem };
    } catch (error) {
      const { code, message } = asGpioError(error, 'no-gpio', 'sysfs could not be read');
      return {
        uri: this.uri,
        driver: 'sysfs',
        explanation: 'sysfs offers no such chip.',
        problem: { code, text: message },
      };
    }
  }

  async openInput(options: InputOptions): Promise<InputLine> {
    const { line: wanted, owner, edges, debounceMs, activeLow, pull, onEdge, onLost } = normalizeInput(options);
    if (pull !== 'as-is') {
      throw new GpioError(
        'unsupported',
        'sysfs cannot switch pull resistors: install gpiod and use the chip "gpiod:", set the pull in config.txt, or leave it as it is',
      );
    }
    const { line, target, free } = await this.#take(wanted, owner);
    const timers = this.#timers;
    let io: OnoffLine | undefined;
    let filter: EdgeFilter | undefined;
    let exported = false;
    let closed = false;
    const close = async () => {
      if (closed) return;
      closed = true;
      filter?.close();
      // onoff unexports, too.
      if (io) io.unexport();
      else if (exported) await unexportLine(target);
      free();
    };
    const lose = (error: unknown) => {
      if (closed) return;
      void close().then(() => onLost(lostError(target, error)));
    };
    try {
      const Gpio = await this.#load();
      await exportLine(target, 'in');
      exported = true;
      io = openOnoff({ Gpio, target, activeLow });
      const read = io.readSync.bind(io);
      let last: Level = read();
      // onoff calls this in the callback of the interrupt, where an exception would reach nobody.
      io.readSync = () => {
        try {
          last = read();
        } catch (error) {
          setImmediate(lose, error);
        }
        return last;
      };
      const opened = new EdgeFilter({ initial: last, edges, debounceMs, timers, onEdge });
      filter = opened;
      io.watch((error, value) => {
        if (error) lose(error);
        else if (!closed) opened.feed(value, timers.now());
      });
      // The level may have changed before the watch began.
      opened.feed(io.readSync(), timers.now());
      return {
        line,
        get value() {
          return opened.value;
        },
        close,
      };
    } catch (error) {
      await close();
      throw asGpioError(error, 'no-gpio', `${target.name} could not be opened`);
    }
  }

  async openOutput(options: OutputOptions): Promise<OutputLine> {
    const { line: wanted, owner, initial, atClose, activeLow, onLost } = normalizeOutput(options);
    const { line, target, free } = await this.#take(wanted, owner);
    let exported = false;
    try {
      await exportLine(target, 'out');
      exported = true;
      await openForOutput({ target, activeLow, initial });
    } catch (error) {
      if (exported) await unexportLine(target);
      free();
      throw asGpioError(error, 'no-gpio', `${target.name} could not be opened`);
    }
    const valueFile = join(lineFolder(target), 'value');
    let value = initial;
    let lost: GpioError | undefined;
    let closing: Promise<void> | undefined;
    // One write after the other: the last one asked for is the one that stays.
    let queue: Promise<unknown> = Promise.resolve();
    const put = (next: Level) => {
      const done = queue.then(() => target.files.write(valueFile, String(next)));
      queue = done.catch(() => undefined);
      return done;
    };
    const end = async (last: Level | undefined) => {
      if (last !== undefined) await put(last).catch(() => undefined);
      await queue;
      // A line whose value shall stay is left exported: released, it might fall back to an input.
      if (atClose !== undefined || lost) await unexportLine(target);
      free();
    };
    const close = () => {
      closing ??= end(lost ? undefined : atClose);
      return closing;
    };
    return {
      line,
      get value() {
        return value;
      },
      write: async (next) => {
        if (lost || closing) throw lost ?? lostError(target, new Error('it is closed'));
        try {
          await put(next);
          value = next;
        } catch (error) {
          if (!lost) {
            lost = lostError(target, error);
            onLost(lost);
          }
          void close();
          throw lost;
        }
      },
      close,
    };
  }

  async #take(wanted: number | string, owner: string) {
    const line = requireLineNumber(wanted);
    const chip = await findSysfsChip(this.#root, this.#chips);
    const target = this.#target(chip, line);
    if (line >= chip.lines) {
      throw new GpioError('no-such-line', `"${chip.label}" has the lines 0 to ${chip.lines - 1}, not ${line}`);
    }
    return { line, target, free: takeLine({ chip: chip.label, line, owner }) };
  }

  #target({ base, label }: SysfsChip, line: number): SysfsLine {
    return {
      root: this.#root,
      number: base + line,
      name: `line ${line} of ${label}`,
      timers: this.#timers,
      files: this.#files,
    };
  }
}

function openOnoff({ Gpio, target, activeLow }: { Gpio: OnoffGpio; target: SysfsLine; activeLow: boolean }): OnoffLine {
  const io = new Gpio(target.number, 'in', 'both', { activeLow });
  // onoff passes over what it could not set on a line that was exported before, and here every line was.
  if (io.direction() !== 'in' || io.edge() !== 'both') {
    io.unexport();
    throw new GpioError(
      'denied',
      `${target.name} cannot be made an input that tells its changes; another program may hold it`,
    );
  }
  return io;
}

/** The order leaves no moment in which a wrong level is driven: `high` and `low` set direction and level at once. */
async function openForOutput(options: { target: SysfsLine; activeLow: boolean; initial: Level }): Promise<void> {
  const { target, activeLow, initial } = options;
  const folder = lineFolder(target);
  await target.files.write(join(folder, 'active_low'), activeLow ? '1' : '0');
  const electrical = activeLow ? 1 - initial : initial;
  await target.files.write(join(folder, 'direction'), electrical === 1 ? 'high' : 'low');
}

function lostError({ name }: SysfsLine, error: unknown): GpioError {
  const text = error instanceof Error ? error.message : String(error);
  return new GpioError('lost', `${name} is gone: ${text}`, { cause: error });
}
