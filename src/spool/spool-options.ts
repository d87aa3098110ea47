import type { Clock, FileSystem, Logger } from '../platform/index.ts';
import type { Compression, LaneName, LogName, LogOptions } from './types.ts';

/** What a spool is made of, and how it is kept. */
export interface SpoolOptions {
  readonly folder: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Size of a segment file in bytes: 64 KiB to 256 MiB, a multiple of 4096. */
  readonly segmentBytes: number;
  /** No new segment is begun when less than this would stay free on the file system (0). */
  readonly freeReserveBytes?: number;
  readonly logs: Readonly<Record<LogName, LogOptions>>;
  /** Off when left out. */
  readonly compression?: Compression;
  /** How long the same report sent again is recognised, and how many are remembered. */
  readonly repeatWindow: { readonly durationMs: number; readonly capacity: number };
  /** The same of reports with an `origin` (24 h, 262,144). */
  readonly originWindow?: { readonly durationMs: number; readonly capacity: number };
  /** The channel whose waiting reports are indexed by machine, and its lane. */
  readonly indexed: { readonly channel: string; readonly lane: LaneName };
  /** How many machines and channels are remembered for `previous` (20,000). */
  readonly machines?: number;
  readonly events?: SpoolEvents;
}

/** What happens to reports without being asked for. */
export interface SpoolEvents {
  /** A group of records of this log has reached the device. */
  onStored?(log: LogName): void;
  /** The oldest `count` reports of a log were given up for room. */
  onEvicted?(log: LogName, count: number): void;
  /** A part of a log could not be read: `count` reports are lost with it; what could be read of it is in `damaged`. */
  onDamage?(log: LogName, path: string, count: number): void;
  /** A report with an `origin` was put into the quarantine. */
  onQuarantined?(origin: string): void;
}
