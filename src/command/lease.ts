import type { AuthorizationRequest } from '../authorization/index.ts';
import { HoldfastError } from '../errors.ts';
import { askAuthorization } from './authorization-box.ts';
import type { Command, CommandContext } from './command.ts';
import { unknown } from './parse.ts';

const actions = ['list', 'show', 'revoke', 'rebind'];

/** `holdfast lease`: what the box may answer while the centre is away. */
export const command: Command = {
  summary: 'Shows, revokes and seals again the leases of a box',
  usage: 'list | show SN | revoke SN | rebind',
  options: {
    'force-legacy': { type: 'boolean', description: 'rebind: also leases that the centre has not signed' },
    json: { type: 'boolean', description: 'one JSON object a line' },
  },
  details: [
    'Works while the gateway runs (it is asked) and while it is stopped (the folder is read).',
    'list     leases and remembered denials      show     that of one machine',
    'revoke   the machine is denied while the centre is away, until the centre grants it again',
    'rebind   after an exchange of hardware: seals again what the centre has signed; with --force-legacy also what it',
    '         has not: whoever does that vouches for all of it, so look at the list first',
  ].join('\n'),
  async run(context) {
    for await (const item of askAuthorization(context, readRequest(context))) {
      context.print(context.flag('json') ? JSON.stringify(item) : readable(item));
    }
    return 0;
  },
};

function readRequest(context: CommandContext): AuthorizationRequest {
  const [action, serial, ...rest] = context.words;
  if (action === undefined) throw new HoldfastError('usage', `lease needs an action: ${actions.join(', ')}`);
  if (!actions.includes(action)) throw unknown('action', action, actions);
  const takesSerial = action === 'show' || action === 'revoke';
  if (rest.length > 0 || (!takesSerial && serial !== undefined)) {
    throw new HoldfastError('usage', `too many words after lease ${action}`);
  }
  const room = 'authorization';
  if (action === 'list') return { room, action: 'lease-list' };
  if (action === 'rebind') return { room, action: 'lease-rebind', forceLegacy: context.flag('force-legacy') };
  if (serial === undefined) throw new HoldfastError('usage', `lease ${action} needs the 序列号 of a machine`);
  return { room, action: action === 'show' ? 'lease-show' : 'lease-revoke', serial };
}

/** One line: what is known, without what is not. */
function readable(item: object): string {
  return Object.entries(item)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key}: ${Array.isArray(value) ? value.join(', ') || '-' : value}`)
    .join('  ');
}
