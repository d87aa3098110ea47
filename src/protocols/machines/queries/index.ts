export { createAsks } from './asks.ts';
export type { AuthorizationChange, AuthorizationRecords } from './authorization-records.ts';
export { defaultQueryLimits, Gate, type QueryLimits } from './gate.ts';
export { MachineQueries, type QueriedStore } from './machine-queries.ts';
export { type QueryRoutesOptions, queryRoutes } from './routes.ts';
export {
  errorCollection,
  machineCollection,
  processCollection,
  type QueryShape,
  queryIndexes,
  queryShapes,
} from './shapes.ts';
export { type AskWithin, askWithin, type WithinAnswer } from './within.ts';
