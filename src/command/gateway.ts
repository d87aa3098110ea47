import { Gateway } from '../gateway.ts';
import { createLogger, IdleMemory, liveInZone, systemClock } from '../platform/index.ts';
import type { Command } from './command.ts';

/** `holdfast gateway`: the service on the box. */
export const command: Command = {
  summary: 'Runs the gateway of a site',
  usage: '',
  options: {},
  details:
    'Takes in reports over MQTT and HTTP, keeps them in DATA/spool and brings them to upstream.url.\nEnds in order at SIGTERM or SIGINT; looks at once for renewed certificates at SIGHUP.',
  async run(context) {
    const { config } = context.loadConfig();
    liveInZone(config.site.timezone);
    const signal = context.stopSignal();
    const logger = createLogger(config.log.level);
    const clock = systemClock();
    // A journal keeps what is written to a pipe; a person at a terminal sees it once.
    const announce = process.stderr.isTTY ? { announce: context.printError } : {};
    const gateway = new Gateway({ config, dataFolder: context.dataFolder, clock, logger, ...announce });
    const memory = new IdleMemory({ clock, giveBack: () => gateway.giveBack() });
    process.on('SIGHUP', () => void gateway.reloadCertificates());
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
