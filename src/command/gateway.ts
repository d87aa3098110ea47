import { Gateway } from '../gateway.ts';
import { createLogger, IdleMemory, systemClock } from '../platform/index.ts';
import type { Command } from './command.ts';

/** `holdfast gateway`: the service on the box. */
export const command: Command = {
  summary: 'Runs the gateway of a site',
  usage: '',
  options: {},
  details:
    'Takes in reports over MQTT and HTTP, keeps them in DATA/spool and brings them to upstream.url.\nEnds in order at SIGTERM or SIGINT.',
  async run(context) {
    const { config } = context.loadConfig();
    const signal = context.stopSignal();
    const logger = createLogger(config.log.level);
    const clock = systemClock();
    const memory = new IdleMemory(clock);
    const gateway = new Gateway({ config, dataFolder: context.dataFolder, clock, logger });
    await gateway.start();
    memory.start();
    const running = setInterval(() => {}, 60_000);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    clearInterval(running);
    logger.info({}, 'stopping');
    memory.stop();
    await gateway.stop();
    return 0;
  },
};
