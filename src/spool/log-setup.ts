import type { Clock, FileSystem, Logger } from '../platform/index.ts';
import type { RecordContent } from './record.ts';
import type { Damage } from './segment-reader.ts';
import type { Compression, LogName, LogOptions } from './types.ts';

/** What a log is made of, and how it is kept. */
export interface LogSetup {
  readonly name: LogName;
  readonly folder: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly host: LogHost;
  readonly options: LogOptions;
  readonly segmentBytes: number;
  readonly freeReserveBytes: number;
  readonly compression: Compression;
}

/** What a log tells the spool. */
export interface LogHost {
  nextSequence(): number;
  /** Called before segments up to `epoch` are overwritten or removed: what is known of their records must be safe. */
  beforeReuse(log: LogName, epoch: number): Promise<void>;
  /** Called before segments are freed that hold records whose first log may not have given them up for good. */
  settleMoves(): Promise<void>;
  /** Called before it is written what is done: what else must be known of that goes first. */
  beforeCursor(): void;
  /** The oldest `count` records were given up for room; all before `endOrdinal` are done now. */
  onEvicted(log: LogName, count: number, endOrdinal: number): void;
  /** A range of a segment could not be read; `count` records are lost with it. */
  onDamage(log: LogName, path: string, damage: (Damage & { epoch: number }) | undefined, count: number): void;
  onRefused(contents: readonly RecordContent[]): void;
  onWritten(log: LogName, bytes: number): void;
  /** A segment was begun: a good time to save what is kept beside the log. */
  onSegmentStarted(log: LogName, epoch: number): void;
}
