import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { GpioError } from './errors.ts';
import type { GpiodTools, Request } from './gpiod-tools.ts';
import { endChild, waitUntilHeld } from './gpiod-wait.ts';
import type { Level, OutputLine } from './port.ts';
import type { Timers } from './timers.ts';

const answerDeadlineMs = 2000;
const prompt = 'gpioset> ';

export interface GpiodOutputOptions {
  readonly request: Request;
  readonly atClose: Level | undefined;
  readonly tools: GpiodTools;
  readonly timers: Timers;
  free(): void;
  onLost(error: GpioError): void;
}

/** An output held by a gpioset. Writes happen one after the other. */
export class GpiodOutput implements OutputLine {
  readonly line: number;
  readonly #options: GpiodOutputOptions;
  #child: ChildProcessWithoutNullStreams | undefined;
  #value: Level = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #lost: GpioError | undefined;

  constructor(options: GpiodOutputOptions) {
    this.#options = options;
    this.line = options.request.line;
  }

  get value(): Level {
    return this.#value;
  }

  /** @throws GpioError when the line cannot be had */
  async open(initial: Level): Promise<void> {
    const { tools, request } = this.#options;
    const { usedBy } = (await tools.lines(request.chip)).find(({ line }) => line === request.line) ?? {};
    if (usedBy !== undefined)
      throw new GpioError('busy', `line ${request.line} of ${request.chip} is used by ${usedBy}`);
    await this.#hold(initial);
  }

  write(value: Level): Promise<void> {
    if (this.#lost || this.#closing) return Promise.reject(this.#lost ?? this.#gone('it is closed'));
    return this.#inTurn(() => this.#set(value));
  }

  close(): Promise<void> {
    this.#closing ??= this.#inTurn(() => this.#end());
    return this.#closing;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => undefined);
    return done;
  }

  async #set(value: Level): Promise<void> {
    if (this.#lost) throw this.#lost;
    if (value === this.#value) return;
    try {
      if ((await this.#options.tools.version()) === 2) await this.#command(value);
      else {
        await this.#release();
        await this.#hold(value);
      }
    } catch (error) {
      throw this.#lose(error instanceof Error ? error.message : String(error));
    }
    this.#value = value;
  }

  async #end(): Promise<void> {
    const { atClose, free } = this.#options;
    if (atClose !== undefined && !this.#lost) await this.#set(atClose).catch(() => undefined);
    await this.#release();
    free();
  }

  async #hold(value: Level): Promise<void> {
    const { tools, request, timers } = this.#options;
    const child = await tools.hold(request, value);
    try {
      await waitUntilHeld({ child, tools, request, tool: 'gpioset', timers });
    } catch (error) {
      await endChild(child);
      throw error;
    }
    this.#child = child;
    this.#value = value;
    child.stdout.resume();
    child.once('exit', () => {
      if (this.#child === child && !this.#closing) this.#lose('gpioset ended');
    });
  }

  /** gpioset prints its prompt again when the value is set, and says on its standard error when it could not. */
  #command(value: Level): Promise<void> {
    const child = this.#child;
    const { timers } = this.#options;
    if (!child) return Promise.reject(this.#gone('gpioset ended'));
    return new Promise((resolve, reject) => {
      let complaint = '';
      const finish = (error?: Error) => {
        cancel();
        child.stdout.off('data', out);
        child.stderr.off('data', err);
        child.off('exit', ended);
        if (error) reject(error);
        else resolve();
      };
      let said = '';
      const out = (chunk: Buffer) => {
        said += chunk;
        // What it complained of was written before the prompt, but may be read after it.
        if (said.includes(prompt)) setImmediate(() => finish(complaint === '' ? undefined : new Error(complaint)));
      };
      const err = (chunk: Buffer) => {
        complaint += chunk;
      };
      const ended = () => finish(new Error(complaint || 'gpioset ended'));
      const cancel = timers.after(answerDeadlineMs, () => finish(new Error('gpioset does not answer')));
      child.stdout.on('data', out);
      child.stderr.on('data', err);
      child.once('exit', ended);
      child.stdin.write(`set ${this.line}=${value}\n`);
    });
  }

  async #release(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child) await endChild(child);
  }

  #lose(why: string): GpioError {
    if (this.#lost) return this.#lost;
    this.#lost = this.#gone(why);
    const { free, onLost } = this.#options;
    this.#closing ??= this.#release().then(free);
    onLost(this.#lost);
    return this.#lost;
  }

  #gone(why: string): GpioError {
    const { chip, line } = this.#options.request;
    return new GpioError('lost', `line ${line} of ${chip} is gone: ${why.trim()}`);
  }
}
