/**
 * What is kept beside the segments and could be found again only by reading them: saved now and then, so that a start
 * reads no more than the newest segments. Written aside, synced, renamed, and the folder synced.
 */
import { join } from 'node:path';
import { type FileSystem, replaceFile } from '../platform/index.ts';
import type { LogName } from './types.ts';

export interface Checkpoint {
  /** Window time and wall time in ms when it was made. */
  readonly windowMs: number;
  readonly wallMs: number;
  readonly clockTrusted: boolean;
  /** Per log: records in segments up to this epoch are covered by this checkpoint. */
  readonly epochs: Partial<Record<LogName, number>>;
  /** No record had this sequence yet. */
  readonly nextSequence: number;
  /** The last sequence of each channel and machine, keyed `channel/serial`. */
  readonly last: readonly (readonly [string, number])[];
  /** Totals of what was never accepted, by reason. */
  readonly counters: Readonly<Record<string, number>>;
}

const name = 'checkpoint';

/** The saved state; undefined when there is none that can be read. */
export function readCheckpoint(fileSystem: FileSystem, folder: string): Checkpoint | undefined {
  const path = join(folder, name);
  if (!fileSystem.exists(path)) return undefined;
  const file = fileSystem.open(path, 'read');
  try {
    const data = Buffer.alloc(file.size());
    const value: unknown = JSON.parse(data.toString('utf8', 0, file.read(data, 0)));
    return isCheckpoint(value) ? value : undefined;
  } catch {
    // Half a file is as good as none: the segments are read instead.
    return undefined;
  } finally {
    file.close();
  }
}

/** Resolves when the state is on the device. */
export function writeCheckpoint(fileSystem: FileSystem, folder: string, state: Checkpoint): Promise<void> {
  return replaceFile(fileSystem, join(folder, name), Buffer.from(JSON.stringify(state)));
}

function isCheckpoint(value: unknown): value is Checkpoint {
  if (typeof value !== 'object' || value === null) return false;
  const state = value as Partial<Checkpoint>;
  return (
    typeof state.windowMs === 'number' &&
    typeof state.wallMs === 'number' &&
    typeof state.clockTrusted === 'boolean' &&
    typeof state.nextSequence === 'number' &&
    typeof state.epochs === 'object' &&
    typeof state.counters === 'object' &&
    Array.isArray(state.last)
  );
}
