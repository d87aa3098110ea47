import type { NodeRed } from '../shared/node-red.ts';
import { lingerMs, registerSerialNode } from '../shared/serial-node.ts';
import { migrations, type SerialInConfig, SerialInController } from './controller.ts';

/** When Node-RED does not say that the flows run, reading begins all the same. */
const latestStartMs = 10_000;

function register(RED: NodeRed): void {
  registerSerialNode<SerialInConfig>(RED, 'holdfast-serial-in', migrations, ({ config, port, node, status }) => {
    const controller = new SerialInController({
      config,
      port,
      status,
      send: (message) => node.send(message),
      fail: (error, message) => node.error(error, message),
    });
    const started = () => controller.read();
    // The flow engine of a box holds what sources send while flows are replaced.
    const isHeld = RED.settings.holdfast !== undefined;
    const stopping = ({ type }: { type?: string }) => {
      if (type === 'full') controller.stopping(lingerMs(false), isHeld);
    };
    // The nodes behind this one may be made after it: what is sent before all stand would reach nobody.
    RED.events.on('flows:started', started);
    RED.events.on('flows:stopping', stopping);
    const latest = setTimeout(started, latestStartMs).unref();
    node.on('close', (_removed: boolean, done: () => void) => {
      clearTimeout(latest);
      RED.events.off('flows:started', started);
      RED.events.off('flows:stopping', stopping);
      done();
    });
    return controller;
  });
}

export default register;
export { register as 'module.exports' };
