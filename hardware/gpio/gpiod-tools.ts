/**
 * The programs of libgpiod: gpiodetect, gpioinfo, gpioget, gpiomon, gpioset, in the command lines of version 1 (Debian
 * 12) and version 2 (Debian 13). A line stays requested as long as its program runs, so each open line is one process;
 * none outlives this one, even when it is killed.
 */
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { GpioError } from './errors.ts';
import type { Level, Pull } from './port.ts';

const runDeadlineMs = 5000;
const outputLimit = 1024 * 1024;

export type Tool = 'gpiodetect' | 'gpioinfo' | 'gpioget' | 'gpiomon' | 'gpioset';
export type GpiodVersion = 1 | 2;

/** A chip as gpiodetect lists it. */
export interface GpiodChip {
  readonly name: string;
  readonly label: string;
  readonly lines: number;
}

/** A line as gpioinfo lists it. */
export interface GpiodLine {
  readonly line: number;
  readonly name?: string;
  /** Who has it open; `yes` when that is not told. */
  readonly usedBy?: string;
}

/** What one open line asks of the programs. */
export interface Request {
  readonly chip: string;
  readonly line: number;
  readonly activeLow: boolean;
  readonly pull: Pull;
  readonly debounceMs: number;
}

const children = new Set<ChildProcessWithoutNullStreams>();
function endChildren(): void {
  for (const child of children) child.kill('SIGKILL');
}

export class GpiodTools {
  readonly #folders: readonly string[];
  #version: Promise<GpiodVersion> | undefined;

  /** `folders` are searched for the programs; default: the PATH and where Debian puts them. */
  constructor({
    folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin'],
  }: { folders?: readonly string[] } = {}) {
    this.#folders = folders.filter((folder) => folder !== '');
  }

  /** @throws GpioError `driver-missing` */
  version(): Promise<GpiodVersion> {
    this.#version ??= this.#detectVersion().catch((error: unknown) => {
      // They may be installed while this runs.
      this.#version = undefined;
      throw error;
    });
    return this.#version;
  }

  async chips(): Promise<GpiodChip[]> {
    const text = await this.run('gpiodetect', []);
    return [...text.matchAll(/^(\S+) \[(.*)\] \((\d+) lines\)$/gm)].map(([, name, label, lines]) => ({
      name: name!,
      label: label!,
      lines: Number(lines),
    }));
  }

  async lines(chip: string): Promise<GpiodLine[]> {
    const version = await this.version();
    return parseLines(await this.run('gpioinfo', version === 1 ? [chip] : ['--chip', chip]), version);
  }

  /** The logical value of an input, now. */
  async get(request: Request): Promise<Level> {
    const version = await this.version();
    const numeric = version === 2 ? ['--numeric'] : [];
    const text = await this.run('gpioget', [...flags(request, version), ...numeric, ...target(request, version)]);
    return text.trim() === '1' ? 1 : 0;
  }

  /** Prints each edge as `rising|falling|1|0 seconds nanoseconds`; see `parseEdge`. */
  async monitor(request: Request): Promise<ChildProcessWithoutNullStreams> {
    const version = await this.version();
    const own =
      version === 1
        ? ['--line-buffered', '--format=%e %s %n']
        : ['--banner', '--edges', 'both', '--event-clock', 'monotonic', '--format', '%E %S', '--consumer', consumer];
    const debounce =
      version === 2 && request.debounceMs > 0 ? ['--debounce-period', `${request.debounceMs * 1000}us`] : [];
    return this.#start('gpiomon', [...flags(request, version), ...debounce, ...own, ...target(request, version)]);
  }

  /** Holds an output: version 1 until its standard input ends, version 2 takes `set` commands there. */
  async hold(request: Request, value: Level): Promise<ChildProcessWithoutNullStreams> {
    const version = await this.version();
    const own = version === 1 ? ['--mode=wait'] : ['--interactive', '--consumer', consumer];
    return this.#start('gpioset', [...flags(request, version), ...own, ...target(request, version, value)]);
  }

  /** Runs a program to its end and returns what it printed. @throws GpioError */
  run(tool: Tool, args: readonly string[]): Promise<string> {
    const options = { env: environment(), timeout: runDeadlineMs, maxBuffer: outputLimit };
    return new Promise((resolve, reject) => {
      execFile(this.#path(tool), args, options, (error, stdout, stderr) => {
        if (error) reject(toolError(tool, stderr || error.message, error));
        else resolve(stdout);
      });
    });
  }

  async #detectVersion(): Promise<GpiodVersion> {
    const text = await this.run('gpiodetect', ['--version']);
    return Number(/\bv(\d+)\./.exec(text)?.[1] ?? 1) >= 2 ? 2 : 1;
  }

  #start(tool: Tool, args: readonly string[]): ChildProcessWithoutNullStreams {
    const program = this.#path(tool);
    const guard = find('setpriv', this.#folders) ?? find('setpriv', ['/usr/bin', '/bin']);
    // gpiomon would not notice that nobody reads any more until the next edge, and keep the line until then.
    const [command, first] = guard ? [guard, ['--pdeathsig', 'KILL', program]] : [program, []];
    const child = spawn(command, [...first, ...args], { env: environment(), stdio: 'pipe' });
    if (children.size === 0) process.on('exit', endChildren);
    children.add(child);
    const ended = () => {
      children.delete(child);
      if (children.size === 0) process.off('exit', endChildren);
    };
    child.once('exit', ended).once('error', ended);
    // A program that has just ended closes its pipe; that it ended is told by its exit.
    child.stdin.on('error', () => undefined);
    return child;
  }

  #path(tool: Tool): string {
    const path = find(tool, this.#folders);
    if (path) return path;
    throw new GpioError('driver-missing', `${tool} is not installed: install the package gpiod`);
  }
}

