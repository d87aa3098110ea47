import type { GatewayConfig, GatewayCredentials } from '../shared/connection.ts';
import type { GatewayNode } from '../shared/gateway-node.ts';
import { migrate } from '../shared/migrate.ts';
import { NodeError, textOf } from '../shared/node-error.ts';
import type { NodeRed } from '../shared/node-red.ts';
import { defaults, endClient, makeClient, migrations } from './controller.ts';

function register(RED: NodeRed): void {
  RED.nodes.registerType<GatewayConfig>(
    'holdfast-gateway',
    function (this: GatewayNode, saved) {
      RED.nodes.createNode(this, saved);
      try {
        const config: GatewayConfig = { ...defaults, ...migrate<GatewayConfig>(saved, migrations) };
        const credentials: GatewayCredentials = this.credentials ?? {};
        const { holdfast: box } = RED.settings;
        this.client = makeClient({ config, credentials, box, log: (text) => this.log(text) });
        // Reports of nodes that were deleted are sent also when no other node refers to this one.
        if (this.client.pending.store.counts().waiting > 0) this.client.start();
      } catch (error) {
        this.problem = error instanceof NodeError ? error : new NodeError('bad-settings', textOf(error));
        this.error(this.problem);
      }
      this.on('close', (removed: boolean, done: () => void) => {
        if (!this.client) {
          done();
          return;
        }
        endClient(this.client, this.id, removed).then((warning) => {
          if (warning) this.warn(warning);
          done();
        });
      });
    },
    { credentials: { username: { type: 'text' }, password: { type: 'password' }, key: { type: 'password' } } },
  );
}

export default register;
export { register as 'module.exports' };
