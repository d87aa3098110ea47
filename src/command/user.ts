import { hashPassword } from '../accounts/index.ts';
import { HoldfastError } from '../errors.ts';
import type { Command } from './command.ts';
import { unknown } from './parse.ts';
import { readPassword } from './password-input.ts';

const actions = ['hash'];

/** `holdfast user hash`: makes the hash of a password for `mqtt.clients`. */
export const command: Command = {
  summary: 'Makes the hash of a password for the configuration',
  usage: 'hash',
  options: {},
  details: [
    'hash   reads a password (one line of standard input, or asks for it without showing it) and prints',
    '       its hash, to be put into mqtt.clients in place of the password.',
  ].join('\n'),
  async run(context) {
    const [action, ...rest] = context.words;
    if (action === undefined) throw new HoldfastError('usage', 'user needs an action: hash');
    if (!actions.includes(action)) throw unknown('action', action, actions);
    // As a word it would stand in the shell's history and in the list of processes.
    if (rest.length > 0) throw new HoldfastError('usage', 'the password is not given as a word; it is asked for');
    const password = await readPassword(context.input, context.printError);
    context.print(await hashPassword(password));
    return 0;
  },
};
