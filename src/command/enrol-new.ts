import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  administerEnrolment,
  type EnrolmentControlRequest,
  type IssuedCode,
  openCentralStore,
  signingKey,
} from '../central/index.ts';
import { type GatewayConfig, isLoopbackHost, namePattern, parseDuration } from '../config/index.ts';
import { askGateway, controlSocketPath } from '../control-socket.ts';
import type { EnrolmentSettings } from '../enrolment/index.ts';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import { certificateFingerprint, judge, nodeFileSystem, silentLogger, systemClock } from '../platform/index.ts';
import { parseBrokerUrl } from '../uplink/index.ts';
import type { CommandContext } from './command.ts';
import { readPassword } from './password-input.ts';

const minuteMs = 60_000;
const longestMs = 30 * 24 * 60 * minuteMs;

/** `holdfast enrol --new`. */
export async function makeCode(context: CommandContext): Promise<number> {
  const valid = context.option('valid') ?? '24h';
  const validForMs = parseDuration(valid);
  if (validForMs === undefined || validForMs < minuteMs || validForMs > longestMs) {
    throw new HoldfastError('usage', `--valid: "${valid}" is no duration from 1m to 30d`);
  }
  const { config } = context.loadConfig();
  const settings = await readSettings(context, config);
  const request: EnrolmentControlRequest = { room: 'enrolment', action: 'issue', settings, validForMs };
  const { code, until } = await issue(context, config, request);
  const { tls, port } = config.central.http;
  const fingerprint = tls && certificateFingerprint(readFileSync(tls.certificate));
  context.print(code);
  context.printError(`good once, until ${until}${settings.gateway === undefined ? '' : `, for ${settings.gateway}`}`);
  const pinned = fingerprint === undefined ? '' : ` --fingerprint ${fingerprint}`;
  context.printError(`on the box: holdfast enrol https://THIS-HOST:${port}${pinned}`);
  if (fingerprint === undefined) {
    context.printError('holdfast: warning: central.http.tls is not set: a box enrols over https only');
  }
  return 0;
}

/** By the centre that runs on this data folder, when one does and its documents are its own; else by ourselves. */
async function issue(
  { dataFolder }: CommandContext,
  config: GatewayConfig,
  request: EnrolmentControlRequest,
): Promise<IssuedCode> {
  if (config.central.embedded !== undefined && nodeFileSystem.exists(controlSocketPath(dataFolder))) {
    try {
      for await (const item of askGateway(dataFolder, request)) return item as IssuedCode;
    } catch (error) {
      // A socket that a killed centre left behind: its documents are free.
      if (!isHoldfastError(error, 'gateway-unreachable')) throw error;
    }
  }
  const store = openCentralStore(config.central, { logger: silentLogger });
  await store.start();
  try {
    for await (const item of administerEnrolment({ store, clock: systemClock() }, request)) return item;
  } finally {
    await store.stop();
  }
  throw new HoldfastError('database-unreachable', 'the centre made no code; try again');
}

async function readSettings(context: CommandContext, config: GatewayConfig): Promise<EnrolmentSettings> {
  const gateway = context.option('gateway');
  if (gateway !== undefined && !namePattern.test(gateway)) {
    throw new HoldfastError('usage', `--gateway: "${gateway}" is not 1 to 64 of the characters A-Z a-z 0-9 _ -`);
  }
  const url = await readUpstream(context);
  const file = (name: string, fallback?: string) => {
    const path = context.option(name) ?? fallback;
    try {
      return path === undefined ? undefined : readFileSync(path, 'utf8');
    } catch (error) {
      throw new HoldfastError('usage', `--${name}: ${path} cannot be read`, error);
    }
  };
  const material = {
    ca: file('upstream-ca', config.central.brokerTls.ca),
    certificate: file('upstream-certificate'),
    key: file('upstream-key'),
  };
  const { problem } = judge(material, '--upstream');
  if (problem !== undefined) throw new HoldfastError('usage', problem.replace('--upstream.', '--upstream-'));
  return { gateway, url, ...material, centreKey: await knownKey(context, config) };
}

async function readUpstream(context: CommandContext): Promise<string> {
  const text = context.option('upstream');
  if (text === undefined) throw new HoldfastError('usage', 'enrol --new needs --upstream: what the box connects to');
  const { secure, username, password } = parseBrokerUrl(text, { url: '--upstream', tls: '--upstream' });
  const url = new URL(text);
  if (!secure && !isLoopbackHost(url.hostname)) {
    context.printError('holdfast: warning: --upstream: reports and the password will cross the network without TLS');
  }
  if (username === undefined || password !== undefined) return text;
  const asked = await readPassword(context.input, () => context.printError(`Password of ${username} (not shown):`));
  url.password = encodeURIComponent(asked);
  return url.href;
}

/** The public half of the key that grants are signed with; undefined where the centre has not been started yet. */
async function knownKey({ dataFolder }: CommandContext, { central }: GatewayConfig): Promise<string | undefined> {
  const isMade = nodeFileSystem.exists(join(dataFolder, 'secrets', 'grant-signing.key'));
  if (central.signingKey === undefined && !isMade) return undefined;
  const sources = { configured: central.signingKey, dataFolder, fileSystem: nodeFileSystem };
  return (await signingKey(sources)).publicPem;
}
