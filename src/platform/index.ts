export {
  type CertificateMaterial,
  certificateFingerprint,
  contextOptions,
  judge,
  minimumTlsVersion,
} from './certificate-material.ts';
export {
  type CertificateAlarms,
  type CertificatePaths,
  Certificates,
  type CertificatesOptions,
  expiryWarningMs,
  type WatchedCertificate,
} from './certificates.ts';
export { boundClock, type Clock, systemClock, type Timer } from './clock.ts';
export { type ClockSynchronization, ClockTrust } from './clock-trust.ts';
export { type FileSystem, nodeFileSystem, type OpenFile } from './file-system.ts';
export { GroupQueue } from './group-queue.ts';
export { IdleMemory } from './idle-memory.ts';
export { Journal, type JournalOpening, type JournalOptions, maxChangeBytes } from './journal.ts';
export { createLogger, type Logger, type LogLevel, logLevels, silentLogger } from './logger.ts';
export { replaceFile } from './replace-file.ts';
export { liveInZone, SiteTime } from './site-time.ts';
export { syncFolders } from './sync-folders.ts';
export { Turns } from './turns.ts';
