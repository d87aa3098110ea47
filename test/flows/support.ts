/**
 * A site with flows as they are delivered: gateway and embedded centre in this process with a switch between them, and
 * the flow engine in its own. What a flow says reaches the test by the gateway's log.
 */

import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { wirePassword } from '../../src/accounts/index.ts';
import { type Central, createCentral } from '../../src/central.ts';
import { loadConfig } from '../../src/config/index.ts';
import { askGateway } from '../../src/control-socket.ts';
import type { FlowEngineLimits, FlowEngineState } from '../../src/flow-engine/index.ts';
import { Gateway } from '../../src/gateway.ts';
import { type Logger, silentLogger, systemClock } from '../../src/platform/index.ts';
import { EditorClient } from '../flow-engine/support.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { freePorts, type TemporaryFolder, temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

/** A node as a flow's file has it. */
export type FlowNode = Record<string, unknown> & { readonly id: string; readonly type: string };

/** A line of the gateway's log. */
export interface Line {
  readonly level: string;
  readonly text: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** A stored document. */
export type Document = Readonly<Record<string, unknown>>;

/** The flow of `flows/<name>`. */
export function readyMade(name: string): FlowNode[] {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../../flows', name, 'flows.json'), 'utf8'));
}

/** The flow with other values of its tab's environment variables; one that it does not have is a mistake of the test. */
export function withSettings(flow: FlowNode[], settings: Readonly<Record<string, string>>): FlowNode[] {
  const open = new Map(Object.entries(settings));
  const changed = flow.map((node) => {
    if (node.type !== 'tab') return node;
    const env = (node.env as { name: string; value: string }[]).map((each) => {
      const value = open.get(each.name);
      open.delete(each.name);
      return value === undefined ? each : { ...each, value };
    });
    return { ...node, env };
  });
  if (open.size > 0) throw new Error(`the flow has no setting ${[...open.keys()].join(', ')}`);
  return changed;
}

/** The flow with the nodes that `which` picks changed. */
export function changed(flow: FlowNode[], which: (node: FlowNode) => boolean, change: object): FlowNode[] {
  const count = flow.filter(which).length;
  if (count === 0) throw new Error('the flow has no such node');
  return flow.map((node) => (which(node) ? { ...node, ...change } : node));
}

/** What `holdfast device` asks of a running box; resolves with what it prints. */
export async function askDevice(
  dataFolder: string,
  device: string,
  verb: string,
  ...values: string[]
): Promise<string> {
  const said: string[] = [];
  const request = { room: 'devices', action: 'control', device, verb, values };
  for await (const item of askGateway(dataFolder, request)) said.push(Object.values(item).join('  '));
  return said.join('\n');
}

const integrator = { name: 'integrator', password: 'integrates 1' };

/** Makes an account for the editor at the centre; before a gateway connects, so that the first it hears has it. */
async function addIntegrator(central: Central): Promise<void> {
  await until(() => central.health.indexes === true, 'the accounts can be read');
  const { machineHash } = loadConfig({ environment: {} }).config.accounts;
  const password = wirePassword(integrator.password, machineHash);
  await central.accounts.add({ ...integrator, password, customers: ['*'], role: 'authorizer' });
}

/** Logs in to the editor; with an account that the gateway has, since whoever guesses is made to wait. */
export async function logInToEditor(port: number, name: string, password: string): Promise<EditorClient> {
  const client = new EditorClient(port);
  const status = await client.login(name, password);
  if (status !== 200) throw new Error(`the editor answered the login with ${status}`);
  return client;
}

/** The flow `printer-line` for a port, without its MQTT; what it has had confirmed goes to a `test-confirmed` node. */
export function serialLine(uri: string): FlowNode[] {
  let flow = readyMade('printer-line').filter(({ type }) => type !== 'mqtt in' && type !== 'mqtt-broker');
  flow = withSettings(flow, { SERIAL_PORT: uri, GPIO_CHIP: 'sim:panel' });
  const report = flow.find(({ type }) => type === 'holdfast-report')!;
  const [first, second] = report.wires as [string[], string[]];
  flow = changed(flow, (node) => node === report, { wires: [[...first, 'confirmed'], second] });
  return [...flow, { id: 'confirmed', type: 'test-confirmed', z: flow[0]!.id, x: 910, y: 60, wires: [] }];
}

export interface FlowSiteOptions {
  /** More of the configuration, by names of environment variables. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly limits?: Partial<FlowEngineLimits>;
}

const clock = systemClock();
const upstreamPassword = 'upstream';

export class FlowSite {
  readonly folder: TemporaryFolder = temporaryFolder('holdfast-flows-');
  readonly lines: Line[] = [];
  central!: Central;
  gateway!: Gateway;
  proxy!: TcpProxy;
  mqttPort = 0;
  editorPort = 0;
  #httpPort = 0;
  #environment: Record<string, string> = {};
  readonly #options: FlowSiteOptions;

  constructor(options: FlowSiteOptions = {}) {
    this.#options = options;
  }

  /** The gateway's. */
  get dataFolder(): string {
    return this.folder.file('box');
  }

