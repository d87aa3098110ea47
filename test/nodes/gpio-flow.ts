/** GPIO nodes in the real Node-RED runtime, in this process, on simulated chips. */
import { createRequire } from 'node:module';
import { type SimulatedChip, simulatedChip } from '@holdfast/hardware/gpio';
import gpioIn from '../../nodes/gpio-in/gpio-in.ts';
import gpioOut from '../../nodes/gpio-out/gpio-out.ts';
import type { Message, NodeInstance, NodeRed, NodeStatus } from '../../nodes/shared/node-red.ts';

const require = createRequire(import.meta.url);
export const helper = require('node-red-node-test-helper');
const catchNode = require('@node-red/nodes/core/common/25-catch.js');
helper.init(require.resolve('node-red'));

type Caught = Message & { error: { message: string; code?: string; source: { id: string } } };
export type Node = NodeInstance & { receive(message: Message): void };

export interface GpioFlow {
  readonly chip: SimulatedChip;
  /** What came out of each input, in order. */
  readonly sent: Message[];
  readonly caught: Caught[];
  /** The statuses of each node; the texts are keys of the catalogue. */
  readonly statuses: Map<string, NodeStatus[]>;
  node(id: string): Node;
  lastStatus(id: string): NodeStatus | undefined;
  /** Deploys another set of nodes. */
  deploy(nodes: readonly Record<string, unknown>[]): Promise<void>;
}

let count = 0;

/** Starts a flow of these nodes; each without a chip gets the flow's simulated one, inputs send to `sent`. */
export async function loadFlow(nodes: readonly Record<string, unknown>[]): Promise<GpioFlow> {
  const chip = simulatedChip(`flow-${++count}`);
  const sent: Message[] = [];
  const caught: Caught[] = [];
  const statuses: GpioFlow['statuses'] = new Map();
  const complete = (some: readonly Record<string, unknown>[]) => [
    { id: 'tab', type: 'tab', label: 'tab' },
    ...some.map((node) => ({ ...place, version: 1, chip: `sim:${chip.name}`, wires: wires(node), ...node })),
    { ...place, id: 'errors', type: 'catch', scope: null, uncaught: false, wires: [['caught']] },
    { ...place, id: 'sent', type: 'helper' },
    { ...place, id: 'caught', type: 'helper' },
  ];
  const listen = () => {
    helper.getNode('sent').on('input', (message: Message) => sent.push(message));
    helper.getNode('caught').on('input', (message: Caught) => caught.push(message));
  };
  await helper.load([noting(gpioIn, statuses), noting(gpioOut, statuses), catchNode], complete(nodes));
  listen();
  return {
    chip,
    sent,
    caught,
    statuses,
    node: (id) => helper.getNode(id),
    lastStatus: (id) => statuses.get(id)?.at(-1),
    async deploy(next) {
      await helper.setFlows(complete(next));
      listen();
    },
  };
}

// A node without a place counts as a configuration node.
const place = { z: 'tab', x: 0, y: 0 };

function wires({ type }: Record<string, unknown>): string[][] {
  return type === 'holdfast-gpio-in' ? [['sent']] : [];
}

/** The registration, with every status noted from the first one on. */
function noting(register: (RED: NodeRed) => void, statuses: GpioFlow['statuses']): (RED: NodeRed) => void {
  return (RED) =>
    register({
      ...RED,
      nodes: {
        ...RED.nodes,
        createNode(instance, config) {
          RED.nodes.createNode(instance, config);
          const status = instance.status.bind(instance);
          instance.status = (value) => {
            statuses.set(instance.id, [...(statuses.get(instance.id) ?? []), value]);
            status(value);
          };
        },
      },
    });
}
