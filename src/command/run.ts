import { readFileSync } from 'node:fs';
import { loadConfig } from '../config/index.ts';
import { describeError, HoldfastError, isHoldfastError } from '../errors.ts';
import type { Command, CommandContext } from './command.ts';
import { commandHelp, programHelp } from './help.ts';
import { type ParsedLine, parseLine, unknown } from './parse.ts';
import { commands as allCommands } from './table.ts';

/** What a command line is run with. */
export interface Terminal {
  /** The words after the program's name. */
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly print: (line: string) => void;
  readonly printError: (line: string) => void;
  readonly input: NodeJS.ReadStream;
}

/** Runs a command line and resolves with the exit code; never rejects. */
export async function runCommandLine(terminal: Terminal, commands = allCommands): Promise<number> {
  try {
    return await dispatch(terminal, commands);
  } catch (error) {
    if (!isHoldfastError(error)) {
      // A mistake of this program: whoever reports it needs the place.
      terminal.printError(`holdfast: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      return 1;
    }
    // A configuration's mistakes are one line each, and each is said to be ours.
    for (const line of describeError(error).split('\n')) terminal.printError(`holdfast: ${line}`);
    return isHoldfastError(error, 'usage') || isHoldfastError(error, 'configuration-invalid') ? 2 : 1;
  }
}

async function dispatch(terminal: Terminal, commands: typeof allCommands): Promise<number> {
  const [name, ...rest] = terminal.words;
  if (name === '--version' || name === '-V') {
    terminal.print(version());
    return 0;
  }
  if (name === '--help' || name === '-h' || name === undefined) {
    const help = programHelp(await summaries(commands));
    if (name === undefined) terminal.printError(help);
    else terminal.print(help);
    return name === undefined ? 2 : 0;
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!load) throw unknown(name.startsWith('-') ? 'option' : 'command', name, Object.keys(commands));
  const { command } = await load();
  const line = parseLine(rest, command.options);
  if (line.values.help) {
    terminal.print(commandHelp(name, command));
    return 0;
  }
  return await command.run(contextOf(terminal, line));
}

async function summaries(commands: typeof allCommands): Promise<Record<string, string>> {
  const loaded: [string, Command][] = [];
  for (const [name, load] of Object.entries(commands)) loaded.push([name, (await load()).command]);
  return Object.fromEntries(loaded.map(([name, command]) => [name, command.summary]));
}

function contextOf(terminal: Terminal, { words, values, configFile, dataFolder }: ParsedLine): CommandContext {
  const { environment, print, printError, input } = terminal;
  let stop: AbortController | undefined;
  const option = (name: string) => values[name] as string | undefined;
  return {
    words,
    configFile,
    dataFolder,
    environment,
    print,
    printError,
    input,
    option,
    flag: (name) => values[name] === true,
    numberOption(name, { least, most }) {
      const text = option(name);
      if (text === undefined) return undefined;
      const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      if (value >= least && value <= most) return value;
      throw new HoldfastError('usage', `--${name}: "${text}" is no whole number from ${least} to ${most}`);
    },
    loadConfig() {
      const loaded = loadConfig({ file: configFile, environment });
      for (const warning of loaded.warnings) printError(`holdfast: warning: ${warning}`);
      return loaded;
    },
    stopSignal() {
      stop ??= stopOnSignals();
      return stop.signal;
    },
  };
}

function stopOnSignals(): AbortController {
  const controller = new AbortController();
  const onSignal = () => {
    // Whoever asks twice does not want to wait for an orderly end.
    if (controller.signal.aborted) process.exit(1);
    controller.abort();
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  return controller;
}

function version(): string {
  for (const place of ['../../package.json', '../../../package.json']) {
    try {
      const file = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as {
        name: string;
        version: string;
      };
      if (file.name === 'holdfast') return file.version;
    } catch {
      // One place is right for the sources, the other for what is built of them.
    }
  }
  throw new HoldfastError('not-found', 'package.json is not where this program was installed');
}
