import type { GatewayClient, LinkState } from './gateway-client.ts';
import { NodeError } from './node-error.ts';
import type { NodeInstance, NodeRed, NodeStatus } from './node-red.ts';

/** An instance of the configuration node `holdfast-gateway`. */
export interface GatewayNode extends NodeInstance {
  /** Undefined when the settings are not usable: `problem` says why. */
  client?: GatewayClient | undefined;
  problem?: NodeError | undefined;
}

/** A text of the gateway node's catalogue, where the states of the connection stand for all nodes. */
export type Translate = (key: string, values?: Record<string, string | number>) => string;

export function gatewayTexts(RED: NodeRed): Translate {
  return (key, values) => RED._(`@holdfast/node-red/holdfast-gateway:${key}`, values);
}

/**
 * The client of the gateway node that a node refers to; it connects if nobody has made it do so yet.
 *
 * @throws NodeError `no-gateway`, or the gateway node's own problem
 */
export function clientOf(RED: NodeRed, gatewayId: unknown): GatewayClient {
  const gateway = typeof gatewayId === 'string' ? (RED.nodes.getNode(gatewayId) as GatewayNode | null) : undefined;
  if (gateway?.client) {
    gateway.client.start();
    return gateway.client;
  }
  throw (
    gateway?.problem ?? new NodeError('no-gateway', 'no gateway is chosen: open the node and choose or add a gateway')
  );
}

/** How the connection looks below a node; `text` replaces what is said while it is connected. */
export function linkStatus(state: LinkState, t: Translate): NodeStatus {
  switch (state.kind) {
    case 'connected':
      return { fill: 'green', shape: 'dot', text: t('status.connected') };
    case 'refused':
      return { fill: 'red', shape: 'ring', text: t(`status.${state.error.code}`) };
    case 'away':
      return { fill: 'red', shape: 'ring', text: t(awayText(state.error.code)) };
    default:
      return { fill: 'yellow', shape: 'ring', text: t('status.connecting') };
  }
}

function awayText(code: string): string {
  return code === 'certificate' ? 'status.certificate' : 'status.away';
}

/** What a node shows whose settings are not usable. */
export function problemStatus({ code }: NodeError, t: Translate): NodeStatus {
  const known = ['no-gateway', 'no-box', 'bad-settings'].includes(code);
  return { fill: 'red', shape: 'ring', text: t(known ? `status.${code}` : 'status.bad-settings') };
}
