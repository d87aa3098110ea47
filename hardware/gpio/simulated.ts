import { EdgeFilter } from './edge-filter.ts';
import { GpioError } from './errors.ts';
import { takeLine } from './line-owners.ts';
import type { ChipDescription, GpioChip, InputLine, InputOptions, Level, OutputLine, OutputOptions } from './port.ts';
import { normalizeInput, normalizeOutput, requireLineNumber } from './settings.ts';
import { SimulatedChip } from './simulated-chip.ts';
import { systemTimers, type Timers } from './timers.ts';

const chips = new Map<string, SimulatedChip>();

/** The simulated chip of that name, made when it is asked for the first time. */
export function simulatedChip(name: string): SimulatedChip {
  let chip = chips.get(name);
  if (!chip) {
    chip = new SimulatedChip({ name });
    chips.set(name, chip);
  }
  return chip;
}

/** Every simulated chip of this process, by name; what a console or a command drives. */
export function simulatedChips(): ReadonlyMap<string, SimulatedChip> {
  return chips;
}

/** The driver's end of a simulated chip. */
export class SimulatedDriver implements GpioChip {
  readonly uri: string;
  readonly #chip: SimulatedChip;
  readonly #timers: Timers;

  constructor({ chip, timers = systemTimers }: { chip: SimulatedChip; timers?: Timers }) {
    this.uri = `sim:${chip.name}`;
    this.#chip = chip;
    this.#timers = timers;
  }

  async describe(): Promise<ChipDescription> {
    const { name, plugged } = this.#chip;
    return {
      uri: this.uri,
      driver: 'simulated',
      label: name,
      explanation: `Simulated chip "${name}"${plugged ? '' : ', unplugged'}.`,
      ...(plugged ? {} : { problem: { code: 'no-gpio', text: this.#unplugged().message } }),
    };
  }

  async openInput(options: InputOptions): Promise<InputLine> {
    const { line, owner, edges, debounceMs, activeLow, pull, onEdge, onLost } = this.#checked(normalizeInput(options));
    const free = takeLine({ chip: this.uri, line, owner });
    const timers = this.#timers;
    const logical = (level: Level): Level => (activeLow ? (level === 1 ? 0 : 1) : level);
    let filter: EdgeFilter | undefined;
    const close = this.#closer(line, free, () => filter?.close());
    const level = this.#chip.attach(line, {
      direction: 'in',
      activeLow,
      pull,
      levelChanged: (changed) => filter?.feed(logical(changed), timers.now()),
      lost: (why) => {
        close();
        onLost(this.#lost(line, why));
      },
    });
    const opened = new EdgeFilter({ initial: logical(level), edges, debounceMs, timers, onEdge });
    filter = opened;
    return {
      line,
      get value() {
        return opened.value;
      },
      close: async () => close(),
    };
  }

  async openOutput(options: OutputOptions): Promise<OutputLine> {
    const { line, owner, initial, atClose, activeLow, onLost } = this.#checked(normalizeOutput(options));
    const free = takeLine({ chip: this.uri, line, owner });
    const chip = this.#chip;
    const drive = (value: Level) => chip.output(line, activeLow ? (value === 1 ? 0 : 1) : value);
    let lost: GpioError | undefined;
    let value = initial;
    const close = this.#closer(line, free, () => {
      if (atClose !== undefined && !lost) drive(atClose);
    });
    drive(initial);
    chip.attach(line, {
      direction: 'out',
      activeLow,
      pull: 'as-is',
      levelChanged: () => undefined,
      lost: (why) => {
        lost = this.#lost(line, why);
        close();
        onLost(lost);
      },
    });
    return {
      line,
      get value() {
        return value;
      },
      write: async (next) => {
        if (lost) throw lost;
        value = next;
        drive(next);
      },
      close: async () => close(),
    };
  }

  #checked<O extends { line: number | string }>(options: O): O & { line: number } {
    if (!this.#chip.plugged) throw this.#unplugged();
    const line = requireLineNumber(options.line);
    if (line >= this.#chip.lines) {
      throw new GpioError('no-such-line', `${this.uri} has the lines 0 to ${this.#chip.lines - 1}, not ${line}`);
    }
    const failure = this.#chip.failureOf(line);
    if (failure !== undefined) throw this.#lost(line, failure);
    return { ...options, line };
  }

  #closer(line: number, free: () => void, before: () => void): () => void {
    let closed = false;
    return () => {
      if (closed) return;
      closed = true;
      before();
      this.#chip.detach(line);
      free();
    };
  }

  #lost(line: number, why: string): GpioError {
    return new GpioError('lost', `line ${line} of ${this.uri} is gone: ${why}`);
  }

  #unplugged(): GpioError {
    return new GpioError('no-gpio', `${this.uri} is unplugged; plug it in again`);
  }
}
