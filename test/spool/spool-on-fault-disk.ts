import { silentLogger } from '../../src/platform/index.ts';
import {
  asideNames,
  type LogName,
  type LogOptions,
  laneNames,
  Spool,
  type SpoolOptions,
} from '../../src/spool/index.ts';
import type { DecodedRecord } from '../../src/spool/record.ts';
import { FaultFileSystem } from '../support/fault-file-system.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Random } from '../support/random.ts';

export const smallSegmentBytes = 64 * 1024;

export function allLogs(options: Partial<LogOptions> = {}): Record<LogName, LogOptions> {
  const log: LogOptions = { quotaBytes: 64 * smallSegmentBytes, whenFull: 'reject', syncEveryMs: 0, ...options };
  return Object.fromEntries([...laneNames, ...asideNames].map((name) => [name, log])) as Record<LogName, LogOptions>;
}

export interface Fixture {
  readonly fileSystem: FaultFileSystem;
  readonly clock: ManualClock;
  readonly spool: Spool;
}

/** A spool on a disk in memory, open. */
export async function openSpool(
  changes: Partial<SpoolOptions> = {},
  fileSystem = new FaultFileSystem(new Random(1)),
  clock = new ManualClock(),
): Promise<Fixture> {
  const spool = new Spool({
    folder: '/data/spool',
    fileSystem,
    clock,
    logger: silentLogger,
    segmentBytes: smallSegmentBytes,
    logs: allLogs(),
    repeatWindow: { durationMs: 600_000, capacity: 4096 },
    indexed: { channel: 'base', lane: 'state' },
    ...changes,
  });
  await spool.open();
  return { fileSystem, clock, spool };
}

export function report(payload: string | Buffer, channel = 'process', serial = 'M1') {
  return { channel, serial, payload: Buffer.from(payload) };
}

/** All open records of a log. */
export async function readAll(spool: Spool, log: LogName): Promise<DecodedRecord[]> {
  const reader = spool.createReader(log);
  const all: DecodedRecord[] = [];
  for (let some = await reader.read(100); some.length > 0; some = await reader.read(100)) all.push(...some);
  reader.close();
  return all;
}

export async function turns(count = 10): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
