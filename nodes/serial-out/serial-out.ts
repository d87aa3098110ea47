import type { NodeRed } from '../shared/node-red.ts';
import { registerSerialNode } from '../shared/serial-node.ts';
import { migrations, type SerialOutConfig, SerialOutController } from './controller.ts';

function register(RED: NodeRed): void {
  registerSerialNode<SerialOutConfig>(
    RED,
    'holdfast-serial-out',
    migrations,
    ({ config, port, status }) => new SerialOutController({ config, port, status }),
  );
}

export default register;
export { register as 'module.exports' };
