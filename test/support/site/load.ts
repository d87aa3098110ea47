/** The test's side of the load generator (load-main.ts). */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnWithUs } from '../processes.ts';
import { until } from '../until.ts';
import type { Channel } from './machine-reports.ts';
import { cleanEnvironment } from './program.ts';

export interface LoadOptions {
  readonly seed: number;
  /** Serial numbers. */
  readonly mqttMachines: readonly string[];
  readonly httpMachines: readonly string[];
  readonly mqttPort: number;
  readonly httpPort: number;
  /** Reports a second of each machine. */
  readonly rate: number;
  /** File that gets a line `serial channel n` for each acknowledged report, in that order. */
  readonly journal: string;
  /** Reports of a machine under way at most (32). */
  readonly window?: number;
  /** How likely a machine forgets what was not acknowledged when its connection ends (0.05). */
  readonly forgets?: number;
}

export interface LoadState {
  /** Of each machine and channel how many reports there were. */
  readonly sent: Readonly<Record<string, Readonly<Record<Channel, number>>>>;
  readonly acknowledged: number;
  readonly waiting: number;
  readonly forgotten: number;
  /** Sent again although acknowledged. */
  readonly repeated: number;
  readonly connections: number;
  readonly replies: number;
  readonly mistakes: readonly string[];
}

export class Load {
  readonly options: LoadOptions;
  readonly #child: ChildProcess;

  /** Starts the generator's process; its machines try to connect until they can. */
  constructor(options: LoadOptions) {
    this.options = options;
    const main = join(import.meta.dirname, 'load-main.ts');
    const own = ['--disable-warning=ExperimentalWarning', main, JSON.stringify(options)];
    this.#child = spawnWithUs(process.execPath, own, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: cleanEnvironment,
    });
  }

  state(): Promise<LoadState> {
    return this.#ask('state');
  }

  /** Waits until that many reports more have been acknowledged. */
  async acknowledges(more: number, withinMs = 30_000): Promise<void> {
    const { acknowledged } = await this.state();
    await until(
      async () => (await this.state()).acknowledged >= acknowledged + more,
      `${more} more acknowledged`,
      withinMs,
      100,
    );
  }

  /** No new reports; resolves when the machines have nothing left to send, or after `withinMs`. Ends the generator. */
  async finish(withinMs = 30_000): Promise<LoadState> {
    await this.#ask('finish');
    await until(async () => (await this.state()).waiting === 0, 'all acknowledged', withinMs, 100);
    return await this.end();
  }

  /** Ends the generator, whatever its machines still have to send. */
  async end(): Promise<LoadState> {
    const state = await this.#ask('end');
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    return state;
  }

  /** Ends the process at once, if it still runs. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** The reports that were acknowledged, in order: `[serial, channel, n]`. */
  get journal(): [serial: string, channel: Channel, n: number][] {
    if (!existsSync(this.options.journal)) return [];
    return readFileSync(this.options.journal, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(' '))
      .map(([serial, channel, n]) => [serial!, channel as Channel, Number(n)]);
  }

  async #ask(command: 'state' | 'finish' | 'end'): Promise<LoadState> {
    const answer = once(this.#child, 'message');
    this.#child.send(command);
    return (await answer)[0] as LoadState;
  }
}
