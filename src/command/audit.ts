import type { AuthorizationRequest } from '../authorization/index.ts';
import { HoldfastError } from '../errors.ts';
import { askAuthorization } from './authorization-box.ts';
import type { Command, CommandContext } from './command.ts';
import { unknown } from './parse.ts';

const actions = ['verify', 'show'];

/** `holdfast audit`: the log of what was asked and answered. */
export const command: Command = {
  summary: 'Checks and shows the audit log of authorization',
  usage: 'verify | show',
  options: {
    serial: { type: 'string', value: 'SN', description: 'show: only this machine' },
    limit: { type: 'string', value: 'N', description: 'show: the newest so many (100)' },
    json: { type: 'boolean', description: 'verify: the result as JSON' },
  },
  details: [
    'Works while the gateway runs (it is asked) and while it is stopped (the folder is read).',
    'verify   follows the chain through all files; exit code 1, and the first line that is wrong, when one was changed,',
    '         removed, added or moved',
    'show     the newest lines, oldest first, one JSON object a line',
  ].join('\n'),
  async run(context) {
    const request = readRequest(context);
    let isSound = true;
    for await (const item of askAuthorization(context, request)) {
      if (request.action === 'audit-show' || context.flag('json')) context.print(JSON.stringify(item));
      else context.print(readable(item as Verdict));
      if (request.action === 'audit-verify') isSound = (item as Verdict).sound;
    }
    return isSound ? 0 : 1;
  },
};

interface Verdict {
  readonly sound: boolean;
  readonly files: number;
  readonly lines: number;
  readonly bad?: { readonly file: string; readonly line?: number; readonly why: string };
  readonly tornBytes: number;
}

function readRequest(context: CommandContext): AuthorizationRequest {
  const [action, ...rest] = context.words;
  if (action === undefined) throw new HoldfastError('usage', `audit needs an action: ${actions.join(', ')}`);
  if (!actions.includes(action)) throw unknown('action', action, actions);
  if (rest.length > 0) throw new HoldfastError('usage', `too many words after audit ${action}`);
  const room = 'authorization';
  if (action === 'verify') return { room, action: 'audit-verify' };
  const serial = context.option('serial');
  const limit = context.numberOption('limit', { least: 1, most: 10_000 }) ?? 100;
  return { room, action: 'audit-show', limit, ...(serial !== undefined && { serial }) };
}

function readable({ sound, files, lines, bad, tornBytes }: Verdict): string {
  const torn = tornBytes > 0 ? `; a write that was cut short left ${tornBytes} bytes at the end` : '';
  if (sound) return `sound: ${lines} lines in ${files} files${torn}`;
  const place = bad?.line === undefined ? bad?.file : `${bad.file}, line ${bad.line}`;
  return `NOT SOUND: ${place}: ${bad?.why} (${lines} lines before it are right)`;
}
