import { registerClientNode } from '../shared/client-node.ts';
import type { NodeRed } from '../shared/node-red.ts';
import { type AuthorizeConfig, AuthorizeController, defaults, migrations } from './controller.ts';

function register(RED: NodeRed): void {
  registerClientNode<AuthorizeConfig>(RED, {
    type: 'holdfast-authorize',
    migrations,
    defaults,
    make: ({ config, client, node, t, g }) =>
      new AuthorizeController({ config, client, t, g, status: (status) => node.status(status) }),
  });
}

export default register;
export { register as 'module.exports' };
