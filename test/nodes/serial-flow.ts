/** Flows with serial nodes in the real Node-RED runtime, in this process. */
import { createRequire } from 'node:module';
import { serialLines } from '@holdfast/hardware/serial';
import serialIn from '../../nodes/serial-in/serial-in.ts';
import serialOut from '../../nodes/serial-out/serial-out.ts';
import serialPort from '../../nodes/serial-port/serial-port.ts';
import serialRequest from '../../nodes/serial-request/serial-request.ts';
import type { Message, NodeConfig, NodeInstance, NodeRed, NodeStatus } from '../../nodes/shared/node-red.ts';

export type FlowNode = Partial<NodeConfig> & { id: string; type: string };
type Caught = Message & { error?: { message: string; code?: string } };

interface Helper {
  init(path: string): void;
  settings(settings: Record<string, unknown>): void;
  startServer(): Promise<void>;
  stopServer(): Promise<void>;
  load(nodes: unknown[], flow: FlowNode[]): Promise<void>;
  setFlows(flow: FlowNode[], type: string): Promise<void>;
  unload(): Promise<void>;
  getNode(id: string): NodeInstance & { receive(message: Message): void };
  request(): { get(path: string): Promise<{ status: number; body: unknown }> };
}
const require = createRequire(import.meta.url);
const red = require('node-red-node-test-helper') as Helper;
red.init(require.resolve('node-red'));

/** What reached the `sink` nodes, by id, over all deployments of a flow; and the last status of each node. */
export const received = new Map<string, Caught[]>();
export const statuses = new Map<string, NodeStatus>();

export const runtime = {
  start: () => red.startServer(),
  stop: () => red.stopServer(),
};

export async function loadFlow(flow: FlowNode[]): Promise<void> {
  received.clear();
  statuses.clear();
  red.settings({ logging: { console: { level: 'off' } } });
  await red.load([sink, ...[serialPort, serialIn, serialOut, serialRequest].map(noted)], withTab(flow));
}

/** Node-RED's own events. */
export const events = require('@node-red/util').events as NodeRed['events'];

export const deploy = (flow: FlowNode[], type: 'full' | 'nodes') => red.setFlows(withTab(flow), type);

export async function unloadFlow(): Promise<void> {
  await red.unload();
  await serialLines.closeAll();
}

export const get = (path: string) => red.request().get(path);
export const send = (id: string, payload: unknown) => red.getNode(id).receive({ payload });
export const at = (id: string): Caught[] => received.get(id) ?? [];
export const payloads = (id: string): unknown[] => at(id).map(({ payload }) => payload);
export const state = (id: string): string => statuses.get(id)?.text?.replace(/.*status\./, '') ?? '';

/** Where two long lists begin to differ; undefined when they do not (the difference of all would take minutes). */
export function firstDifference(actual: readonly unknown[], expected: readonly unknown[]): string | undefined {
  for (let index = 0; index < Math.max(actual.length, expected.length); index++) {
    if (actual[index] !== expected[index]) return `at ${index}: ${actual[index]} instead of ${expected[index]}`;
  }
  return undefined;
}

/** A `serial-port` node as its dialog saves it. */
export function portNode(id: string, uri: string, settings: Record<string, unknown> = {}): FlowNode {
  return {
    id,
    type: 'holdfast-serial-port',
    version: 1,
    // Not the id itself: Node-RED would take that for a node that refers to itself.
    name: `the ${id}`,
    uri,
    baudRate: '115200',
    dataBits: '8',
    parity: 'none',
    stopBits: '1',
    flowControl: 'none',
    framing: 'line',
    lineEnd: 'lf',
    delimiter: '',
    frameLength: 16,
    lengthOffset: 0,
    lengthSize: '2',
    lengthEndian: 'big',
    lengthAdjust: 0,
    resyncMs: 0,
    gapMs: 20,
    pattern: '',
    maxFrameBytes: 65536,
    ...settings,
  };
}

export function inNode(id: string, port: string, to: string, settings: Record<string, unknown> = {}): FlowNode {
  const all = { payload: 'text', encoding: 'utf8', topic: '', ...settings };
  return { id, type: 'holdfast-serial-in', version: 1, port, ...all, wires: [[to]] };
}

export function outNode(id: string, port: string, settings: Record<string, unknown> = {}): FlowNode {
  return { id, type: 'holdfast-serial-out', version: 1, port, encoding: 'utf8', waitSeconds: 10, ...settings };
}

export function requestNode(id: string, port: string, to: string, settings: Record<string, unknown> = {}): FlowNode {
  const times = { timeoutSeconds: 1, lateSeconds: '', waitSeconds: 0, answer: '' };
  const all = { payload: 'text', encoding: 'utf8', ...times, ...settings };
  return { id, type: 'holdfast-serial-request', version: 1, port, ...all, wires: [[to]] };
}

export const sinkNode = (id: string): FlowNode => ({ id, type: 'sink' });
export const catchNode = (to: string): FlowNode => ({ id: `catch-${to}`, type: 'catch', scope: null, wires: [[to]] });
export const completeNode = (scope: string[], to: string): FlowNode => ({
  id: `complete-${to}`,
  type: 'complete',
  scope,
  wires: [[to]],
});

function sink(RED: NodeRed): void {
  RED.nodes.registerType('sink', function (config) {
    RED.nodes.createNode(this, config);
    this.on('input', (message, _send, done) => {
      const messages = at(config.id);
      messages.push(message);
      received.set(config.id, messages);
      done();
    });
  });
}

/** The registration, with every status noted from the first one on. */
function noted(register: (RED: NodeRed) => void): (RED: NodeRed) => void {
  return (RED) =>
    register({
      ...RED,
      nodes: {
        ...RED.nodes,
        createNode(instance, config) {
          RED.nodes.createNode(instance, config);
          const { status } = instance;
          instance.status = (value) => {
            statuses.set(config.id, value);
            status.call(instance, value);
          };
        },
      },
    });
}

function withTab(flow: FlowNode[]): FlowNode[] {
  const placed = flow.map((node) => (node.type === 'holdfast-serial-port' ? node : { z: 'tab', ...node }));
  return [{ id: 'tab', type: 'tab', label: 'test' } as FlowNode, ...placed];
}
