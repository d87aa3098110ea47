import { askGateway, type ControlRequest } from '../control-socket.ts';
import { HoldfastError } from '../errors.ts';
import type { Command, CommandContext } from './command.ts';

/** `holdfast device`: the simulated devices of a running box, for whoever builds or shows a flow without the machines. */
export const command: Command = {
  summary: 'Shows and drives the simulated devices of a running box: presses a button, pulls a plug',
  usage: 'list | DEVICE ACTION [VALUE …]',
  options: { json: { type: 'boolean', description: 'one JSON object a line' } },
  details: [
    'A device is simulated when a node names it sim:NAME; here it is gpio:NAME, serial:NAME or wifi:NAME.',
    'gpio     press LINE, release LINE, set LINE 0|1, state LINE, fail LINE [WHY], repair LINE, unplug, plug',
    'serial   send TEXT (\\r, \\n and \\t are understood), take, unplug, plug, fail [CODE]',
    'wifi     appear SSID [PASSWORD], vanish SSID, state, unplug, plug, fail [CODE]',
    'For example: holdfast device gpio:panel press 17',
  ].join('\n'),
  async run(context) {
    for await (const item of askGateway(context.dataFolder, readRequest(context))) {
      context.print(context.flag('json') ? JSON.stringify(item) : Object.values(item).join('  '));
    }
    return 0;
  },
};

function readRequest({ words }: CommandContext): ControlRequest & Record<string, unknown> {
  const [device, action, ...values] = words;
  const room = 'devices';
  if (device === undefined) throw new HoldfastError('usage', "device needs 'list', or a device and an action");
  if (device === 'list' && action === undefined) return { room, action: 'list' };
  if (action === undefined) throw new HoldfastError('usage', `device ${device} needs an action; see --help`);
  const unescaped = values.map((value) => value.replace(/\\[rnt]/g, (pair) => escapes[pair]!));
  return { room, action: 'control', device, verb: action, values: unescaped };
}

const escapes: Readonly<Record<string, string>> = { '\\r': '\r', '\\n': '\n', '\\t': '\t' };
