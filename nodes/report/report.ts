import { registerClientNode } from '../shared/client-node.ts';
import type { NodeRed } from '../shared/node-red.ts';
import { defaults, migrations, type ReportConfig, ReportController } from './controller.ts';

function register(RED: NodeRed): void {
  registerClientNode<ReportConfig>(RED, {
    type: 'holdfast-report',
    migrations,
    defaults,
    make: ({ config, client, node, t, g }) =>
      new ReportController({
        owner: config.id,
        channel: config.channel,
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
