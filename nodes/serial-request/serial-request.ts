import type { NodeRed } from '../shared/node-red.ts';
import { registerSerialNode } from '../shared/serial-node.ts';
import { migrations, type SerialRequestConfig, SerialRequestController } from './controller.ts';

function register(RED: NodeRed): void {
  registerSerialNode<SerialRequestConfig>(
    RED,
    'holdfast-serial-request',
    migrations,
    ({ config, port, status }) => new SerialRequestController({ config, port, status }),
  );
}

export default register;
export { register as 'module.exports' };
