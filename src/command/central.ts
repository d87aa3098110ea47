import { createCentral } from '../central.ts';
import { HoldfastError } from '../errors.ts';
import { createLogger, systemClock } from '../platform/index.ts';
import type { Command } from './command.ts';

/** `holdfast central`: the other end, for a whole fleet. */
export const command: Command = {
  summary: 'Runs the centre: takes reports from RabbitMQ and stores them in MongoDB',
  usage: '[--config FILE]',
  options: {},
  details: [
    'Needs central.broker and central.mongodb (or central.embedded). Start as many copies as you like: each queue is',
    'read by one of them at a time, the others take over. GET /healthz and /metrics on central.http.',
  ].join('\n'),
  async run(context) {
    if (context.words.length > 0) throw new HoldfastError('usage', `central takes no words: ${context.words[0]}`);
    const { config } = context.loadConfig();
    const logger = createLogger(config.log.level);
    const stopping = context.stopSignal();
    const central = createCentral({
      config,
      logger,
      clock: systemClock(),
      dataFolder: context.dataFolder,
      processFigures: true,
      // A journal keeps what is written to a pipe; a person at a terminal sees it once.
      ...(process.stderr.isTTY && { announce: context.printError }),
    });
    process.on('SIGHUP', () => void central.reloadCertificates());
    await central.start();
    logger.info({ http: central.ports.http }, 'the centre runs');
    if (!stopping.aborted) {
      await new Promise<void>((resolve) => stopping.addEventListener('abort', () => resolve(), { once: true }));
    }
    await central.stop();
    return 0;
  },
};
