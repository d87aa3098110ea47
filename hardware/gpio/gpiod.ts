/**
 * GPIO over the character device, through the programs of libgpiod: works where sysfs is gone, sets pulls, and the
 * kernel tells who uses a line.
 *
 * - The chip is given by name (`gpiochip0`) or, steadier, by label; without either by the board's label.
 * - An input is one gpiomon. Its first value is read just before by gpioget, because gpiomon of most versions does not
 *   tell it: an edge between the two is not seen, the next one is.
 * - An output is one gpioset. Version 2 takes new values as it runs; version 1 must be started anew for each, and for
 *   some milliseconds nobody drives the line.
 * - A program that ends by itself means that the line is gone: `onLost`.
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { EdgeFilter } from './edge-filter.ts';
import { asGpioError, GpioError } from './errors.ts';
import { GpiodOutput } from './gpiod-output.ts';
import { type GpiodChip, GpiodTools, parseEdge, type Request, toolError } from './gpiod-tools.ts';
import { endChild, waitUntilHeld } from './gpiod-wait.ts';
import { takeLine } from './line-owners.ts';
import type { ChipDescription, GpioChip, InputLine, InputOptions, OutputLine, OutputOptions } from './port.ts';
import { lineNumber, normalizeInput, normalizeOutput } from './settings.ts';
import { systemTimers, type Timers } from './timers.ts';

export interface GpiodDriverOptions {
  readonly uri: string;
  /** Names or labels of the chip, the first that is there wins. */
  readonly chips: readonly string[];
  readonly tools?: GpiodTools;
  readonly timers?: Timers;
}

export class GpiodDriver implements GpioChip {
  readonly uri: string;
  readonly #chips: readonly string[];
  readonly #tools: GpiodTools;
  readonly #timers: Timers;

  constructor({ uri, chips, tools = new GpiodTools(), timers = systemTimers }: GpiodDriverOptions) {
    this.uri = uri;
    this.#chips = chips;
    this.#tools = tools;
    this.#timers = timers;
  }

  async describe(): Promise<ChipDescription> {
    try {
      const version = await this.#tools.version();
      const { name, label, lines } = await this.#find();
      const explanation = `libgpiod's tools, version ${version}: ${name} is "${label}" with ${lines} lines.`;
      return { uri: this.uri, driver: 'gpiod', label, explanation };
    } catch (error) {
      const { code, message } = asGpioError(error, 'no-gpio', 'libgpiod could not be asked');
      const explanation = 'The character device offers no such chip.';
      return { uri: this.uri, driver: 'gpiod', explanation, problem: { code, text: message } };
    }
  }

  async openInput(options: InputOptions): Promise<InputLine> {
    const { line: wanted, owner, edges, debounceMs, activeLow, pull, onEdge, onLost } = normalizeInput(options);
    const { chip, line, free } = await this.#take(wanted, owner);
    const request: Request = { chip: chip.name, line, activeLow, pull, debounceMs };
    const timers = this.#timers;
    let child: ChildProcessWithoutNullStreams | undefined;
    try {
      const version = await this.#tools.version();
      const initial = await this.#tools.get(request);
      // Version 2 lets the kernel debounce.
      const filter = new EdgeFilter({ initial, edges, debounceMs: version === 2 ? 0 : debounceMs, timers, onEdge });
      child = await this.#tools.monitor(request);
      const monitor = child;
      const edge = (text: string) => {
        const event = parseEdge(text);
        if (event) filter.feed(event.value, event.monotonicMs);
      };
      await waitUntilHeld({ child, tools: this.#tools, request, tool: 'gpiomon', timers, line: edge });
      let closed = false;
      const close = async () => {
        if (closed) return;
        closed = true;
        filter.close();
        await endChild(monitor);
        free();
      };
      const lost = () => {
        if (closed) return;
        void close().then(() => onLost(new GpioError('lost', `line ${line} of ${chip.label} is gone: gpiomon ended`)));
      };
      createInterface({ input: monitor.stdout }).on('line', edge);
      monitor.once('exit', lost);
      if (monitor.exitCode !== null) lost();
      return {
        line,
        get value() {
          return filter.value;
        },
        close,
      };
    } catch (error) {
      if (child) await endChild(child);
      free();
      throw await this.#named(error, request);
    }
  }

  async openOutput(options: OutputOptions): Promise<OutputLine> {
    const { line: wanted, owner, initial, atClose, activeLow, onLost } = normalizeOutput(options);
    const { chip, line, free } = await this.#take(wanted, owner);
    const request: Request = { chip: chip.name, line, activeLow, pull: 'as-is', debounceMs: 0 };
    const output = new GpiodOutput({ request, atClose, tools: this.#tools, timers: this.#timers, free, onLost });
    try {
      await output.open(initial);
      return output;
    } catch (error) {
      free();
      throw await this.#named(error, request);
    }
  }

  async #find(): Promise<GpiodChip> {
    const chips = await this.#tools.chips();
    for (const wanted of this.#chips) {
      const chip = chips.find(({ name, label }) => name === wanted || label === wanted);
      if (chip) return chip;
    }
    const there = chips.map(({ name, label }) => `${name} (${label})`).join(', ') || 'none at all';
    const names = this.#chips.map((name) => `"${name}"`).join(' or ');
    throw new GpioError('no-gpio', `there is no GPIO chip ${names}; the kernel offers ${there}`);
  }

  async #take(wanted: number | string, owner: string) {
    const chip = await this.#find();
    const line = lineNumber(wanted) ?? (await this.#lineNamed(chip, String(wanted)));
    if (line >= chip.lines) {
      throw new GpioError('no-such-line', `"${chip.label}" has the lines 0 to ${chip.lines - 1}, not ${line}`);
    }
    return { chip, line, free: takeLine({ chip: chip.label, line, owner }) };
  }

  async #lineNamed(chip: GpiodChip, name: string): Promise<number> {
    const found = (await this.#tools.lines(chip.name)).find((line) => line.name === name.trim());
    if (found) return found.line;
    throw new GpioError('no-such-line', `"${chip.label}" has no line named "${name}"; gpioinfo lists its lines`);
  }

  /** The kernel says only that a line is busy; gpioinfo says with whom. */
  async #named(error: unknown, { chip, line }: Request): Promise<GpioError> {
    const known = error instanceof GpioError ? error : toolError('gpiod', String(error), error);
    if (known.code !== 'busy') return known;
    const lines = await this.#tools.lines(chip).catch(() => []);
    const user = lines.find((other) => other.line === line)?.usedBy ?? 'another program';
    return new GpioError('busy', `line ${line} of ${chip} is used by ${user}`, { cause: known });
  }
}
