/**
 * What is asked of the database, as a list: each query's filter and sort, and the index that serves both. The queries
 * take their collections and sorts from here; a test watches every call of theirs and compares it with this list, and
 * the list with the indexes.
 */
import type { CollectionName, IndexDefinition } from '../../../store/index.ts';
import { messageFields } from '../wire.ts';

/** Where the documents of the queries are (contracts/machines.md, 'Channels'); `machine` has one for each 序列号. */
export const machineCollection: CollectionName = { database: 'device_info', collection: 'machine' };
export const processCollection: CollectionName = { database: 'device_info', collection: 'device_process' };
export const errorCollection: CollectionName = { database: 'device_info', collection: 'device_error_info' };

/** The stored keys that queries look for. */
export const storedKeys = {
  serial: messageFields.base.serial.key,
  customer: messageFields.base.customer.key,
  name: messageFields.base.name.key,
  level: messageFields.error.level.key,
  description: messageFields.error.description.key,
  time: messageFields.base.time.key,
} as const;
const { serial, customer, name, level } = storedKeys;

type Sort = readonly (readonly [field: string, direction: 1 | -1])[];

/** Newest first (contracts/README.md, 'Stored documents'). */
export const newestFirst: Sort = [
  ['_time', -1],
  ['_seq', -1],
];
/** Accepted last first. */
export const acceptedLast: Sort = [['_order', -1]];
export const bySerial: Sort = [[serial, 1]];

/** A query of the database. */
export interface QueryShape {
  /** The path that asks it. */
  readonly path: string;
  readonly target: CollectionName;
  /** Fields that equal a value, or one of some. */
  readonly equal: readonly string[];
  /** Fields with a bound; none or the first of `sort`. */
  readonly range: readonly string[];
  /** Fields that are compared in the index after the sort: which machine has a customer's name. */
  readonly checked: readonly string[];
  readonly sort: Sort;
  /** Name of the index; `_id` for the one that every collection has. */
  readonly index: string;
}

const shape = (path: string, target: CollectionName, index: string, more: Partial<QueryShape>): QueryShape => ({
  path,
  target,
  index,
  equal: [],
  range: [],
  checked: [],
  sort: [],
  ...more,
});

/** Every query that the paths of `/deviceInfo` ask, with `distinct` as one that has neither sort nor bounds. */
export const queryShapes: readonly QueryShape[] = [
  shape('base/customer/names', machineCollection, 'customer_serial', {}),
  shape('base/customer/names', machineCollection, 'customer_serial', { equal: [customer] }),
  shape('base/customer/devices', machineCollection, 'customer_serial', { equal: [customer], sort: bySerial }),
  shape('base/customer/devices', machineCollection, 'customer_serial', {
    equal: [customer],
    range: [serial],
    sort: bySerial,
  }),
  shape('base/sn, process/sn, error/sn, auth/sn', machineCollection, '_id', { equal: ['_id'] }),
  shape('base/device', machineCollection, 'machine_newest', { equal: [name], sort: acceptedLast }),
  shape('base/device', machineCollection, 'machine_newest', { equal: [name], checked: [customer], sort: acceptedLast }),
  shape('base/device', machineCollection, 'customer_newest', { equal: [customer], sort: acceptedLast }),
  shape('process/sn', processCollection, 'serial_newest', { equal: [serial], sort: newestFirst }),
  shape('process/sn', processCollection, 'serial_newest', { equal: [serial], range: ['_time'], sort: newestFirst }),
  shape('error/sn', errorCollection, 'serial_newest', { equal: [serial], sort: newestFirst }),
  shape('error/sn', errorCollection, 'serial_level_newest', { equal: [serial, level], sort: newestFirst }),
];

/** The indexes that serve them; made at the centre and on the box. */
export const queryIndexes: readonly IndexDefinition[] = [
  {
    ...machineCollection,
    name: 'customer_serial',
    keys: [
      [customer, 1],
      [serial, 1],
    ],
  },
  { ...machineCollection, name: 'customer_newest', keys: [[customer, 1], ...acceptedLast] },
  { ...machineCollection, name: 'machine_newest', keys: [[name, 1], ...acceptedLast, [customer, 1]] },
  { ...processCollection, name: 'serial_newest', keys: [[serial, 1], ...newestFirst] },
  { ...errorCollection, name: 'serial_newest', keys: [[serial, 1], ...newestFirst] },
  { ...errorCollection, name: 'serial_level_newest', keys: [[serial, 1], [level, 1], ...newestFirst] },
];
