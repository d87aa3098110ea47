import { accountIndexes } from '../accounts/index.ts';
import { machineCollection as machines, queryKeys } from '../documents/index.ts';
import type { CollectionName, IndexDefinition } from '../store/index.ts';
import { authorizationCollection, authorizationLogCollection as authorizationLog } from './authorization-record.ts';
import { pushCollection } from './control-push.ts';
import { deviceGatewayCollection } from './gateways.ts';

const { serial, customer, machine, level } = queryKeys;
const process: CollectionName = { database: 'device_info', collection: 'device_process' };
const errors: CollectionName = { database: 'device_info', collection: 'device_error_info' };
const events: CollectionName = { database: 'gateway', collection: 'event' };
const rejected: CollectionName = { database: 'device_info', collection: 'rejected' };

const newest = [
  ['_time', -1],
  ['_seq', -1],
] as const;

/** Every index of the centre, made at its start; `docs/central.md` lists the same, and a test compares them. */
export const centralIndexes: readonly IndexDefinition[] = [
  {
    ...machines,
    name: 'customer_serial',
    keys: [
      [customer, 1],
      [serial, 1],
    ],
  },
  {
    ...machines,
    name: 'machine_newest',
    keys: [
      [machine, 1],
      ['_order', -1],
      [customer, 1],
    ],
  },
  {
    ...machines,
    name: 'customer_newest',
    keys: [
      [customer, 1],
      ['_order', -1],
    ],
  },
  { ...process, name: 'serial_newest', keys: [[serial, 1], ...newest] },
  { ...errors, name: 'serial_newest', keys: [[serial, 1], ...newest] },
  { ...errors, name: 'serial_level_newest', keys: [[serial, 1], [level, 1], ...newest] },
  { ...authorizationCollection, name: 'serial', keys: [[serial, 1]] },
  { ...authorizationCollection, name: 'pending', keys: [['_pending', 1]] },
  {
    ...deviceGatewayCollection,
    name: 'serial_gateway',
    keys: [
      ['serial', 1],
      ['gateway', 1],
    ],
  },
  {
    ...deviceGatewayCollection,
    name: 'gateway_serial',
    keys: [
      ['gateway', 1],
      ['serial', 1],
    ],
  },
  {
    ...pushCollection,
    name: 'gateway_key_version',
    keys: [
      ['gateway', 1],
      ['key', 1],
      ['version', 1],
    ],
  },
  { ...authorizationLog, name: 'serial_newest', keys: [[serial, 1], ...newest] },
  { ...events, name: 'gateway_newest', keys: [['_gateway', 1], ...newest] },
  { ...rejected, name: 'received', keys: [['_received', -1]] },
  ...accountIndexes,
];
