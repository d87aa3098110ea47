import { serveGpio } from '../shared/gpio-route.ts';
import { chipOpener } from '../shared/gpio-settings.ts';
import { whenFlowsRun } from '../shared/gpio-start.ts';
import { migrate } from '../shared/migrate.ts';
import { NodeError, textOf } from '../shared/node-error.ts';
import type { NodeRed } from '../shared/node-red.ts';
import { type GpioInConfig, GpioInController, migrations } from './controller.ts';

function register(RED: NodeRed): void {
  serveGpio(RED);
  const openChip = chipOpener(RED);
  RED.nodes.registerType<GpioInConfig>('holdfast-gpio-in', function (saved) {
    RED.nodes.createNode(this, saved);
    let controller: GpioInController;
    try {
      controller = new GpioInController({
        config: migrate<GpioInConfig>(saved, migrations),
        openChip,
        send: (message) => this.send(message),
        status: (status) => this.status(status),
        error: (error, message) => this.error(error, message),
        t: (key) => RED._(key),
      });
    } catch (error) {
      this.status({ fill: 'red', shape: 'ring', text: RED._('gpio-in.status.bad-settings') });
      const problem = error instanceof NodeError ? error : new NodeError('bad-settings', textOf(error));
      whenFlowsRun(RED, this, () => this.error(problem, {}));
      return;
    }
    whenFlowsRun(RED, this, () => void controller.start());
    this.on('close', (_removed: boolean, done: () => void) => {
      controller.stop().then(done, done);
    });
  });
}

export default register;
export { register as 'module.exports' };
