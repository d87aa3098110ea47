import { listPorts, serialLines } from '@holdfast/hardware/serial';
import { migrate } from '../shared/migrate.ts';
import type { NodeRed } from '../shared/node-red.ts';
import type { SerialPortConfig } from '../shared/serial-config.ts';
import { lingerMs, type SerialPortNode } from '../shared/serial-node.ts';
import { migrations, SerialPortController } from './controller.ts';

function register(RED: NodeRed): void {
  RED.nodes.registerType<SerialPortConfig>('holdfast-serial-port', function (this: SerialPortNode, saved) {
    RED.nodes.createNode(this, saved);
    try {
      const config = migrate<SerialPortConfig>(saved, migrations);
      this.serial = new SerialPortController({
        config,
        owner: config.name ? `"${config.name}"` : `node ${config.id}`,
        lines: serialLines,
        fail: (error) => this.error(error),
      });
      this.serial.start();
    } catch (error) {
      this.error(error as Error);
    }
    // All nodes have been made: a port that none of them took over is free for others, or for another of its names.
    const started = () => serialLines.closeUnused();
    RED.events.on('flows:started', started);
    this.on('close', (removed: boolean, done: () => void) => {
      RED.events.off('flows:started', started);
      this.serial?.stop(lingerMs(removed));
      done();
    });
  });

  // For the list in the dialog; without the editor there is neither.
  const mayRead = RED.auth?.needsPermission('flows.read');
  if (!RED.httpAdmin || !mayRead) return;
  RED.httpAdmin.get(
    '/holdfast/serial-ports',
    mayRead,
    (_request: unknown, response: { json(body: unknown): void }) =>
      void listPorts().then((ports) => response.json(ports)),
  );
}

export default register;
export { register as 'module.exports' };
