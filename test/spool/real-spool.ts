/** Spools in a temporary folder on the real file system, and hands to damage them with. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { nodeFileSystem, silentLogger } from '../../src/platform/index.ts';
import { type Compression, type LogName, Spool } from '../../src/spool/index.ts';
import type { DecodedRecord } from '../../src/spool/record.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { allLogs, readAll, report, smallSegmentBytes } from './spool-on-fault-disk.ts';

export interface RealSpool {
  readonly folder: string;
  spool: Spool;
  /** Losses that were reported, in all. */
  lost: number;
  path(name: string): string;
  open(): Promise<void>;
  /** Appends `count` reports of 1,000 bytes to the lane `process`. */
  append(count: number): Promise<void>;
  read(log?: LogName): Promise<DecodedRecord[]>;
}

/** As after kill -9: nobody closes the spools that are opened here; each `open` is a new process. */
export async function makeRealSpool(compression: Compression = 'off'): Promise<RealSpool> {
  const folder = join(temporaryFolder('spool-').path, 'spool');
  const made: RealSpool = {
    folder,
    spool: undefined as never,
    lost: 0,
    path: (name) => join(folder, name),
    async open() {
      made.spool = new Spool({
        folder,
        fileSystem: nodeFileSystem,
        clock: new ManualClock(),
        logger: silentLogger,
        segmentBytes: smallSegmentBytes,
        logs: allLogs(),
        compression,
        repeatWindow: { durationMs: 600_000, capacity: 1024 },
        indexed: { channel: 'base', lane: 'state' },
        events: {
          onDamage: (_log, _path, count) => {
            made.lost += count;
          },
        },
      });
      await made.spool.open();
    },
    async append(count) {
      for (let index = 0; index < count; index++) {
        const { spool } = made;
        const { nextSequence } = spool;
        await spool.append('process', report(`${nextSequence} `.padEnd(1000, '.')));
      }
    },
    read: (log = 'process') => readAll(made.spool, log),
  };
  await made.open();
  return made;
}

export function sequences(records: readonly DecodedRecord[]): number[] {
  for (const { sequence, payload } of records) {
    if (Number.parseInt(payload.toString('latin1'), 10) !== sequence)
      throw new Error(`${sequence} has another's bytes`);
  }
  return records.map(({ sequence }) => sequence);
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** Changes bytes of a file in place. */
export function patch(path: string, at: number, change: (bytes: Buffer) => void, length = 1): void {
  const descriptor = fs.openSync(path, 'r+');
  try {
    const bytes = Buffer.alloc(length);
    fs.readSync(descriptor, bytes, 0, length, at);
    change(bytes);
    fs.writeSync(descriptor, bytes, 0, length, at);
  } finally {
    fs.closeSync(descriptor);
  }
}

export function flipBit(path: string, at: number): void {
  patch(path, at, (bytes) => {
    bytes[0]! ^= 0x10;
  });
}
