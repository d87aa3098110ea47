import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/index.ts';
import {
  type EditorAccounts,
  type EditorUser,
  FlowEngine,
  type FlowEngineLimits,
  type FlowEngineOptions,
} from '../../src/flow-engine/index.ts';
import { type Logger, systemClock } from '../../src/platform/index.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

/** A node of a flow as it stands in the file. */
export type FlowNode = Readonly<Record<string, unknown>>;

export interface Line {
  readonly level: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** An engine with a data folder of its own, and what it said. */
export interface Bench {
  readonly engine: FlowEngine;
  readonly folder: TemporaryFolder;
  readonly lines: Line[];
  /** `code` and `code/subject` of the alarms that are active. */
  readonly alarms: Map<string, Readonly<Record<string, unknown>>>;
  readonly accounts: TestAccounts;
  /** Where a probe writes. */
  readonly output: string;
  /** The lines that probes have written. */
  written(): string[];
}

const benches: Bench[] = [];

/** Ends what a file of tests has started. */
export async function stopAll(): Promise<void> {
  await Promise.all(benches.splice(0).map(({ engine }) => engine.stop()));
}

/** Accounts that are told what they are. */
export class TestAccounts implements EditorAccounts {
  readonly passwords = new Map<string, string>();
  readonly users = new Map<string, EditorUser>();
  readonly sessions = new Map<string, string>();
  /** Addresses that were said with a question. */
  readonly addresses: (string | undefined)[] = [];

  add(name: string, permissions: '*' | 'read'): void {
    this.passwords.set(name, `${name}-password`);
    this.users.set(name, { name, permissions });
  }

  async login(name: string, password: string, address: string | undefined) {
    this.addresses.push(address);
    if (name === 'impatient') return { waitMs: 1500 };
    const user = this.users.get(name);
    if (user === undefined || this.passwords.get(name) !== password) return 'wrong';
    const token = `session-${this.sessions.size}-${name}`;
    this.sessions.set(token, name);
    return { user, token };
  }

  async token(token: string, address: string | undefined): Promise<EditorUser | undefined> {
    this.addresses.push(address);
    return this.users.get(this.sessions.get(token) ?? '');
  }

  async logout(token: string): Promise<void> {
    this.sessions.delete(token);
  }
}

/** Makes an engine; `flows` is put into its data folder. */
export function bench(options: {
  flows?: readonly FlowNode[];
  config?: string;
  limits?: Partial<FlowEngineLimits>;
  more?: Partial<FlowEngineOptions>;
  folder?: TemporaryFolder;
}): Bench {
  const folder = options.folder ?? temporaryFolder();
  const lines: Line[] = [];
  const alarms = new Map<string, Readonly<Record<string, unknown>>>();
  const accounts = new TestAccounts();
  const output = folder.file('output');
  mkdirSync(folder.file('flows'), { recursive: true });
  if (options.flows) writeFlows(folder, options.flows);
  addTestNodes(folder, output);
  const file = folder.file('config.yaml');
  writeFileSync(file, `flows:\n  enabled: true\n${options.config ?? ''}`);
  const engine = new FlowEngine({
    config: loadConfig({ file }).config.flows,
    dataFolder: folder.path,
    timezone: 'Asia/Shanghai',
    language: 'en',
    logLevel: 'info',
    title: 'box of a test',
    box: () => ({ socket: '/nowhere', username: 'flows', password: 'secret-of-the-box' }),
    accounts,
    mayBePlain: () => true,
    alarms: {
      raise: (code, details = {}, subject = '') => alarms.set(subject === '' ? code : `${code}/${subject}`, details),
      clear: (code, subject = '') => alarms.delete(subject === '' ? code : `${code}/${subject}`),
    },
    clock: systemClock(),
    logger: recorder(lines),
    limits: {
      firstPauseMs: 50,
      maxPauseMs: 200,
      knownGoodMs: 400,
      memoryCheckMs: 100,
      stopTimeoutMs: 1500,
      ...options.limits,
    },
    ...options.more,
  });
  const made: Bench = {
    engine,
    folder,
    lines,
    alarms,
    accounts,
    output,
    written: () => (existsSync(output) ? readFileSync(output, 'utf8').split('\n').filter(Boolean) : []),
  };
  benches.push(made);
  return made;
}

export function writeFlows(folder: TemporaryFolder, flows: readonly FlowNode[]): void {
  writeFileSync(join(folder.path, 'flows', 'flows.json'), JSON.stringify(flows));
}

export function readFlows(folder: TemporaryFolder): FlowNode[] {
  return JSON.parse(readFileSync(join(folder.path, 'flows', 'flows.json'), 'utf8'));
}

/** A tab with nodes. */
export function flow(...nodes: FlowNode[]): FlowNode[] {
  return [
    { id: 'tab', type: 'tab', label: 'test' },
    ...nodes.map((node) => ({ z: 'tab', x: 0, y: 0, wires: [], ...node })),
  ];
}

/** A function node. */
export function functionNode(id: string, func: string, ...wires: string[]): FlowNode {
  return { id, type: 'function', func, outputs: 1, timeout: 0, initialize: '', finalize: '', libs: [], wires: [wires] };
}

/** Sends once, soon after the flow has started. */
export function once(id: string, ...wires: string[]): FlowNode {
  return {
    id,
    type: 'inject',
    props: [{ p: 'payload' }],
    payload: 'go',
    payloadType: 'str',
    repeat: '',
    crontab: '',
    once: true,
    onceDelay: 0.05,
    wires: [wires],
  };
}

/** Writes the payload of each message as a line. */
export function probe(id: string): FlowNode {
  return { id, type: 'test-probe' };
}

/** Sends 1, 2, 3 … every so many ms; goes on counting in the next flow. */
export function counter(id: string, everyMs: number, ...wires: string[]): FlowNode {
  return { id, type: 'test-counter', everyMs, wires: [wires] };
}

/** True when no process has that id. */
export function isGone(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.startsWith('Z');
  } catch {
    return true;
  }
}

