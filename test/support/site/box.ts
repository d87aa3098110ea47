/** A gateway as on site: `bin/holdfast gateway` with its own configuration, data folder and ports. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../temporary.ts';
import { until } from '../until.ts';
import { holdfast, Program, runHoldfast } from './program.ts';

/** What a box is made of. */
export interface BoxOptions {
  /** Holds configuration, log and, unless `dataFolder` says otherwise, the data. */
  readonly folder: string;
  readonly name?: string;
  readonly dataFolder?: string;
  /** Serial numbers; each may log in with `passwordOf(serial)`. */
  readonly machines: readonly string[];
  readonly upstream?: Readonly<Record<string, unknown>>;
  readonly spool?: Readonly<Record<string, unknown>>;
  /** More of the configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Words before the command: how the process gets into a mount namespace. */
  readonly before?: readonly string[];
}

/** Totals of the spool, as `holdfast spool status --json` prints them. */
export interface SpoolTotals {
  readonly accepted: number;
  readonly delivered: number;
  readonly pending: number;
  readonly quarantined: number;
  readonly evicted: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly logs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** What `/healthz` says to a caller on the box. */
export interface BoxHealth {
  readonly code: number;
  readonly ok: boolean;
  readonly status: string;
  readonly gateway?: string;
  readonly spool?: { readonly accepted: number; readonly delivered: number; readonly pending: number };
  readonly uplink?: { readonly connected?: boolean };
}

export const passwordOf = (serial: string): string => `secret of ${serial}`;

/** HTTP Basic with a machine's credential. */
export const authorizationOf = (serial: string): string =>
  `Basic ${Buffer.from(`${serial}:${passwordOf(serial)}`).toString('base64')}`;

/** Chooses ports and writes the configuration; nothing is started yet. */
export async function createBox(options: BoxOptions): Promise<Box> {
  const [httpPort, mqttPort] = (await freePorts(2)) as [number, number];
  return new Box(options, httpPort, mqttPort);
}

export class Box {
  readonly httpPort: number;
  readonly mqttPort: number;
  readonly url: string;
  readonly dataFolder: string;
  readonly program: Program;
  readonly #before: readonly string[];
  readonly #configFile: string;

  constructor(options: BoxOptions, httpPort: number, mqttPort: number) {
    const { folder, name = 'box', machines, upstream, spool, config, before = [] } = options;
    this.httpPort = httpPort;
    this.mqttPort = mqttPort;
    this.url = `http://127.0.0.1:${httpPort}`;
    this.dataFolder = options.dataFolder ?? join(folder, name);
    this.#before = before;
    this.#configFile = join(folder, `${name}.yaml`);
    mkdirSync(folder, { recursive: true });
    const content = {
      http: { host: '127.0.0.1', port: httpPort },
      mqtt: {
        host: '127.0.0.1',
        port: mqttPort,
        clients: machines.map((username) => ({ username, password: passwordOf(username) })),
      },
      // Small segments: they fill, are given back and are used again many times within a campaign.
      spool: { segmentSize: '1MiB', freeReserve: '0B', ...spool },
      // In a container there is nothing to tell boxes by, and an alarm about it would be a report more.
      authorization: { hardwareIdentity: 'the box of a test' },
      ...(upstream && { upstream }),
      ...config,
    };
    // JSON is YAML.
    writeFileSync(this.#configFile, JSON.stringify(content, null, 2));
    const words = ['gateway', '--config', this.#configFile, '--data', this.dataFolder];
    this.program = new Program([...before, holdfast, ...words], join(folder, `${name}.log`));
  }

  /** Starts the process and waits until it takes reports. */
  async start(withinMs = 20_000): Promise<void> {
    this.program.begin();
    await this.ready(withinMs);
  }

  /** Waits until the started process takes reports; fails at once when it ends. */
  async ready(withinMs = 20_000): Promise<void> {
    let ended = false;
    await until(
      async () => {
        ended = !this.program.isRunning;
        return ended || (await this.health()).ok;
      },
      () => `the gateway takes reports\n${this.program.tail}`,
      withinMs,
      50,
    );
    if (ended) throw new Error(`the gateway ended (${this.program.exitCode}):\n${this.program.tail}`);
  }

  kill(): Promise<void> {
    return this.program.kill();
  }

  stop(): Promise<void> {
    return this.program.stop();
  }

  async health(): Promise<BoxHealth> {
    const response = await fetch(`${this.url}/healthz`, { signal: AbortSignal.timeout(5000) });
    return { code: response.status, ...((await response.json()) as Omit<BoxHealth, 'code'>) };
  }

  async metrics(): Promise<string> {
    return await (await fetch(`${this.url}/metrics`)).text();
  }

  /** Runs a command on this box: `lease list`, `audit verify`. Rejects when it fails. */
  run(words: readonly string[], input?: string): Promise<string> {
    const options = ['--config', this.#configFile, '--data', this.dataFolder];
    return runHoldfast([...words, ...options], this.#before, input);
  }

  /** `POST /reports/<channel>` with a machine's credential. */
  post(channel: string, body: Buffer | string, as: string | undefined): Promise<Response> {
    return fetch(`${this.url}/reports/${channel}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : new Uint8Array(body),
      headers: as === undefined ? {} : { authorization: authorizationOf(as) },
      signal: AbortSignal.timeout(10_000),
    });
  }

  /** Objects that `holdfast spool <words> --json` prints: of the running box through its socket, else from the folder. */
  async spool<T>(...words: string[]): Promise<T[]> {
    const text = await runHoldfast(
      ['spool', ...words, '--json', '--config', this.#configFile, '--data', this.dataFolder],
      this.#before,
    );
    return text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as T);
  }

  async totals(): Promise<SpoolTotals> {
    return (await this.spool<SpoolTotals>('status'))[0]!;
  }

  /** Waits until nothing is left to deliver. */
  async drained(withinMs = 60_000): Promise<void> {
    let last: BoxHealth | undefined;
    await until(
      async () => {
        last = await this.health();
        return last.spool?.pending === 0;
      },
      () => `everything delivered: ${JSON.stringify(last)}\n${this.program.tail}`,
      withinMs,
      100,
    );
  }
}
