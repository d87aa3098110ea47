import { registerClientNode } from '../shared/client-node.ts';
import type { NodeRed } from '../shared/node-red.ts';
import { defaults, migrations, type ReportStatusConfig, ReportStatusController } from './controller.ts';

function register(RED: NodeRed): void {
  registerClientNode<ReportStatusConfig>(RED, {
    type: 'holdfast-report-status',
    migrations,
    defaults,
    make: ({ config, client, node, t, g }) =>
      new ReportStatusController({
        channel: config.channel,
        events: config.events,
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
