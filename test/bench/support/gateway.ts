/** A gateway or a centre as a process of its own, from the built package. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, type TemporaryFolder, temporaryFolder } from '../../support/temporary.ts';
import { builtHoldfast } from './package.ts';
import { Program, processorSeconds, residentBytes } from './processes.ts';

/** What of the answer of /healthz is looked at here. */
export interface SpoolCounts {
  readonly accepted: number;
  readonly delivered: number;
  readonly pending: number;
}

/** More of the configuration, by its top-level keys. */
export type Configuration = Readonly<Record<string, object>>;

/** A gateway, its folder and its ports; may be started and ended again and again. */
export class GatewayProcess {
  readonly mqttPort: number;
  readonly #httpPort: number;
  readonly #folder: TemporaryFolder;
  readonly #config: string;
  #program: Program | undefined;

  constructor(ports: readonly number[], configuration: Configuration) {
    builtHoldfast();
    [this.#httpPort, this.mqttPort] = ports as [number, number];
    this.#folder = temporaryFolder('holdfast-bench-');
    this.#config = this.#folder.file('holdfast.yaml');
    mkdirSync(this.dataFolder);
    const host = '127.0.0.1';
    // JSON is YAML.
    writeFileSync(
      this.#config,
      JSON.stringify({
        gateway: { id: 'gw-bench' },
        http: { host, port: this.#httpPort },
        log: { level: 'error' },
        ...configuration,
        mqtt: { host, port: this.mqttPort, anonymous: true, ratePerClient: 0, ...configuration.mqtt },
      }),
    );
  }

  /** One that is not started yet. */
  static async prepare(configuration: Configuration = {}): Promise<GatewayProcess> {
    return new GatewayProcess(await freePorts(2), configuration);
  }

  static async start(configuration: Configuration = {}): Promise<GatewayProcess> {
    const gateway = await GatewayProcess.prepare(configuration);
    await gateway.start();
    return gateway;
  }

  get dataFolder(): string {
    return this.#folder.file('data');
  }

  get spoolFolder(): string {
    return join(this.dataFolder, 'spool');
  }

  get pid(): number {
    return this.#program!.pid;
  }

  /** Starts it, and resolves with the milliseconds until /healthz answered 200. */
  async start(): Promise<number> {
    const started = performance.now();
    const words = ['gateway', '--config', this.#config, '--data', this.dataFolder];
    const program = new Program(builtHoldfast(), words);
    this.#program = program;
    while ((await this.#ask())?.status !== 200) {
      if (!program.isRunning) throw new Error(`the gateway ended:\n${program.output}`);
      await sleep(1);
    }
    return performance.now() - started;
  }

  async stop(): Promise<void> {
    await this.#program?.end('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.#program?.end('SIGKILL');
  }

  /** Ends it and removes its folder. */
  async remove(): Promise<void> {
    await this.kill();
    this.#folder.remove();
  }

  get isRunning(): boolean {
    return this.#program?.isRunning ?? false;
  }

  async counts(): Promise<SpoolCounts> {
    return ((await this.health()) as { spool: SpoolCounts }).spool;
  }

  /** What /healthz answers. */
  async health(): Promise<unknown> {
    const answer = await this.#ask();
    if (answer === undefined) throw new Error(`the gateway does not answer:\n${this.#program?.output}`);
    return JSON.parse(answer.body);
  }

  residentBytes(): number {
    return residentBytes(this.pid);
  }

  processorSeconds(): number {
    return processorSeconds(this.pid);
  }

  #ask(): Promise<{ status: number; body: string } | undefined> {
    return getHealth(this.#httpPort);
  }
}

/** A centre on a RabbitMQ and a database. */
export class CentralProcess {
  readonly #folder = temporaryFolder('holdfast-bench-');
  readonly #program: Program;
  readonly #httpPort: number;

  constructor(port: number, options: { broker: string; mongodb: string }) {
    this.#httpPort = port;
    const config = this.#folder.file('holdfast.yaml');
    const central = { ...options, http: { host: '127.0.0.1', port } };
    writeFileSync(config, JSON.stringify({ central, log: { level: 'error' } }));
    this.#program = new Program(builtHoldfast(), ['central', '--config', config, '--data', this.#folder.file('data')]);
  }

  /** Starts one and resolves when it reads its queues. */
  static async start(options: { broker: string; mongodb: string }): Promise<CentralProcess> {
    const [port] = (await freePorts(1)) as [number];
    const central = new CentralProcess(port, options);
    for (;;) {
      const answer = await getHealth(port);
      if (answer?.status === 200 && (JSON.parse(answer.body) as { status: string }).status === 'ok') return central;
      if (!central.#program.isRunning) throw new Error(`the centre ended:\n${central.#program.output}`);
      await sleep(20);
    }
  }

  get pid(): number {
    return this.#program.pid;
  }

  async health(): Promise<unknown> {
    return JSON.parse((await getHealth(this.#httpPort))?.body ?? 'null');
  }

  async remove(): Promise<void> {
    await this.#program.end('SIGKILL');
    this.#folder.remove();
  }
}

function getHealth(port: number): Promise<{ status: number; body: string } | undefined> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, path: '/healthz', agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode!, body }));
    });
    asked.on('error', () => resolve(undefined));
    asked.end();
  });
}
