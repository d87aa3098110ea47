/** The lanes that reports are accepted into, most urgent first (contracts/machines.md). */
export const laneNames = ['alarm', 'state', 'process', 'bulk'] as const;
export type LaneName = (typeof laneNames)[number];

/**
 * Logs beside the lanes: reports that the centre refuses for now, reports that it refused for good, and copies of
 * messages that were never accepted.
 */
export const asideNames = ['deferred', 'quarantine', 'refused'] as const;
export type LogName = LaneName | (typeof asideNames)[number];

/** A report to be stored. */
export interface NewReport {
  /** 1 to 64 characters of `[A-Za-z0-9_-]`. */
  readonly channel: string;
  /** 序列号 of the machine; 1 to 64 characters of `[A-Za-z0-9_-]`. */
  readonly serial: string;
  /** Byte for byte as received. */
  readonly payload: Uint8Array;
  /**
   * Who gave it a name of its own and which, `<client>/<id>`, at most 129 ASCII characters: the same origin is the same
   * report, whatever its bytes. undefined: its bytes alone tell a repeat.
   */
  readonly origin?: string | undefined;
}

/** What became of a report: it waits for the centre, which has it, or refused it for good; or it was given up for room. */
export type ReportFate = 'waiting' | 'delivered' | 'quarantined' | 'given-up';

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

/** What a lane does when its quota is used up: refuse new reports, or give up the oldest ones. */
export type WhenFull = 'reject' | 'dropOldest';

/** How a log is kept. */
export interface LogOptions {
  /** Bytes on disk at most, over all segments. */
  readonly quotaBytes: number;
  readonly whenFull: WhenFull;
  /** 0: every group is synced at once. Else reports wait up to so long, so that fewer syncs wear the flash. */
  readonly syncEveryMs: number;
}

/**
 * Whether records that are written together are compressed as one. `auto`: when the device is so slow that the time for it
 * does not matter beside the sync; it spares the flash.
 */
export type Compression = 'auto' | 'off' | 'always';
