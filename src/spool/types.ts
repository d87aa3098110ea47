/** The lanes that reports are accepted into, most urgent first (contracts/machines.md). */
export const laneNames = ['alarm', 'state', 'process', 'bulk'] as const;
export type LaneName = (typeof laneNames)[number];

/** Logs of the spool that reports are moved into: refused for now, and refused for good. */
export const asideNames = ['deferred', 'quarantine'] as const;
export type LogName = LaneName | (typeof asideNames)[number];

/** A report to be stored. */
export interface NewReport {
  /** 1 to 64 characters of `[A-Za-z0-9_-]`. */
  readonly channel: string;
  /** 序列号 of the machine; 1 to 64 characters of `[A-Za-z0-9_-]`. */
  readonly serial: string;
  /** Byte for byte as received. */
  readonly payload: Uint8Array;
}

/** Who a report is, for ever: given at acceptance, kept when it is moved aside and back. */
export interface ReportIdentity {
  /** One counter of the whole gateway over all lanes, from 1, never reused. */
  readonly sequence: number;
  /** 64 random bits drawn at each start of the process, as 16 hex digits. */
  readonly boot: string;
  /** Microseconds of the process's monotonic clock; comparable within one `boot`. */
  readonly monotonicUs: number;
  /** Wall time in ms since 1970 UTC. */
  readonly wallMs: number;
  /** Whether the wall clock was synchronized then. */
  readonly clockTrusted: boolean;
  /** Sequence of the report before it of the same channel and serial; undefined when none is known. */
  readonly previous: number | undefined;
}

/** A report read back from a log. */
export interface StoredReport extends NewReport, ReportIdentity {
  readonly payload: Buffer;
  /** The log it was read from and its place there, counted from 0 since the log was made; the handle for `acknowledge`. */
  readonly log: LogName;
  readonly ordinal: number;
}
