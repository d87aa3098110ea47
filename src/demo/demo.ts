/**
 * The demo: a gateway in a process of its own, the centre with its broker and a folder of documents, a switch in the
 * cable between them, and three simulated printers, all on loopback.
 *
 * Invariants: credentials are drawn at each start and stand in no file; the folder is kept, so that the next start goes
 * on where this one has stopped; a port is another one only where none was configured.
 * Failure behaviour: a gateway that dies is told and started again; when it cannot be, `onFailure` is called once. A
 * part of this process that fails ends the process, and the gateway with it.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { wirePassword } from '../accounts/index.ts';
import { type Central, createCentral } from '../central.ts';
import type { GatewayConfig } from '../config/index.ts';
import { type Clock, createLogger } from '../platform/index.ts';
import { createChannels } from '../protocols/machines/index.ts';
import { createFigures, type Figures, Site } from '../simulate/index.ts';
import { DemoAuthorizations } from './authorizations.ts';
import { demoConfig } from './demo-config.ts';
import { countDocuments, type DocumentCount } from './documents.ts';
import { GatewayKeeper } from './gateway-keeper.ts';
import { type GatewayState, readGatewayState } from './gateway-state.ts';
import { audit, type Ledger } from './ledger.ts';
import { findPort } from './ports.ts';
import { pressPrintButton } from './print-button.ts';
import { UplinkSwitch } from './uplink-switch.ts';

/** What a demo is made of. */
export interface DemoOptions {
  readonly config: GatewayConfig;
  /** Whether a key such as `http.port` was configured. */
  readonly isConfigured: (group: string, ...rest: string[]) => boolean;
  readonly folder: string;
  readonly clock: Clock;
  /** How many times faster than real ones the printers live. */
  readonly speed: number;
  /** Something worth a line has happened. */
  readonly onEvent: (sentence: string) => void;
  /** The demo cannot go on. */
  readonly onFailure: (reason: string) => void;
}

/** Where everything is. */
export interface DemoAddresses {
  readonly http: string;
  readonly mqtt: string;
  readonly central: string;
  /** Where flows are wired; undefined when flows are switched off. */
  readonly editor: string | undefined;
  readonly documents: string;
  readonly logs: string;
  /** A user for one's own reports, and the account for queries, at the centre and soon at the gateway too. */
  readonly username: string;
  readonly password: string;
  /** A line for a shell: logs in at the gateway and asks for the newest reports of a printer. */
  readonly query: string;
}

/** The state of everything at one instant. */
export interface DemoState {
  /** undefined while the gateway does not answer. */
  readonly gateway: GatewayState | undefined;
  /** Documents at the centre. */
  readonly stored: number;
  readonly isCut: boolean;
  readonly machines: Readonly<Figures>;
  /** Answers to machines by a lease. */
  readonly byLease: number;
}

/** How it ended. */
export interface DemoResult {
  readonly ledger: Ledger | undefined;
  readonly documents: DocumentCount;
  readonly machines: Readonly<Figures>;
  /** What does not add up; nothing when no report was lost. */
  readonly problems: readonly string[];
}

const host = '127.0.0.1';
const machineCount = 3;
const layers = 12;
const username = 'demo';
const serialPrefix = 'printer-';
const serials = Array.from(
  { length: machineCount },
  (_, index) => `${serialPrefix}${String(index + 1).padStart(4, '0')}`,
);
const graceMs = 3500;
const secret = () => randomBytes(8).toString('hex');

export class Demo {
  readonly #options: DemoOptions;
  readonly #switch = new UplinkSwitch({ host, target: () => this.#central?.ports.mqtt ?? 0 });
  #config: GatewayConfig | undefined;
  #central: Central | undefined;
  #gateway: GatewayKeeper | undefined;
  #site: Site | undefined;
  #authorizations: DemoAuthorizations | undefined;
  /** Answers by lease: of gateways that were killed, and the newest figure of the present one. */
  #byLease = { before: 0, now: 0 };
  #log = -1;
  #before: DocumentCount = { total: 0, machines: 0, twice: 0 };

  constructor(options: DemoOptions) {
    this.#options = options;
  }

