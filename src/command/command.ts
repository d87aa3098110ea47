import type { LoadedConfig } from '../config/index.ts';

/**
 * What a module in `src/command/` exports as `command`. The table in `table.ts` names the modules and imports one only
 * when it is asked for, so that `holdfast user` does not load the broker.
 */
export interface Command {
  /** One line for the list of commands; no full stop. */
  readonly summary: string;
  /** What follows the command's name: `[--count N] <channel>`; empty when nothing does. */
  readonly usage: string;
  /** Options of this command besides `--config`, `--data`, `--help` and `--version`, by their name without dashes. */
  readonly options: Readonly<Record<string, CommandOption>>;
  /** More for `--help`: a paragraph or two, lines of at most 100 characters. */
  readonly details?: string;
  /**
   * Does the work; resolves with the exit code (0 fine, 1 failed, 2 wrong usage or configuration). A HoldfastError that
   * it throws is printed as one line and becomes exit code 1, or 2 for `usage` and `configuration-invalid`.
   */
  run(context: CommandContext): Promise<number>;
}

/** An option of a command. */
export interface CommandOption {
  /** `string` takes a value, `boolean` takes none. */
  readonly type: 'string' | 'boolean';
  readonly description: string;
  /** How the value is called in the help: `N` in `--count N`. */
  readonly value?: string;
  /** May be given several times; the values stand on a line each. */
  readonly many?: boolean;
  /** One letter for `-n`. */
  readonly short?: string;
}

/** What a command is given. */
export interface CommandContext {
  /** The words after the command's name that are no options. */
  readonly words: readonly string[];
  /** The value of an option with `type: 'string'`; undefined when it was not given. */
  option(name: string): string | undefined;
  /** The same as a whole number in a range. Throws `usage` when it is none. */
  numberOption(name: string, range: { least: number; most: number }): number | undefined;
  /** True when an option with `type: 'boolean'` was given. */
  flag(name: string): boolean;
  /** `--config`, as an absolute path; undefined when it was not given. */
  readonly configFile: string | undefined;
  /** `--data`, as an absolute path; `./data` when it was not given. Need not exist yet. */
  readonly dataFolder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Reads the configuration and prints its warnings to standard error. Throws `configuration-invalid`. */
  loadConfig(): LoadedConfig;
  /** Prints a line to standard output. */
  print(line: string): void;
  /** Prints a line to standard error. */
  printError(line: string): void;
  readonly input: NodeJS.ReadStream;
  /**
   * A signal that fires at the first SIGTERM or SIGINT; from the first call on these no longer end the process at once.
   * A second one ends it with exit code 1, whatever is still under way.
   */
  stopSignal(): AbortSignal;
}
