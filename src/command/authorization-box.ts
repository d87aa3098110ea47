import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Alarms } from '../alarms.ts';
import {
  type AuthorizationRequest,
  AuthorizationState,
  administerAuthorization,
  changesSomething,
} from '../authorization/index.ts';
import { gatewayId } from '../config/index.ts';
import { askGateway } from '../control-socket.ts';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import { ClockTrust, createLogger, nodeFileSystem, SiteTime, systemClock } from '../platform/index.ts';
import { lockFolder } from '../spool/index.ts';
import type { CommandContext } from './command.ts';

/** Asks the gateway that runs on the data folder; of a stopped box, the files are opened. */
export async function* askAuthorization(
  context: CommandContext,
  request: AuthorizationRequest,
): AsyncGenerator<object> {
  const { dataFolder } = context;
  const spoolFolder = join(dataFolder, 'spool');
  if (!nodeFileSystem.exists(spoolFolder)) {
    throw new HoldfastError('not-found', `there is no box in ${dataFolder}: name its folder with --data`);
  }
  let lock: ReturnType<typeof lockFolder>;
  try {
    lock = lockFolder(spoolFolder);
  } catch (error) {
    if (!isHoldfastError(error, 'spool-locked')) throw error;
    yield* askGateway(dataFolder, request);
    return;
  }
  try {
    yield* askStoppedBox(context, request);
  } finally {
    lock.release();
  }
}

async function* askStoppedBox(context: CommandContext, request: AuthorizationRequest): AsyncGenerator<object> {
  const { dataFolder } = context;
  const readOnly = !changesSomething(request);
  // Files that another user makes, the gateway could not open any more.
  if (!readOnly && statSync(dataFolder).uid !== process.getuid?.()) {
    throw new HoldfastError(
      'usage',
      `${dataFolder} belongs to another user: run this as that one, or while the gateway runs`,
    );
  }
  const { config } = context.loadConfig();
  const logger = createLogger('warn', 2);
  const trust = new ClockTrust({ clock: systemClock(), onChange: () => {} });
  await trust.start();
  const clock = systemClock(() => trust.state === 'yes');
  const state = new AuthorizationState({
    settings: config.authorization,
    dataFolder,
    gatewayId: await gatewayId({ configured: config.gateway.id, dataFolder, fileSystem: nodeFileSystem }),
    fileSystem: nodeFileSystem,
    clock,
    siteTime: new SiteTime(config.site.timezone),
    synchronization: () => trust.state,
    alarms: new Alarms({ clock, logger }),
    logger,
    boot: randomBytes(8).toString('hex'),
  });
  try {
    await state.open({ readOnly });
    yield* administerAuthorization(state, request);
  } finally {
    await state.close();
    trust.stop();
  }
}