  /** Starts everything with a flow; `prepare` is given the data folder before. Resolves when the flow runs. */
  async start(flow: readonly FlowNode[], prepare: (dataFolder: string) => void = () => {}): Promise<void> {
    const [mqttPort, httpPort, centralPort, editorPort] = (await freePorts(4)) as [number, number, number, number];
    Object.assign(this, { mqttPort, editorPort });
    this.#httpPort = httpPort;
    const { config } = loadConfig({
      environment: {
        HOLDFAST_CENTRAL_EMBEDDED: this.folder.file('documents'),
        HOLDFAST_CENTRAL_HTTP_HOST: '127.0.0.1',
        HOLDFAST_CENTRAL_HTTP_PORT: String(centralPort),
      },
    });
    this.central = createCentral({
      config,
      clock,
      logger: silentLogger,
      dataFolder: this.folder.file('centre'),
      embeddedBroker: { host: '127.0.0.1', port: 0, gateways: [{ id: 'box', password: upstreamPassword }] },
    });
    await this.central.start();
    await addIntegrator(this.central);
    this.proxy = await startTcpProxy({ port: this.central.ports.mqtt! });
    const centreKey = this.folder.file('centre.pub');
    writeFileSync(centreKey, this.central.signingKey.publicKey.export({ type: 'spki', format: 'pem' }));
    const flowFile = this.folder.file('flow.json');
    writeFileSync(flowFile, JSON.stringify(flow));
    this.#environment = {
      HOLDFAST_GATEWAY_ID: 'box',
      HOLDFAST_SITE_LANGUAGE: 'en',
      HOLDFAST_HTTP_HOST: '127.0.0.1',
      HOLDFAST_HTTP_PORT: String(httpPort),
      HOLDFAST_MQTT_HOST: '127.0.0.1',
      HOLDFAST_MQTT_PORT: String(mqttPort),
      HOLDFAST_AUTHORIZATION_HARDWARE_IDENTITY: 'the box of a test',
      HOLDFAST_AUTHORIZATION_CENTRE_KEY: centreKey,
      HOLDFAST_UPSTREAM_URL: `mqtt://box:${upstreamPassword}@127.0.0.1:${this.proxy.port}`,
      HOLDFAST_FLOWS_INITIAL: flowFile,
      HOLDFAST_FLOWS_EDITOR_HOST: '127.0.0.1',
      HOLDFAST_FLOWS_EDITOR_PORT: String(editorPort),
      ...this.#options.environment,
    };
    mkdirSync(this.dataFolder, { recursive: true });
    prepare(this.dataFolder);
    await this.startGateway();
  }

  /** Starts the gateway on its folder; resolves when the flow runs. */
  async startGateway(): Promise<void> {
    const { config } = loadConfig({ environment: this.#environment });
    const { limits } = this.#options;
    this.gateway = new Gateway({
      config,
      dataFolder: this.dataFolder,
      clock,
      logger: recorder(this.lines),
      ...(limits && { flowLimits: limits }),
    });
    await this.gateway.start();
    await this.runs();
  }

  /** Resolves when the flow runs. */
  async runs(): Promise<void> {
    await until(
      async () => (await this.flows()).state === 'running',
      () => `the flow runs\n${this.tail}`,
      40_000,
    );
  }

  async stop(): Promise<void> {
    await this.gateway?.stop();
    await this.central?.stop();
    await this.proxy?.stop();
  }

  /** The flow engine in `/healthz`. */
  async flows(): Promise<FlowEngineState> {
    const { flows } = await this.health();
    return flows;
  }

  async health(): Promise<{
    flows: FlowEngineState;
    uplink: { connected: boolean };
    spool: { accepted: number; delivered: number; pending: number };
    alarms: { code: string }[];
  }> {
    const response = await fetch(`http://127.0.0.1:${this.#httpPort}/healthz`, { signal: AbortSignal.timeout(5000) });
    return (await response.json()) as Awaited<ReturnType<FlowSite['health']>>;
  }

  /** The lines of a metric, `name{label="…"} value`. */
  async metrics(name: string): Promise<string[]> {
    const text = await (await fetch(`http://127.0.0.1:${this.#httpPort}/metrics`)).text();
    return text.split('\n').filter((line) => line.startsWith(name));
  }

  /** An administrator at the editor, which `environment` has enabled. */
  async editor(): Promise<EditorClient> {
    const heard = 'accounts of the centre were taken over';
    await until(() => this.lines.some(({ text }) => text === heard), heard);
    await until(async () => (await this.flows()).editor !== undefined, 'the editor is open');
    return logInToEditor(this.editorPort, integrator.name, integrator.password);
  }

  /** Resolves when the way to the centre is as wanted. */
  async uplinkIs(connected: boolean): Promise<void> {
    await until(
      async () => (await this.health()).uplink.connected === connected,
      `the uplink is connected: ${connected}`,
    );
  }

  /** All documents of a collection at the centre that are of a machine. */
  async documents(collection: string, serial: string): Promise<Document[]> {
    const name = { database: 'device_info', collection };
    return await this.central.store.find(name, { filter: { 序列号: serial }, limit: 100_000 });
  }

  /** See `askDevice`. */
  device(device: string, verb: string, ...values: string[]): Promise<string> {
    return askDevice(this.dataFolder, device, verb, ...values);
  }

  /** Lines that a `debug` node with `console` wrote. */
  said(name: string): string[] {
    return this.lines
      .filter(({ facts }) => facts.type === 'debug' && facts.name === name)
      .map(({ text }) => text.trim());
  }

  get tail(): string {
    return this.lines
      .filter(({ text, facts }) => facts.type !== 'debug' || Number.isNaN(Number(text)))
      .slice(-15)
      .map(({ level, text, facts }) => `${level} ${text} ${JSON.stringify(facts)}`)
      .join('\n');
  }
}

function recorder(lines: Line[], more: object = {}): Logger {
  const write = (level: string) => (facts: object, text: string) => {
    lines.push({ level, text, facts: { ...more, ...facts } });
    const path = process.env.HOLDFAST_TEST_LOG;
    if (path) appendFileSync(path, `${level} ${text} ${JSON.stringify(facts)}\n`);
  };
  return {
    debug: () => {},
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (facts) => recorder(lines, { ...more, ...facts }),
  };
}
