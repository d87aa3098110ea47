import type { BoardProfile } from './boards/profile.ts';
import { GpioError } from './errors.ts';
import type { ChipDescription, GpioChip, InputLine, InputOptions, OutputLine, OutputOptions } from './port.ts';

export interface AutoDriverOptions {
  readonly uri: string;
  /** The board, or undefined when it is not known. */
  readonly board: () => Promise<BoardProfile | undefined>;
  readonly sysfs: (labels: readonly string[]) => GpioChip;
  readonly gpiod: (labels: readonly string[]) => GpioChip;
  /** For boards whose profile names a URI. */
  readonly other: (uri: string) => GpioChip;
}

/** What was found, so that the reasons for a decision can be told. */
interface Findings {
  readonly board: BoardProfile;
  readonly sysfs?: GpioChip;
  /** Also when it has a problem. */
  readonly anySysfs?: GpioChip;
  readonly sysfsProblem?: ChipDescription['problem'];
  readonly gpiod?: GpioChip;
  readonly gpiodProblem?: ChipDescription['problem'];
  readonly label?: string;
  readonly other?: GpioChip;
}

/**
 * Picks a driver for the board's header: sysfs where it is there, because it needs no process per line; libgpiod's
 * tools where sysfs is gone or does not load, and for inputs that want a pull, which sysfs cannot set. It looks anew
 * each time a line is opened, so that what is installed later is found.
 */
export class AutoDriver implements GpioChip {
  readonly uri: string;
  readonly #options: AutoDriverOptions;

  constructor(options: AutoDriverOptions) {
    this.uri = options.uri;
    this.#options = options;
  }

  async describe(): Promise<ChipDescription> {
    try {
      const { board, other, sysfs, gpiod, sysfsProblem, gpiodProblem, label } = await this.#look();
      const start = `${board.title}.`;
      if (other) {
        const description = await other.describe();
        return { ...description, uri: this.uri, explanation: `${start} ${description.explanation}` };
      }
      const chosen = sysfs ?? gpiod;
      if (!chosen) throw this.#nothing(sysfsProblem, gpiodProblem);
      const why = sysfs
        ? `Its chip "${label}" is reached over sysfs; ${gpiod ? "inputs that want a pull go through libgpiod's tools" : `pulls cannot be set (${gpiodProblem?.text})`}.`
        : `Its chip "${label}" is reached through libgpiod's tools, because over sysfs: ${sysfsProblem?.text}.`;
      return {
        uri: this.uri,
        driver: sysfs ? 'sysfs' : 'gpiod',
        ...(label ? { label } : {}),
        explanation: `${start} ${why}`,
      };
    } catch (error) {
      const { code, message } = error as GpioError;
      const explanation = 'No GPIO was found on this computer.';
      return { uri: this.uri, driver: 'none', explanation, problem: { code, text: message } };
    }
  }

  async openInput(options: InputOptions): Promise<InputLine> {
    const pulled = options.pull !== undefined && options.pull !== 'as-is';
    return (await this.#choose(pulled ? 'pull' : 'input')).openInput(options);
  }

  async openOutput(options: OutputOptions): Promise<OutputLine> {
    return (await this.#choose('output')).openOutput(options);
  }

  async #choose(need: 'pull' | 'input' | 'output'): Promise<GpioChip> {
    const found = await this.#look();
    const { other, sysfs, gpiod, sysfsProblem, gpiodProblem } = found;
    if (other) return other;
    if (need === 'pull' && gpiod) return gpiod;
    const chosen = sysfs ?? gpiod;
    // sysfs then says that it knows no pulls, and what to do.
    if (chosen) return chosen;
    // Without onoff, sysfs still has the files that an output is.
    if (need === 'output' && found.sysfsProblem?.code === 'driver-missing') return found.anySysfs!;
    throw this.#nothing(sysfsProblem, gpiodProblem);
  }

  async #look(): Promise<Findings> {
    const board = await this.#options.board();
    if (!board) {
      throw new GpioError(
        'no-gpio',
        'this board has no profile: name its chip ("gpiod:LABEL" or "sysfs:LABEL"; gpiodetect lists them), or "sim:NAME" for a simulated one',
      );
    }
    if (board.uri !== undefined) return { board, other: this.#options.other(board.uri) };
    if (board.chipLabels.length === 0) {
      throw new GpioError(
        'no-gpio',
        `${board.title} has no GPIO header: name a chip ("gpiod:LABEL"; gpiodetect lists them), or "sim:NAME" for a simulated one`,
      );
    }
    const sysfs = this.#options.sysfs(board.chipLabels);
    const gpiod = this.#options.gpiod(board.chipLabels);
    const [first, second] = await Promise.all([sysfs.describe(), gpiod.describe()]);
    const label = first.label ?? second.label;
    return {
      board,
      anySysfs: sysfs,
      ...(label ? { label } : {}),
      ...(first.problem ? { sysfsProblem: first.problem } : { sysfs }),
      ...(second.problem ? { gpiodProblem: second.problem } : { gpiod }),
    };
  }

  #nothing(sysfs: ChipDescription['problem'], gpiod: ChipDescription['problem']): GpioError {
    const code = [sysfs?.code, gpiod?.code].includes('driver-missing') ? 'driver-missing' : 'no-gpio';
    return new GpioError(code, `no way to the pins: ${sysfs?.text}; ${gpiod?.text}`);
  }
}