function addTestNodes(folder: TemporaryFolder, output: string): void {
  const nodes = join(folder.path, 'flows', 'nodes');
  mkdirSync(nodes, { recursive: true });
  writeFileSync(
    join(nodes, 'test-nodes.js'),
    `const { appendFileSync } = require('node:fs');
module.exports = (RED) => {
  RED.nodes.registerType('test-probe', function (config) {
    RED.nodes.createNode(this, config);
    this.on('input', (message, send, done) => {
      appendFileSync(${JSON.stringify(output)}, String(message.payload) + '\\n');
      done();
    });
  });
  RED.nodes.registerType('test-counter', function (config) {
    RED.nodes.createNode(this, config);
    globalThis.counters ??= {};
    const timer = setInterval(() => {
      globalThis.counters[config.id] = (globalThis.counters[config.id] ?? 0) + 1;
      this.send({ payload: globalThis.counters[config.id] });
    }, config.everyMs);
    this.on('close', () => clearInterval(timer));
  });
  RED.nodes.registerType('test-secret', function (config) {
    RED.nodes.createNode(this, config);
    setTimeout(() => appendFileSync(${JSON.stringify(output)}, 'secret ' + this.credentials?.password + '\\n'), 50);
  }, { credentials: { password: { type: 'password' } } });
  RED.nodes.registerType('test-look', function (config) {
    RED.nodes.createNode(this, config);
    appendFileSync(${JSON.stringify(output)}, JSON.stringify(RED.settings.holdfast) + '\\n');
  });
  RED.nodes.registerType('test-forgetful', function (config) {
    RED.nodes.createNode(this, config);
    this.on('input', (message, send, done) => send(message));
  });
};
`,
  );
  const types = ['test-probe', 'test-counter', 'test-secret', 'test-look', 'test-forgetful'];
  writeFileSync(
    join(nodes, 'test-nodes.html'),
    types.map((type) => `<script type="text/html" data-template-name="${type}"></script>`).join('\n'),
  );
}

function recorder(lines: Line[], more: object = {}): Logger {
  const write = (level: string) => (facts: object, text: string) => {
    lines.push({ level, facts: { ...more, ...facts }, text });
    const path = process.env.HOLDFAST_TEST_LOG;
    if (path) appendFileSync(path, `${level} ${text} ${JSON.stringify(facts)}\n`);
  };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (facts) => recorder(lines, { ...more, ...facts }),
  };
}

/** A client of the editor's API. */
export class EditorClient {
  readonly #base: string;
  #token: string | undefined;

  constructor(port: number) {
    this.#base = `http://127.0.0.1:${port}`;
  }

  async login(name: string, password = `${name}-password`): Promise<number> {
    const response = await this.request('POST', '/auth/token', {
      client_id: 'node-red-editor',
      grant_type: 'password',
      scope: '',
      username: name,
      password,
    });
    const body = (await response.json()) as { access_token?: string };
    this.#token = body.access_token;
    return response.status;
  }

  get token(): string | undefined {
    return this.#token;
  }

  request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.#base}${path}`, {
      method,
      headers: {
        'Content-Type': 'application/json',
        ...(this.#token !== undefined && { Authorization: `Bearer ${this.#token}` }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  /** Deploys whole flows; `kind` as in the editor's menu. */
  async deploy(flows: readonly FlowNode[], kind = 'full'): Promise<void> {
    const response = await this.request('POST', '/flows', flows, { 'Node-RED-Deployment-Type': kind });
    if (response.status !== 204) throw new Error(`deploy: ${response.status} ${await response.text()}`);
  }
}

/** An engine with the editor open and an administrator logged in. */
export async function benchWithEditor(
  options: Parameters<typeof bench>[0] & { port: number },
): Promise<Bench & { client: EditorClient }> {
  const made = bench({
    ...options,
    config: `  editor: { enabled: true, host: 127.0.0.1, port: ${options.port} }\n${options.config ?? ''}`,
  });
  made.accounts.add('admin', '*');
  await made.engine.start();
  await until(() => made.engine.state.editor !== undefined, 'the editor is open');
  const client = new EditorClient(options.port);
  const status = await client.login('admin');
  if (status !== 200) throw new Error(`login: ${status}`);
  return { ...made, client };
}
