import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayConfig } from '../config/index.ts';
import { askGateway } from '../control-socket.ts';
import { type BoxState, centreUrl, enrolBox, parseCode, readFingerprint, type Trust } from '../enrolment/index.ts';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import { createLogger, nodeFileSystem, systemClock } from '../platform/index.ts';
import { type FolderLock, lockFolder, Spool } from '../spool/index.ts';
import { spoolOptions } from '../spool-options.ts';
import type { CommandContext } from './command.ts';
import { readPassword } from './password-input.ts';

/** `holdfast enrol https://CENTRE [CODE]`. */
export async function enrolThisBox(context: CommandContext): Promise<number> {
  const [address, word, ...rest] = context.words;
  if (address === undefined) throw new HoldfastError('usage', "enrol needs the centre's address, or --new");
  if (rest.length > 0) throw new HoldfastError('usage', 'enrol takes the address of the centre and one code');
  const centre = centreUrl(address);
  const trust = readTrust(context);
  const { config } = context.loadConfig();
  const code = parseCode(word ?? (await readPassword(context.input, () => context.printError('Code (not shown):'))));
  if (code === undefined) {
    throw new HoldfastError('usage', 'that is no enrolment code, or it was mistyped; nothing was sent');
  }
  const { state, release } = await lookAtBox(context, config);
  try {
    const { gateway, before } = await enrolBox({
      centre,
      code,
      trust,
      dataFolder: context.dataFolder,
      fileSystem: nodeFileSystem,
      configuredId: config.gateway.id,
      state,
      force: context.flag('force'),
    });
    context.print(`enrolled as ${gateway}${before === undefined ? '' : ` (before: ${before})`}`);
    if (state.running) context.print('the gateway runs: restart it, then it goes by this');
  } finally {
    await release();
  }
  if (config.upstream.url !== undefined) {
    context.printError('holdfast: warning: upstream.url of the configuration goes before what the centre gave');
  }
  return 0;
}

function readTrust(context: CommandContext): Trust {
  const ca = context.option('ca');
  const fingerprint = context.option('fingerprint');
  if (ca !== undefined && fingerprint !== undefined) {
    throw new HoldfastError('usage', 'give --ca or --fingerprint, not both');
  }
  if (fingerprint !== undefined) return { fingerprint: readFingerprint(fingerprint) };
  if (ca === undefined) return {};
  try {
    return { ca: readFileSync(ca) };
  } catch (error) {
    throw new HoldfastError('usage', `--ca: ${ca} cannot be read`, error);
  }
}

/** How the box stands; a stopped one is kept stopped until `release`. */
async function lookAtBox(
  { dataFolder }: CommandContext,
  config: GatewayConfig,
): Promise<{ state: BoxState; release: () => Promise<void> }> {
  const folder = join(dataFolder, 'spool');
  const isNew = !nodeFileSystem.exists(folder);
  const stateOf = (running: boolean, totals: { pending: number; quarantined: number; delivered: number }) => ({
    running,
    waiting: totals.pending + totals.quarantined,
    hasSent: totals.delivered > 0 || config.upstream.url !== undefined,
  });
  let lock: FolderLock;
  try {
    lock = lockFolder(folder);
  } catch (error) {
    if (!isHoldfastError(error, 'spool-locked')) throw error;
    for await (const totals of askGateway(dataFolder, { action: 'status' })) {
      return { state: stateOf(true, totals as Parameters<typeof stateOf>[1]), release: async () => {} };
    }
    throw new HoldfastError('gateway-unreachable', 'the gateway did not say how its spool stands; try again');
  }
  if (isNew) {
    const nothing = { pending: 0, quarantined: 0, delivered: 0 };
    return { state: stateOf(false, nothing), release: async () => lock.release() };
  }
  const logger = createLogger('warn', 2);
  const options = { ...spoolOptions(config, folder), fileSystem: nodeFileSystem, clock: systemClock(), logger };
  const spool = new Spool(options);
  const release = async () => {
    await spool.close();
    lock.release();
  };
  try {
    await spool.open();
    return { state: stateOf(false, spool.status), release };
  } catch (error) {
    await release();
    throw error;
  }
}
