import { join } from 'node:path';
import { askGateway } from '../control-socket.ts';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import { createLogger, nodeFileSystem, systemClock } from '../platform/index.ts';
import {
  administer,
  asideNames,
  type LogName,
  laneNames,
  lockFolder,
  Spool,
  type SpoolRequest,
} from '../spool/index.ts';
import { spoolOptions } from '../spool-options.ts';
import type { Command, CommandContext } from './command.ts';
import { unknown } from './parse.ts';

const actions = ['status', 'list', 'show', 'verify', 'requeue', 'export'];
const logs = [...laneNames, ...asideNames];
const most = Number.MAX_SAFE_INTEGER;

/** `holdfast spool`: a look into the spool of a running or a stopped box. */
export const command: Command = {
  summary: 'Shows, checks and sends again what is in the spool',
  usage: 'status | list | show SEQUENCE | verify | requeue [SEQUENCE] | export',
  options: {
    log: { type: 'string', value: 'LOG', description: `list, export: only this log (${logs.join(', ')})` },
    channel: { type: 'string', value: 'NAME', description: 'list: only this channel' },
    serial: { type: 'string', value: 'SN', description: 'list: only this machine' },
    limit: { type: 'string', value: 'N', description: 'list: at most so many (100)' },
    all: { type: 'boolean', description: 'requeue: everything in the quarantine' },
    json: { type: 'boolean', description: 'one JSON object a line' },
  },
  details: [
    'Works while the gateway runs (it is asked) and while it is stopped (the folder is read).',
    'status   totals and each log          list     what waits, oldest first',
    'show     one report with its body     verify   reads everything through; exit code 1 when something is damaged',
    'requeue  sends quarantined reports again, under the same message_id',
    'export   everything that waits, with bodies, one JSON object a line',
  ].join('\n'),
  async run(context) {
    const request = readRequest(context);
    let isSound = true;
    for await (const item of answers(context, request)) {
      if ('sound' in item && item.sound === false) isSound = false;
      context.print(context.flag('json') || request.action === 'export' ? JSON.stringify(item) : readable(item));
    }
    return isSound ? 0 : 1;
  },
};

function readRequest(context: CommandContext): SpoolRequest {
  const [action, word, ...rest] = context.words;
  if (action === undefined) throw new HoldfastError('usage', `spool needs an action: ${actions.join(', ')}`);
  if (!actions.includes(action)) throw unknown('action', action, actions);
  if (rest.length > 0) throw new HoldfastError('usage', `too many words after spool ${action}`);
  const log = context.option('log');
  if (log !== undefined && !logs.includes(log as LogName)) throw unknown('log', log, logs);
  const which = { ...(log !== undefined && { log: log as LogName }) };
  switch (action) {
    case 'list': {
      const channel = context.option('channel');
      const serial = context.option('serial');
      return {
        action,
        ...which,
        ...(channel !== undefined && { channel }),
        ...(serial !== undefined && { serial }),
        limit: context.numberOption('limit', { least: 1, most }) ?? 100,
      };
    }
    case 'show':
      return { action, sequence: sequenceOf(word, action) };
    case 'requeue':
      if (word === undefined && context.flag('all')) return { action };
      return { action, sequence: sequenceOf(word, `${action} (or --all)`) };
    case 'export':
      return { action, ...which };
    default:
      return { action: action as 'status' | 'verify' };
  }
}

function sequenceOf(word: string | undefined, action: string): number {
  if (word === undefined || !/^\d{1,15}$/.test(word)) {
    throw new HoldfastError(
      'usage',
      `spool ${action} needs the sequence of a report; 'holdfast spool list' shows them`,
    );
  }
  return Number(word);
}

/** From the folder when nobody has it open, else from the gateway that has. */
async function* answers(context: CommandContext, request: SpoolRequest): AsyncGenerator<object> {
  const folder = join(context.dataFolder, 'spool');
  if (!nodeFileSystem.exists(folder)) {
    throw new HoldfastError(
      'not-found',
      `there is no spool in ${context.dataFolder}: name the box's folder with --data`,
    );
  }
  let lock: ReturnType<typeof lockFolder>;
  try {
    lock = lockFolder(folder);
  } catch (error) {
    if (!isHoldfastError(error, 'spool-locked')) throw error;
    yield* askGateway(context.dataFolder, request);
    return;
  }
  const { config } = context.loadConfig();
  const clock = systemClock();
  const spool = new Spool({
    ...spoolOptions(config, folder),
    fileSystem: nodeFileSystem,
    clock,
    logger: createLogger('warn', 2),
  });
  try {
    await spool.open();
    yield* administer(spool, request, clock);
  } finally {
    await spool.close();
    lock.release();
  }
}

function readable(item: object): string {
  return Object.entries(item)
    .map(([key, value]) => {
      if (typeof value !== 'object' || value === null) return `${key}: ${value}`;
      const inner = Object.entries(value).map(([name, each]) =>
        typeof each === 'object' && each !== null
          ? `\n  ${name}: ${Object.entries(each)
              .map(([field, figure]) => `${field} ${figure}`)
              .join(', ')}`
          : `\n  ${name}: ${each}`,
      );
      return `${key}:${inner.join('')}`;
    })
    .join(Object.values(item).some((value) => typeof value === 'object' && value !== null) ? '\n' : '  ');
}
