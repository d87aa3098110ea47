import type { GatewayClient } from './gateway-client.ts';
import { clientOf, gatewayTexts, problemStatus, type Translate } from './gateway-node.ts';
import { type Migration, migrate } from './migrate.ts';
import { NodeError, textOf } from './node-error.ts';
import type { Done, Message, NodeConfig, NodeInstance, NodeRed, Send } from './node-red.ts';

/** What the controller of a node that talks to the gateway does for its node. */
export interface Controller {
  input?(message: Message, send: Send, done: Done): void;
  close(removed: boolean): void;
}

/** A node that refers to a gateway node. */
export interface ClientConfig extends NodeConfig {
  /** Id of the gateway node. */
  readonly gateway: string;
}

export interface ClientNodeOptions<C extends ClientConfig> {
  readonly type: string;
  readonly migrations: readonly Migration[];
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly make: (parts: {
    config: C;
    client: GatewayClient;
    node: NodeInstance;
    t: Translate;
    g: Translate;
  }) => Controller;
}

/**
 * Registers a node that refers to a gateway node. Without a usable gateway, or with settings that are not, it says so
 * below the node and answers each message with that error, so that `catch` hears of it.
 */
export function registerClientNode<C extends ClientConfig>(RED: NodeRed, options: ClientNodeOptions<C>): void {
  const { type, migrations, defaults, make } = options;
  const t: Translate = (key, values) => RED._(key, values);
  const g = gatewayTexts(RED);
  RED.nodes.registerType<C>(type, function (saved) {
    RED.nodes.createNode(this, saved);
    let controller: Controller;
    try {
      const config: C = { ...defaults, ...migrate<C>(saved, migrations) };
      controller = make({ config, client: clientOf(RED, config.gateway), node: this, t, g });
    } catch (error) {
      const problem = error instanceof NodeError ? error : new NodeError('bad-settings', textOf(error));
      this.status(problemStatus(problem, g));
      // The gateway node has told its own problem.
      if (problem.code !== 'no-box') this.error(problem);
      this.on('input', (_message, _send, done) => done(problem));
      return;
    }
    if (controller.input) this.on('input', (message, send, done) => controller.input?.(message, send, done));
    this.on('close', (removed: boolean, done: () => void) => {
      controller.close(removed);
      done();
    });
  });
}