/** The logical value and the kernel's time in ms of a line that gpiomon printed; undefined for its banner. */
export function parseEdge(text: string): { value: Level; monotonicMs: number } | undefined {
  const found = /^(rising|falling|0|1) +(\d+)(?:\.(\d+)| +(\d+))?$/.exec(text.trim());
  if (!found) return undefined;
  const [, edge, seconds, fraction, nanoseconds] = found;
  const nanos = fraction === undefined ? Number(nanoseconds ?? 0) : Number(fraction.padEnd(9, '0').slice(0, 9));
  return { value: edge === 'rising' || edge === '1' ? 1 : 0, monotonicMs: Number(seconds) * 1000 + nanos / 1e6 };
}

/** The code that a program's complaint means. */
export function toolError(tool: string, text: string, cause?: unknown): GpioError {
  const said = `${tool}: ${
    text
      .trim()
      .split('\n')[0]
      ?.replace(/^\S+: (error )?/, '') ?? 'failed'
  }`;
  if (/resource busy/i.test(text)) return new GpioError('busy', said, { cause });
  if (/permission denied|not permitted/i.test(text)) {
    return new GpioError('denied', `${said}; add the user to the group gpio`, { cause });
  }
  if (/out of range|cannot find line|invalid argument|invalid offset/i.test(text)) {
    return new GpioError('no-such-line', said, { cause });
  }
  return new GpioError('no-gpio', said, { cause });
}

const consumer = 'holdfast';

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C' };
}

function flags({ activeLow, pull }: Request, version: GpiodVersion): string[] {
  const names = { 'as-is': undefined, up: 'pull-up', down: 'pull-down', none: version === 1 ? 'disable' : 'disabled' };
  const bias = names[pull];
  return [...(activeLow ? ['--active-low'] : []), ...(bias ? [`--bias=${bias}`] : [])];
}

function target({ chip, line }: Request, version: GpiodVersion, value?: Level): string[] {
  const text = value === undefined ? String(line) : `${line}=${value}`;
  return version === 1 ? [chip, text] : ['--chip', chip, text];
}

/**
 * Version 1: `line  17: "GPIO17" "gpiomon" input active-low [used]`, version 2: `line 17: "GPIO17" input consumer="x"`.
 */
function parseLines(text: string, version: GpiodVersion): GpiodLine[] {
  return [...text.matchAll(/^\s+line +(\d+):\s+(unnamed|"[^"]*")\s+(.*)$/gm)].map(([, line, name, rest = '']) => {
    const usedBy =
      version === 1
        ? rest.includes('[used') && (/^"([^"]*)"/.exec(rest)?.[1] ?? 'yes')
        : /consumer=(?:"([^"]*)"|(\S+))/.exec(rest)?.slice(1).find(Boolean);
    return {
      line: Number(line),
      ...(name === 'unnamed' ? {} : { name: name!.slice(1, -1) }),
      ...(usedBy ? { usedBy } : {}),
    };
  });
}

function find(program: string, folders: readonly string[]): string | undefined {
  return folders
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
