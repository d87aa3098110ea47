export { administer, type SpoolRequest } from './administration.ts';
export { type FolderLock, lockFolder } from './lock.ts';
export type { LogStatus, LogVerification, Outcome } from './log.ts';
export type { LogReader } from './log-reader.ts';
export type { DecodedRecord, RecordPosition } from './record.ts';
export { Spool, type SpoolEvents, type SpoolOptions, type SpoolStatus } from './spool.ts';
export {
  asideNames,
  type Compression,
  type LaneName,
  type LogName,
  type LogOptions,
  laneNames,
  type NewReport,
  type ReportIdentity,
  type WhenFull,
} from './types.ts';
