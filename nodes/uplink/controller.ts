import type { ClientConfig, Controller } from '../shared/client-node.ts';
import type { GatewayClient } from '../shared/gateway-client.ts';
import { linkStatus, type Translate } from '../shared/gateway-node.ts';
import type { Migration } from '../shared/migrate.ts';
import type { Done, Message, NodeStatus, Outputs, Send } from '../shared/node-red.ts';

export type UplinkConfig = ClientConfig;

/** Version 1 is the first one. */
export const migrations: readonly Migration[] = [(config) => config];

/** What a hand-written flow may leave out. */
export const defaults = { gateway: '' };

/** What the node sends as `msg.payload`. */
export interface UplinkPayload {
  /** Whether this Node-RED reaches the box at all. */
  readonly reachable: boolean;
  /** Whether the box reaches the centre; false when the box cannot be reached. */
  readonly connected: boolean;
  /** Reports on the box that are not in the database; null when the box cannot be reached. */
  readonly pending: number | null;
  /** Since when the uplink is so, ISO 8601; null when the box cannot be reached. */
  readonly since: string | null;
}

export interface UplinkOptions {
  readonly client: GatewayClient;
  readonly t: Translate;
  readonly g: Translate;
  readonly send: (outputs: Outputs) => void;
  readonly status: (status: NodeStatus) => void;
}

/** Sends the state of the box's uplink whenever it changes, and when it is asked. */
export class UplinkController implements Controller {
  readonly #options: UplinkOptions;
  readonly #stops: (() => void)[];
  /** The last one sent, as text. */
  #sent = '';

  constructor(options: UplinkOptions) {
    this.#options = options;
    const { client } = options;
    this.#stops = [client.onState.add(() => this.#onChange()), client.onUplink.add(() => this.#onChange())];
    this.#showStatus();
    // Another node may have connected long ago; by then the wires are ready.
    setImmediate(() => this.#onChange());
  }

  input(message: Message, send: Send, done: Done): void {
    send({ ...message, topic: 'uplink', payload: this.#payload() });
    done();
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#stops.length = 0;
  }

  #onChange(): void {
    if (this.#stops.length === 0) return;
    this.#showStatus();
    const { kind } = this.#options.client.state;
    // Between the two nothing is known yet; the first news follow at once.
    if (kind === 'connecting' || kind === 'idle' || (kind === 'connected' && !this.#options.client.uplink)) return;
    const payload = this.#payload();
    const text = JSON.stringify(payload);
    if (text === this.#sent) return;
    this.#sent = text;
    this.#options.send({ topic: 'uplink', payload });
  }

  #payload(): UplinkPayload {
    const { state, uplink } = this.#options.client;
    if (state.kind !== 'connected' || !uplink) {
      return { reachable: state.kind === 'connected', connected: false, pending: null, since: null };
    }
    return { reachable: true, ...uplink };
  }

  #showStatus(): void {
    const { client, t, g, status } = this.#options;
    const link = linkStatus(client.state, g);
    if (client.state.kind !== 'connected' || !client.uplink) {
      status(link);
      return;
    }
    const { connected, pending } = client.uplink;
    const text = t(connected ? 'uplink.status.connected' : 'uplink.status.away', { count: pending });
    status({ fill: connected ? 'green' : 'yellow', shape: 'dot', text });
  }
}
