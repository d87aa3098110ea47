import { registerClientNode } from '../shared/client-node.ts';
import type { NodeRed } from '../shared/node-red.ts';
import { defaults, migrations, type QueryConfig, QueryController } from './controller.ts';

function register(RED: NodeRed): void {
  registerClientNode<QueryConfig>(RED, {
    type: 'holdfast-query',
    migrations,
    defaults,
    make: ({ config, client, node, t, g }) =>
      new QueryController({ config, client, t, g, status: (status) => node.status(status) }),
  });
}

export default register;
export { register as 'module.exports' };
