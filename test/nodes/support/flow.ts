/** A flow in the real Node-RED runtime, in this process. */
import { createRequire } from 'node:module';
import authorize from '../../../nodes/authorize/authorize.ts';
import gateway from '../../../nodes/gateway/gateway.ts';
import machineMessage from '../../../nodes/machine-message/machine-message.ts';
import query from '../../../nodes/query/query.ts';
import report from '../../../nodes/report/report.ts';
import reportStatus from '../../../nodes/report-status/report-status.ts';
import type {
  BoxSettings,
  Message,
  NodeConfig,
  NodeInstance,
  NodeRed,
  NodeStatus,
} from '../../../nodes/shared/node-red.ts';
import uplink from '../../../nodes/uplink/uplink.ts';
import type { ScriptedGateway } from './scripted-gateway.ts';

type FlowNode = Partial<NodeConfig> & { id: string; type: string };
type Credentials = Record<string, Record<string, string>>;

interface Helper {
  init(path: string): void;
  settings(settings: Record<string, unknown>): void;
  startServer(): Promise<void>;
  stopServer(): Promise<void>;
  load(nodes: ((RED: NodeRed) => void)[], flow: FlowNode[], credentials: Credentials): Promise<void>;
  setFlows(flow: FlowNode[], type: string, credentials: Credentials): Promise<void>;
  unload(): Promise<void>;
  getNode(id: string): (NodeInstance & { receive(message: Message): void; on(event: string, f: unknown): void }) | null;
}
const require = createRequire(import.meta.url);
// Has no types.
const red: Helper = require('node-red-node-test-helper');
const palette = [gateway, report, reportStatus, authorize, machineMessage, uplink, query];

red.init(require.resolve('node-red'));

let running = false;

/** Starts the flow; credentials by node id. The box's settings are there when `box` is given. */
export async function loadFlow(
  flow: FlowNode[],
  { credentials = {}, box }: { credentials?: Credentials; box?: BoxSettings } = {},
): Promise<void> {
  red.settings({ logging: { console: { level: 'off' } }, ...(box && { holdfast: box }) });
  if (!running) await red.startServer();
  running = true;
  await red.load(palette, withTab(flow), credentials);
}

export async function deploy(flow: FlowNode[], type: 'full' | 'flows' | 'nodes', credentials: Credentials = {}) {
  await red.setFlows(withTab(flow), type, credentials);
}

export async function unloadFlow(): Promise<void> {
  await red.unload();
}

export async function stopRuntime(): Promise<void> {
  await red.stopServer();
}

/** The gateway node of a flow that talks to a stand-in, and what is to be credentials. */
export function gatewayNode(gateway: ScriptedGateway, id = 'gw'): { node: FlowNode; credentials: Credentials } {
  const node = { id, type: 'holdfast-gateway', version: 1, place: 'network', host: '127.0.0.1', port: gateway.port };
  const settings = {
    security: 'plain',
    servername: '',
    ca: '',
    certificate: '',
    maxWaiting: 10_000,
    maxWaitingMiB: 16,
  };
  return {
    node: { ...node, ...settings },
    credentials: { [id]: { username: gateway.username, password: 'secret' } },
  };
}

export function nodeOf(id: string) {
  const node = red.getNode(id);
  if (!node) throw new Error(`there is no node ${id}`);
  return node;
}

/** Every message that reaches a `helper` node. */
export function collect(id: string): Message[] {
  const messages: Message[] = [];
  nodeOf(id).on('input', (message: Message) => void messages.push(message));
  return messages;
}

/** The statuses of a node, from its last one on. */
export function statuses(id: string): string[] {
  const texts: string[] = [];
  nodeOf(id).on('call:status', (call: { args: NodeStatus[] }) => void texts.push(call.args[0]?.text ?? ''));
  return texts;
}

function withTab(flow: FlowNode[]): FlowNode[] {
  const inTab = flow.map((node) => (node.type === 'holdfast-gateway' ? node : { z: 'tab', x: 0, y: 0, ...node }));
  return [{ id: 'tab', type: 'tab', label: 'test' } as FlowNode, ...inTab];
}
