import { join } from 'node:path';
import { loadConfig } from '../config/index.ts';
import { isGiven, runDemo } from '../demo/index.ts';
import { HoldfastError } from '../errors.ts';
import { systemClock } from '../platform/index.ts';
import type { Command } from './command.ts';

/** `holdfast demo`, which is also `npm start`. */
export const command: Command = {
  summary: 'Runs a gateway, a centre and three simulated printers on this computer',
  usage: '[--data DIR] [--seconds N]',
  options: {
    seconds: { type: 'string', value: 'N', description: 'ends by itself after so many seconds' },
    speed: { type: 'string', value: 'N', description: 'times faster than real printers (120)' },
  },
  details: [
    'Shows what is accepted, pending and delivered. u cuts and restores the uplink, k kills the gateway (kill -9) and',
    'starts it again, a takes the authorization of a printer away and gives it back, q quits; when standard input is no terminal, these are lines: cut, restore, kill, authorization, quit.',
    'Everything listens on 127.0.0.1 and is kept in ./data/demo, or in DIR. A port that is taken and was not configured',
    'is replaced by the next free one. Exit code 1 when a report was lost or answered wrong.',
  ].join('\n'),
  async run(context) {
    if (context.words.length > 0) throw new HoldfastError('usage', `demo takes no words: ${context.words[0]}`);
    const seconds = context.numberOption('seconds', { least: 1, most: 31_536_000 });
    const speed = context.numberOption('speed', { least: 1, most: 100_000 }) ?? 120;
    const { configFile, environment, dataFolder } = context;
    // Not context.loadConfig, which prints warnings: they speak of what the demo replaces.
    const { config } = loadConfig({ file: configFile, environment });
    return runDemo({
      config,
      isConfigured: (...key) => isGiven(key, { file: configFile, environment }),
      folder: context.option('data') === undefined ? join(dataFolder, 'demo') : dataFolder,
      clock: systemClock(),
      speed,
      seconds,
      input: context.input,
      output: process.stdout,
      stopSignal: context.stopSignal(),
    });
  },
};
