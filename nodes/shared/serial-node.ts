import { SerialError } from '@holdfast/hardware/serial';
import type { SerialPortController, SerialPortState } from '../serial-port/controller.ts';
import { type Migration, migrate } from './migrate.ts';
import type { Message, NodeConfig, NodeInstance, NodeRed, NodeStatus, Send } from './node-red.ts';

/** A `serial-port` node as the others see it. */
export interface SerialPortNode extends NodeInstance {
  serial?: SerialPortController;
}

/** A node that refers to a `serial-port` node. */
export interface SerialNodeConfig extends NodeConfig {
  /** Id of the `serial-port` node. */
  readonly port: string;
}

/** What a controller of a serial node does for its node. */
export interface SerialController {
  start(): void;
  input?(message: Message, send: Send): Promise<void>;
  /** `lingerMs`: for how long what comes is kept for a successor. */
  stop(lingerMs: number): void;
}

export interface SerialNodeParts<C> {
  readonly config: C;
  readonly port: SerialPortController;
  readonly node: NodeInstance;
  readonly status: (state: SerialPortState) => void;
}

/**
 * Node-RED gives nodes 15 s to close before it starts the new flow. For so long a port stays open, and what it receives is
 * kept, when its nodes are only made anew; removed ones leave it after 2 s.
 */
export function lingerMs(removed: boolean): number {
  return removed ? 2_000 : 16_000;
}

/** Registers a node that refers to a port. Without a usable one it says so below the node and answers each message with that. */
export function registerSerialNode<C extends SerialNodeConfig>(
  RED: NodeRed,
  type: string,
  migrations: readonly Migration[],
  make: (parts: SerialNodeParts<C>) => SerialController,
): void {
  RED.nodes.registerType<C>(type, function (saved) {
    RED.nodes.createNode(this, saved);
    let controller: SerialController;
    try {
      const config = migrate<C>(saved, migrations);
      const port = (RED.nodes.getNode(config.port) as SerialPortNode | null | undefined)?.serial;
      if (!port) throw new SerialError('invalid-settings', 'no serial port is chosen, or it is disabled: choose one');
      const status = (state: SerialPortState) => this.status(statusOf(RED, state));
      controller = make({ config, port, node: this, status });
    } catch (error) {
      this.status({ fill: 'red', shape: 'ring', text: RED._(`${texts}invalid`) });
      this.error(error as Error);
      this.on('input', (_message, _send, done) => done(error as Error));
      return;
    }
    controller.start();
    if (controller.input) {
      this.on('input', (message, send, done) => {
        controller.input?.(message, send).then(
          () => done(),
          (error: unknown) => done(error as Error),
        );
      });
    }
    this.on('close', (removed: boolean, done: () => void) => {
      controller.stop(lingerMs(removed));
      done();
    });
  });
}

/** The states stand once, in the port's catalogue. */
const texts = '@holdfast/node-red/holdfast-serial-port:serial-port.status.';

function statusOf(RED: NodeRed, { state }: SerialPortState): NodeStatus {
  const text = RED._(`${texts}${state}`);
  if (state === 'open') return { fill: 'green', shape: 'dot', text };
  if (state === 'opening' || state === 'closed') return { fill: 'grey', shape: 'ring', text };
  return { fill: state === 'missing' || state === 'lost' ? 'yellow' : 'red', shape: 'ring', text };
}
