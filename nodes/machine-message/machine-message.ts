import { registerClientNode } from '../shared/client-node.ts';
import type { NodeRed } from '../shared/node-red.ts';
import { defaults, type MachineMessageConfig, MachineMessageController, migrations } from './controller.ts';

function register(RED: NodeRed): void {
  registerClientNode<MachineMessageConfig>(RED, {
    type: 'holdfast-machine-message',
    migrations,
    defaults,
    make: ({ config, client, node, t, g }) =>
      new MachineMessageController({
        config,
        client,
        t,
        g,
        send: (outputs) => node.send(outputs),
        error: (error, message) => node.error(error, message),
        status: (status) => node.status(status),
      }),
  });
}

export default register;
export { register as 'module.exports' };
