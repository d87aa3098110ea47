import { registerClientNode } from '../shared/client-node.ts';
import type { NodeRed } from '../shared/node-red.ts';
import { defaults, migrations, type UplinkConfig, UplinkController } from './controller.ts';

function register(RED: NodeRed): void {
  registerClientNode<UplinkConfig>(RED, {
    type: 'holdfast-uplink',
    migrations,
    defaults,
    make: ({ client, node, t, g }) =>
      new UplinkController({
        client,
        t,
        g,
        send: (outputs) => node.send(outputs),
        status: (status) => node.status(status),
      }),
  });
}

export default register;
export { register as 'module.exports' };
