import type { CollectionName, IndexDefinition } from '../store/index.ts';
import { queryKeys } from './wire.ts';

const { serial, customer, machine, level } = queryKeys;
const base: CollectionName = { database: 'device_info', collection: 'device_base' };
const process: CollectionName = { database: 'device_info', collection: 'device_process' };
const errors: CollectionName = { database: 'device_info', collection: 'device_error_info' };
const authorizationLog: CollectionName = { database: 'device_info', collection: 'device_auth_log' };
const events: CollectionName = { database: 'gateway', collection: 'event' };
const rejected: CollectionName = { database: 'device_info', collection: 'rejected' };

const newest = [
  ['_time', -1],
  ['_seq', -1],
] as const;
/** Accepted last within a gateway is by `_seq`, between gateways by `_accepted`, else by `_received`. */
const acceptedLast = [
  ['_accepted', -1],
  ['_received', -1],
  ['_seq', -1],
] as const;

/** Every index of the centre, made at its start; `docs/central.md` lists the same, and a test compares them. */
export const centralIndexes: readonly IndexDefinition[] = [
  { ...base, name: 'serial_accepted', keys: [[serial, 1], ...acceptedLast] },
  {
    ...base,
    name: 'customer_serial',
    keys: [
      [customer, 1],
      [serial, 1],
    ],
  },
  { ...base, name: 'machine_accepted', keys: [[machine, 1], ...acceptedLast] },
  { ...base, name: 'customer_accepted', keys: [[customer, 1], ...acceptedLast] },
  { ...process, name: 'serial_newest', keys: [[serial, 1], ...newest] },
  { ...errors, name: 'serial_newest', keys: [[serial, 1], ...newest] },
  { ...errors, name: 'serial_level_newest', keys: [[serial, 1], [level, 1], ...newest] },
  { ...authorizationLog, name: 'serial_newest', keys: [[serial, 1], ...newest] },
  { ...events, name: 'gateway_newest', keys: [['_gateway', 1], ...newest] },
  { ...rejected, name: 'received', keys: [['_received', -1]] },
];
