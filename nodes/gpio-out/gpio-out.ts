import { serveGpio } from '../shared/gpio-route.ts';
import { chipOpener } from '../shared/gpio-settings.ts';
import { whenFlowsRun } from '../shared/gpio-start.ts';
import { migrate } from '../shared/migrate.ts';
import { NodeError, textOf } from '../shared/node-error.ts';
import type { NodeRed } from '../shared/node-red.ts';
import { type GpioOutConfig, GpioOutController, migrations } from './controller.ts';

function register(RED: NodeRed): void {
  serveGpio(RED);
  const openChip = chipOpener(RED);
  RED.nodes.registerType<GpioOutConfig>('holdfast-gpio-out', function (saved) {
    RED.nodes.createNode(this, saved);
    let controller: GpioOutController;
    try {
      controller = new GpioOutController({
        config: migrate<GpioOutConfig>(saved, migrations),
        openChip,
        status: (status) => this.status(status),
        error: (error, message) => this.error(error, message),
        t: (key) => RED._(key),
      });
    } catch (error) {
      const problem = error instanceof NodeError ? error : new NodeError('bad-settings', textOf(error));
      this.status({ fill: 'red', shape: 'ring', text: RED._('gpio-out.status.bad-settings') });
      whenFlowsRun(RED, this, () => this.error(problem, {}));
      this.on('input', (_message, _send, done) => done(problem));
      return;
    }
    whenFlowsRun(RED, this, () => void controller.start());
    this.on('input', (message, _send, done) => void controller.input(message, done));
    this.on('close', (_removed: boolean, done: () => void) => {
      controller.stop().then(done, done);
    });
  });
}

export default register;
export { register as 'module.exports' };