  /**
   * Starts everything; once.
   *
   * @throws HoldfastError `port-taken` for a configured port, `spool-locked` when another demo uses the folder.
   */
  async start(): Promise<DemoAddresses> {
    const { folder, clock, speed } = this.#options;
    const documents = join(folder, 'documents');
    const logs = join(folder, 'logs');
    const gatewayFolder = join(folder, 'gateway');
    for (const each of [folder, logs, gatewayFolder]) mkdirSync(each, { recursive: true, mode: 0o700 });
    this.#before = countDocuments(documents, createChannels(this.#options.config.channels));
    this.#log = openSync(join(logs, 'gateway.log'), 'w', 0o600);

    const [gatewayId, upstreamPassword, password] = [this.#options.config.gateway.id ?? 'demo', secret(), secret()];
    await this.#switch.start();
    const settings = {
      host,
      ...(await this.#findPorts()),
      gatewayId,
      documentFolder: documents,
      centreKey: join(folder, 'centre.pub'),
      hardwareIdentity: `the demo in ${folder}`.slice(0, 256),
      upstreamUrl: `mqtt://${encodeURIComponent(gatewayId)}:${upstreamPassword}@${host}:${this.#switch.port}`,
      clients: [{ username, password, serials: ['*'] }],
    };
    const config = demoConfig(this.#options.config, settings);
    this.#config = config;
    this.#central = createCentral({
      config,
      clock,
      dataFolder: join(folder, 'central'),
      logger: createLogger(config.log.level, openSync(join(logs, 'central.log'), 'w', 0o600)),
      embeddedBroker: { host, port: 0, gateways: [{ id: gatewayId, password: upstreamPassword }] },
    });
    await this.#central.start();
    writeFileSync(settings.centreKey, this.#central.signingKey.publicKey.export({ type: 'spki', format: 'pem' }));
    this.#authorizations = new DemoAuthorizations({ central: this.#central, serials, clock });
    const sentPassword = wirePassword(password, config.accounts.machineHash);
    await this.#authorizations.makeAdministrator(username, sentPassword);
    this.#gateway = new GatewayKeeper({
      ...this.#options,
      order: { kind: 'start', config, dataFolder: gatewayFolder },
      logDescriptor: this.#log,
    });
    await this.#gateway.start();
    const mqtt = `mqtt://${host}:${settings.mqttPort}`;
    this.#site = new Site({
      url: mqtt,
      machines: machineCount,
      serialPrefix,
      authorize: true,
      username,
      password,
      speed,
      layers,
      seed: randomBytes(4).readUInt32LE(),
      timezone: config.site.timezone,
      clock,
      onWrong: (sentence) => this.#options.onEvent(`wrong: ${sentence}`),
    });
    this.#site.start();
    this.#authorizations.start();
    const at = (port: number) => `http://${host}:${port}`;
    return {
      http: at(settings.httpPort),
      mqtt,
      central: at(settings.centralPort),
      editor: config.flows.enabled ? at(settings.editorPort) : undefined,
      documents,
      logs,
      username,
      password,
      query: exampleQuery(at(settings.httpPort), sentPassword),
    };
  }

  /** The state now; asks the gateway. */
  async state(): Promise<DemoState> {
    const gateway = this.#config && (await readGatewayState(host, this.#config.http.port, this.#options.clock));
    const { before, now } = this.#byLease;
    // A gateway that was killed counts anew.
    if (gateway !== undefined) {
      this.#byLease = { before: gateway.byLease < now ? before + now : before, now: gateway.byLease };
    }
    return {
      gateway,
      stored: this.#before.total + (this.#central?.counters.stored ?? 0),
      isCut: !this.#switch.isUp,
      machines: this.#site!.figures,
      byLease: this.#byLease.before + this.#byLease.now,
    };
  }

  get isUplinkCut(): boolean {
    return !this.#switch.isUp;
  }

  /** Breaks the connection between gateway and centre. */
  cutUplink(): void {
    this.#switch.cut();
  }

  /** Lets it come back. */
  restoreUplink(): void {
    this.#switch.restore();
  }

  /** Kills the gateway as a power cut would, and starts it again. Resolves when it runs. */
  async killGateway(): Promise<void> {
    await this.#gateway?.kill();
  }

  /** Takes the authorization of the first printer away, or gives it back; resolves with what was done. */
  async switchAuthorization(): Promise<string> {
    return (await this.#authorizations?.switch()) ?? 'the centre does not run';
  }

  /** Presses the simulated print button of the demo's flow; resolves with what became of it. */
  pressPrintButton(): Promise<string> {
    const { folder, clock } = this.#options;
    return pressPrintButton({ dataFolder: join(folder, 'gateway'), clock });
  }

  /** Switches the machines off; nothing new is reported from then on. */
  async stopMachines(): Promise<void> {
    await this.#site?.stop(graceMs);
  }

  /** Stops everything in order and looks whether a report was lost. Once. */
  async stop(): Promise<DemoResult> {
    await this.stopMachines();
    await this.#authorizations?.stop();
    const ledger = await this.#gateway?.stop();
    await this.#central?.stop();
    await this.#switch.stop();
    if (this.#log >= 0) closeSync(this.#log);
    this.#log = -1;
    const { folder, config } = this.#options;
    const after = countDocuments(join(folder, 'documents'), createChannels(config.channels));
    const machines = this.#site?.figures;
    if (machines === undefined) return { ledger, documents: after, machines: createFigures(), problems: [] };
    const { acknowledged, wrong } = machines;
    const problems =
      ledger === undefined
        ? ['the gateway did not say its totals at the end']
        : audit({ before: this.#before, after, ledger, acknowledged, wrong });
    return { ledger, documents: after, machines, problems };
  }

  async #findPorts(): Promise<{ httpPort: number; mqttPort: number; centralPort: number; editorPort: number }> {
    const { config, isConfigured } = this.#options;
    const taken = new Set<number>();
    const find = (port: number, ...key: [string, ...string[]]) =>
      findPort(host, { key: key.join('.'), port, isConfigured: isConfigured(...key) }, taken);
    return {
      httpPort: await find(config.http.port, 'http', 'port'),
      // The demo's machines come over MQTT, even where a configuration has switched it off.
      mqttPort: await find(config.mqtt.port || 1883, 'mqtt', 'port'),
      centralPort: await find(config.central.http.port, 'central', 'http', 'port'),
      editorPort: await find(config.flows.editor.port, 'flows', 'editor', 'port'),
    };
  }
}

/** To be pasted into a shell. */
function exampleQuery(gateway: string, password: string): string {
  const login = `curl -s '${gateway}/login/?name=${username}&passwd=${password}'`;
  const token = `$(${login} | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')`;
  return `curl -s "${gateway}/deviceInfo/process/sn/?sn=${serials[0]}&limit=3&token=${token}"`;
}
