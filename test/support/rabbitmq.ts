/**
 * A real RabbitMQ server for one test: its own node, ports, data and port mapper (epmd), all in a temporary folder.
 *
 * It runs in the foreground as a child, without the distribution's service scripts, and is ended by its process id. If
 * the test's process dies, even by SIGKILL, the kernel ends the server with it. `HOLDFAST_TEST_RABBITMQ` may name the
 * folder that holds `rabbitmq-server` and `rabbitmqctl`.
 */
import { type ChildProcess, execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { endProcess, letGo, spawnWithUs } from './processes.ts';
import { linkPlugins } from './rabbitmq-plugins.ts';
import { freePorts, type TemporaryFolder, temporaryFolder } from './temporary.ts';
import { type CertificateFiles, testCertificates } from './tls.ts';

/** What the server shall have. */
export interface RabbitOptions {
  /** A TLS listener with the test's server certificate. */
  readonly tls?: boolean;
  /** The MQTT plugin. */
  readonly mqtt?: boolean;
  /** More plugins, by name. */
  readonly plugins?: readonly string[];
  /** More lines of rabbitmq.conf. */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
}

/** A further TLS listener, there until the server stops. */
export interface ListenerOptions {
  readonly certificate?: CertificateFiles;
  /** Refuse a client without a certificate of the test's authority. */
  readonly requireClientCertificate?: boolean;
}

const folders = [process.env.HOLDFAST_TEST_RABBITMQ, '/usr/lib/rabbitmq/bin', '/opt/rabbitmq/sbin', '/usr/sbin'];
const startDeadlineMs = 60_000;
const stopDeadlineMs = 20_000;
const run = promisify(execFile);

/** Starts a server and resolves when it takes connections (5 to 6 s); rejects with its output when it does not. */
export async function startRabbit(options: RabbitOptions = {}): Promise<Rabbit> {
  const rabbit = new Rabbit(await freePorts(7), options);
  await rabbit.start();
  return rabbit;
}

/** A running server. */
export class Rabbit {
  readonly port: number;
  readonly tlsPort: number | undefined;
  readonly mqttPort: number | undefined;
  /** `amqp://guest:guest@127.0.0.1:<port>`; `guest` is an administrator and may connect from anywhere. */
  readonly url: string;
  /** The same over TLS, with the host name localhost; the authority is `testCertificates().ca`. */
  readonly tlsUrl: string | undefined;
  readonly #folder: TemporaryFolder;
  readonly #bin: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #epmdPort: number;
  #epmd: ChildProcess | undefined;
  #server: ChildProcess | undefined;
  #output = '';

  constructor(ports: readonly number[], options: RabbitOptions) {
    const [port, tlsPort, mqttPort, epmdPort, distributionPort, ctlPort, ctlPort2] = ports as [number, ...number[]];
    this.port = port;
    this.tlsPort = options.tls ? tlsPort : undefined;
    this.mqttPort = options.mqtt ? mqttPort : undefined;
    this.url = `amqp://guest:guest@127.0.0.1:${port}`;
    this.tlsUrl = options.tls ? `amqps://guest:guest@localhost:${tlsPort}` : undefined;
    this.#epmdPort = epmdPort!;
    this.#bin = folders.find((folder) => folder !== undefined && existsSync(`${folder}/rabbitmqctl`)) ?? '';
    if (!this.#bin) throw new Error('RabbitMQ was not found: install rabbitmq-server, or set HOLDFAST_TEST_RABBITMQ');
    this.#folder = temporaryFolder('holdfast-rabbitmq-');
    const low = Math.min(ctlPort!, ctlPort2!);
    this.#environment = {
      PATH: process.env.PATH,
      LANG: 'C.UTF-8',
      HOME: this.#folder.path, // the Erlang cookie is made here
      RABBITMQ_NODENAME: `holdfast-${port}@localhost`,
      RABBITMQ_MNESIA_BASE: this.#folder.file('data'),
      RABBITMQ_LOG_BASE: this.#folder.file('log'),
      RABBITMQ_LOGS: '-',
      RABBITMQ_ENABLED_PLUGINS_FILE: this.#folder.file('enabled_plugins'),
      RABBITMQ_CONFIG_FILE: this.#folder.file('rabbitmq.conf'),
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      RABBITMQ_DIST_PORT: String(distributionPort),
      RABBITMQ_CTL_DIST_PORT_MIN: String(low),
      RABBITMQ_CTL_DIST_PORT_MAX: String(low + 20),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 2:2 +A 8',
      ERL_EPMD_PORT: String(epmdPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      detached: '1', // makes the start script replace itself by the server instead of waiting beside it
    };
    this.#write(options);
    const plugins = this.#folder.file('plugins');
    const isLean = linkPlugins(`${this.#bin}/rabbitmq-server`, pluginsOf(options), plugins);
    if (isLean) this.#environment.RABBITMQ_PLUGINS_DIR = plugins;
  }

  #write(options: RabbitOptions): void {
    mkdirSync(this.#folder.file('data'));
    mkdirSync(this.#folder.file('log'));
    writeFileSync(this.#folder.file('enabled_plugins'), `[${pluginsOf(options).join(',')}].\n`);
    const { ca, server } = testCertificates();
    const lines: Record<string, string | number | boolean> = {
      'listeners.tcp.1': `127.0.0.1:${this.port}`,
      loopback_users: 'none',
      ...(this.tlsPort !== undefined && {
        'listeners.ssl.1': `127.0.0.1:${this.tlsPort}`,
        'ssl_options.cacertfile': ca,
        'ssl_options.certfile': server.certificate,
        'ssl_options.keyfile': server.key,
        'ssl_options.verify': 'verify_none',
      }),
      ...(this.mqttPort !== undefined && {
        'mqtt.listeners.tcp.1': `127.0.0.1:${this.mqttPort}`,
        'mqtt.allow_anonymous': false,
      }),
      ...options.config,
    };
    const text = Object.entries(lines).map(([key, value]) => `${key} = ${value}\n`);
    writeFileSync(this.#folder.file('rabbitmq.conf'), text.join(''));
  }

  /** The process id of the server; undefined while it is stopped. */
  get pid(): number | undefined {
    return this.#server?.pid;
  }

  /** Starts the stopped server on the same ports and data; does nothing when it runs. */
  async start(): Promise<void> {
    if (this.#server) return;
    this.#epmd ??= this.#spawn('epmd', ['-port', String(this.#epmdPort), '-address', '127.0.0.1']);
    this.#output = '';
    const server = this.#spawn(`${this.#bin}/rabbitmq-server`, []);
    this.#server = server;
    for (const stream of [server.stdout, server.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-20_000);
      });
    }
    const deadline = performance.now() + startDeadlineMs;
    while (!this.#output.includes('Server startup complete') || !(await answersAmqp(this.port))) {
      if (server.exitCode !== null || performance.now() > deadline) {
        await this.kill();
        throw new Error(`RabbitMQ did not start:\n${this.#output}`);
      }
      await sleep(20);
    }
  }

  /** Shuts the server down in order, as at a restart for maintenance; the data stays for `start()`. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  /** Ends the server at once, as a power cut does; the data stays for `start()`. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** Stops for good: server, port mapper and data. */
  async remove(): Promise<void> {
    await this.kill();
    await endProcess(this.#epmd, 'SIGKILL', stopDeadlineMs);
    this.#epmd = undefined;
    this.#folder.remove();
  }

  /** Stands still: connections stay open and nothing answers. */
  pause(): void {
    this.#server?.kill('SIGSTOP');
  }

  resume(): void {
    this.#server?.kill('SIGCONT');
  }

  /** Runs `rabbitmqctl` (about 0.6 s, more when the computer is busy); resolves with what it printed. */
  async ctl(...words: string[]): Promise<string> {
    const { stdout } = await run(`${this.#bin}/rabbitmqctl`, ['--quiet', ...words], { env: this.#environment });
    return stdout.trim();
  }

  /** Makes a user with all rights on the default virtual host. */
  async declareUser(name: string, password: string): Promise<void> {
    await this.ctl('add_user', name, password);
    await this.ctl('set_permissions', name, '.*', '.*', '.*');
  }

  /** How many messages wait in each queue, ready and unacknowledged together. */
  async queueLengths(): Promise<Record<string, number>> {
    const text = await this.ctl('list_queues', '--no-table-headers', 'name', 'messages');
    const rows = text.split('\n').filter((line) => line.includes('\t'));
    return Object.fromEntries(rows.map((line) => line.split('\t')).map(([name, count]) => [name, Number(count)]));
  }

  /** Raises the memory alarm, so that every publishing connection is told `connection.blocked`; or ends it. */
  async block(blocked: boolean): Promise<void> {
    await this.ctl('set_vm_memory_high_watermark', blocked ? '0.00000001' : '0.4');
  }

  /** Opens a further TLS listener on 127.0.0.1; resolves with its port. */
  async addTlsListener({ certificate, requireClientCertificate = false }: ListenerOptions): Promise<number> {
    const [port] = (await freePorts(1)) as [number];
    const { ca, server } = testCertificates();
    const files = certificate ?? server;
    const verify = requireClientCertificate
      ? '{verify,verify_peer},{fail_if_no_peer_cert,true}'
      : '{verify,verify_none}';
    const options = `[{cacertfile,"${ca}"},{certfile,"${files.certificate}"},{keyfile,"${files.key}"},${verify}]`;
    await this.ctl('eval', `rabbit_networking:start_ssl_listener({"127.0.0.1",${port}},${options},2).`);
    return port;
  }

  /** The newest part of the server's log. */
  get log(): string {
    return this.#output;
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (signal === 'SIGTERM') server?.kill('SIGCONT');
    await endProcess(server, signal, stopDeadlineMs);
  }

  #spawn(command: string, words: string[]): ChildProcess {
    const child = spawnWithUs(command, words, { env: this.#environment, stdio: ['ignore', 'pipe', 'pipe'] });
    child.on('error', () => {});
    return letGo(child);
  }
}

function pluginsOf({ mqtt, plugins = [] }: RabbitOptions): string[] {
  return [...(mqtt ? ['rabbitmq_mqtt'] : []), ...plugins];
}

/** True when something on that port answers the protocol header with `connection.start`. */
function answersAmqp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => done(false));
    socket.on('error', () => done(false));
    socket.on('close', () => done(false));
    socket.on('connect', () => socket.write('AMQP\0\0\x09\x01'));
    socket.on('data', (data) => done(data[0] === 1));
  });
}
