/**
 * Reports as stored documents (contracts/README.md, 'Stored documents'), and the registry of machines: what the centre
 * and the queries of a box share.
 */
export { type Origin, type TimeReader, toDocument } from './documents.ts';
export {
  compareBase,
  MachineRegistry,
  type MachineRegistryOptions,
  machineCollection,
  registryDocument,
  type StoredBase,
} from './machine-registry.ts';
export { queryKeys, timeKeyOf } from './wire.ts';
