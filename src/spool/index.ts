export { administer, type SpoolRequest } from './administration.ts';
export type { Outcome } from './cursor-file.ts';
export { type FolderLock, lockFolder } from './lock.ts';
export type { LogReader } from './log-reader.ts';
export { asideReason, readAsideReason } from './put-aside.ts';
export type { DecodedRecord, RecordPosition } from './record.ts';
export { Spool } from './spool.ts';
export type { SpoolEvents, SpoolOptions } from './spool-options.ts';
export type { LogStatus, SpoolStatus } from './status.ts';
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
export type { LogVerification } from './verification.ts';
