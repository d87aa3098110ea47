import { HoldfastError } from '../errors.ts';
import type { Command } from './command.ts';

/** `holdfast check-config`: reads the configuration as the gateway would and says what is wrong with it. */
export const command: Command = {
  summary: 'Checks the configuration and names every mistake with file, line and key',
  usage: '[--config FILE]',
  options: {},
  details: 'Exit code 0 when it is valid (warnings may remain), 2 when it is not.',
  async run(context) {
    if (context.words.length > 0) {
      throw new HoldfastError('usage', `check-config takes no words; did you mean --config ${context.words[0]}?`);
    }
    const { warnings } = context.loadConfig();
    const what = context.configFile ?? 'the configuration (defaults and environment)';
    const remarks = warnings.length === 0 ? '' : ` (${warnings.length} warning${warnings.length === 1 ? '' : 's'})`;
    context.print(`${what} is valid${remarks}`);
    return 0;
  },
};
