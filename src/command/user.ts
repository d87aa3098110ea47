import { join } from 'node:path';
import {
  Accounts,
  type AccountsRequest,
  accountIndexes,
  administerAccounts,
  hashPassword,
  wirePassword,
} from '../accounts/index.ts';
import { boxAccountsFolder } from '../box-queries.ts';
import { openCentralStore } from '../central/index.ts';
import { type GatewayConfig, redactUrl } from '../config/index.ts';
import { askGateway, controlSocketPath } from '../control-socket.ts';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import { nodeFileSystem, SiteTime, silentLogger, systemClock } from '../platform/index.ts';
import { type RoleName, roles } from '../protocols/machines/index.ts';
import { lockFolder } from '../spool/index.ts';
import { type DocumentStore, SqliteDocumentStore } from '../store/index.ts';
import type { Command, CommandContext } from './command.ts';
import { unknown } from './parse.ts';
import { readPassword } from './password-input.ts';

const actions = ['add', 'list', 'passwd', 'remove', 'hash'];
/** English and the contract's own words. */
const roleNames: Readonly<Record<string, RoleName>> = {
  viewer: 'viewer',
  [roles.viewer]: 'viewer',
  authorizer: 'authorizer',
  [roles.authorizer]: 'authorizer',
};

/** `holdfast user`: accounts of people, at the centre or on a box, and hashes for machines' credentials. */
export const command: Command = {
  summary: 'Accounts of people who query; and hashes of passwords for the configuration',
  usage: 'add NAME [--customer C]… [--role ROLE] | list | passwd NAME | remove NAME | hash',
  options: {
    customer: {
      type: 'string',
      value: 'C',
      many: true,
      description: 'add: a customer to be seen; again for more; * for all',
    },
    role: {
      type: 'string',
      value: 'ROLE',
      description: `add: viewer (${roles.viewer}, the default) or authorizer (${roles.authorizer})`,
    },
    central: { type: 'boolean', description: "the centre's accounts, whatever the configuration says" },
    gateway: { type: 'boolean', description: "the box's own accounts, whatever the configuration says" },
    json: { type: 'boolean', description: 'list: one JSON object a line' },
  },
  details: [
    'Works while the gateway or the centre runs and while it is stopped. Whose accounts they are is said on standard',
    "error: the centre's where central.mongodb or central.embedded is configured, else the box's in --data. What is",
    'changed at the centre reaches the gateways within seconds.',
    'add, passwd   ask for the password without showing it, or read one line of standard input',
    'remove        ends the sessions of the account, as passwd does',
    'hash          prints the hash of a password, to be put into mqtt.clients in place of the password',
  ].join('\n'),
  async run(context) {
    const [action, name, ...rest] = context.words;
    if (action === undefined) throw new HoldfastError('usage', `user needs an action: ${actions.join(', ')}`);
    if (!actions.includes(action)) throw unknown('action', action, actions);
    const takesName = action !== 'list' && action !== 'hash';
    // As a word, a password would stand in the shell's history and in the list of processes.
    if (rest.length > 0 || (!takesName && name !== undefined)) {
      throw new HoldfastError('usage', 'the password is not given as a word; it is asked for');
    }
    if (action === 'hash') {
      context.print(await hashPassword(await readPassword(context.input, context.printError)));
      return 0;
    }
    if (takesName && name === undefined)
      throw new HoldfastError('usage', `user ${action} needs the name of an account`);
    const { config } = context.loadConfig();
    const isCentral = atCentre(context, config);
    const request = await readRequest(context, action, name ?? '', config);
    const answers = isCentral ? centralAnswers(context, config, request) : boxAnswers(context, config, request);
    for await (const item of answers) context.print(context.flag('json') ? JSON.stringify(item) : readable(item));
    return 0;
  },
};

function atCentre(context: CommandContext, { central }: GatewayConfig): boolean {
  const [asCentral, asGateway] = [context.flag('central'), context.flag('gateway')];
  if (asCentral && asGateway) throw new HoldfastError('usage', '--central and --gateway exclude each other');
  return asCentral || (!asGateway && (central.mongodb !== undefined || central.embedded !== undefined));
}

async function readRequest(
  context: CommandContext,
  action: string,
  name: string,
  { accounts }: GatewayConfig,
): Promise<AccountsRequest> {
  const room = 'accounts';
  if (action === 'list' || action === 'remove') return action === 'list' ? { room, action } : { room, action, name };
  const word = context.option('role') ?? 'viewer';
  const role = Object.hasOwn(roleNames, word) ? roleNames[word] : undefined;
  if (role === undefined) throw unknown('role', word, Object.keys(roleNames));
  const customers = context.option('customer')?.split('\n') ?? [];
  if (action === 'add' && customers.length === 0) {
    context.printError('holdfast: warning: without --customer this account sees no machine');
  }
  const plain = await readPassword(context.input, context.printError);
  const password = wirePassword(plain, accounts.machineHash);
  if (action === 'passwd') return { room, action, name, password };
  return { room, action: 'add', name, password, customers, role };
}

/** The database itself; documents in a folder belong to the running centre, when there is one, and it is asked. */
async function* centralAnswers(
  { dataFolder, printError }: CommandContext,
  config: GatewayConfig,
  request: AccountsRequest,
): AsyncGenerator<object> {
  const { central } = config;
  const place = central.mongodb === undefined ? central.embedded : redactUrl(central.mongodb);
  printError(`accounts of the centre in ${place}`);
  if (central.embedded !== undefined && nodeFileSystem.exists(controlSocketPath(dataFolder))) {
    try {
      yield* askGateway(dataFolder, request);
      return;
    } catch (error) {
      // A socket that a killed centre left behind: its documents are free.
      if (!isHoldfastError(error, 'gateway-unreachable')) throw error;
    }
  }
  yield* direct(openCentralStore(central, { logger: silentLogger }), config, request);
}

/** From the box's store when nobody has the box open, else from the gateway that has. */
async function* boxAnswers(
  { dataFolder, printError }: CommandContext,
  config: GatewayConfig,
  request: AccountsRequest,
): AsyncGenerator<object> {
  printError(`accounts of the gateway in ${dataFolder}`);
  let lock: ReturnType<typeof lockFolder>;
  try {
    lock = lockFolder(join(dataFolder, 'spool'));
  } catch (error) {
    if (!isHoldfastError(error, 'spool-locked')) throw error;
    yield* askGateway(dataFolder, request);
    return;
  }
  try {
    yield* direct(new SqliteDocumentStore({ folder: boxAccountsFolder(dataFolder) }), config, request);
  } finally {
    lock.release();
  }
}

async function* direct(
  store: DocumentStore,
  { site }: GatewayConfig,
  request: AccountsRequest,
): AsyncGenerator<object> {
  await store.start();
  try {
    await store.ensureIndexes(accountIndexes);
    const accounts = new Accounts({ store, clock: systemClock(), siteTime: new SiteTime(site.timezone) });
    yield* administerAccounts(accounts, request);
  } finally {
    await store.stop();
  }
}

function readable(item: object): string {
  const { name, customers, role, origin, updatedAt, done } = item as Record<string, unknown>;
  const parts = [
    name,
    role,
    Array.isArray(customers) ? customers.join(', ') || 'no customers' : undefined,
    origin === undefined ? undefined : `from ${origin}, changed ${updatedAt}`,
    done,
  ];
  return parts.filter((part) => part !== undefined).join('  ');
}
