import { migrate } from '../shared/migrate.ts';
import { NodeError, textOf } from '../shared/node-error.ts';
import type { NodeRed } from '../shared/node-red.ts';
import { leaseWifi } from '../shared/wifi-drivers.ts';
import { migrations, type WifiConfig, WifiController } from './controller.ts';

function register(RED: NodeRed): void {
  RED.nodes.registerType<WifiConfig>(
    'holdfast-wifi',
    function (saved) {
      RED.nodes.createNode(this, saved);
      let controller: WifiController;
      try {
        controller = new WifiController({
          config: migrate<WifiConfig>(saved, migrations),
          password: this.credentials?.password,
          lease: leaseWifi,
          t: (key, values) => RED._(key, values),
          status: (status) => this.status(status),
          emit: (message) => this.send(message),
          problem: (error) => this.error(error),
        });
      } catch (error) {
        const problem = error instanceof NodeError ? error : new NodeError('bad-settings', textOf(error));
        this.status({ fill: 'red', shape: 'ring', text: RED._('wifi.status.settings') });
        this.error(problem);
        this.on('input', (_message, _send, done) => done(problem));
        return;
      }
      this.on('input', (message, send, done) => controller.input(message, send, done));
      this.on('close', (_removed: boolean, done: () => void) => {
        controller.close().then(done, done);
      });
    },
    { credentials: { password: { type: 'password' } } },
  );
}

export default register;
export { register as 'module.exports' };
