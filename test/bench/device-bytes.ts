/**
 * How many bytes reach the device for each byte of payload: the spool and node:sqlite on an ext4 file system of their
 * own, on a loop device, whose line of /proc/diskstats counts everything, the journal of the file system included.
 * Started by spool-append.ts inside a mount name space of its own, with `--folder` to work in; prints one line of JSON.
 *
 * `--no-mount`, for who may not mount: what the spool itself says that it has written, without the file system's own
 * writes and without SQLite. (`write_bytes` of /proc/self/io counts whole folios of the page cache: far too much.)
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Spool } from '../../src/spool/index.ts';
import { mountOf, writtenToDevice } from './support/machine.ts';
import { append, openSpool, payloadBytes, Reports, recycle } from './support/spool.ts';
import { SqliteQueue } from './support/sqlite.ts';

export interface DeviceBytes {
  readonly method: string;
  /** By the number of producers. */
  readonly bytesPerByte: Readonly<Record<string, { recycled: number; fresh: number; sqlite?: number }>>;
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    'no-mount': { type: 'boolean' },
    // The starter's, which removes it: this process may end by a signal with the image in place.
    folder: { type: 'string', default: '' },
  },
});
const imageBytes = 2 * 1024 ** 3;
const place = join(values.folder, 'mount');
mkdirSync(place, { recursive: true });
if (!values['no-mount']) mountImage();
const { number } = mountOf(place);

const bytesPerByte: Record<string, { recycled: number; fresh: number; sqlite?: number }> = {};
for (const [producers, full] of [
  [1, 15_000],
  [16, 150_000],
  [256, 500_000],
] as const) {
  const count = values.quick ? full / 25 : full;
  const folder = join(place, String(producers));
  mkdirSync(folder);
  const fresh = await ofSpool(join(folder, 'fresh'), producers, count, false);
  const recycled = await ofSpool(join(folder, 'recycled'), producers, count, true);
  bytesPerByte[producers] = { recycled, fresh };
  if (!values['no-mount']) bytesPerByte[producers].sqlite = ofSqlite(join(folder, 'sqlite'), producers, count);
}
const method = values['no-mount']
  ? "the spool's own count (the file system's own writes are missing: it could not be given one of its own)"
  : '/proc/diskstats of an ext4 file system of its own';
if (!values['no-mount']) execFileSync('umount', [place]);
console.log(JSON.stringify({ method, bytesPerByte } satisfies DeviceBytes));

async function ofSpool(folder: string, producers: number, count: number, isRecycled: boolean): Promise<number> {
  const spool = await openSpool(folder);
  if (isRecycled) await recycle(spool);
  const before = writtenBytes(spool);
  const goOn = (begun: number) => begun < count;
  const done = await append(spool, { producers, goOn, acknowledge: isRecycled });
  const written = writtenBytes(spool) - before;
  await spool.close();
  return written / (done * payloadBytes);
}

function ofSqlite(path: string, producers: number, count: number): number {
  const queue = new SqliteQueue(path);
  const group = new Reports().take(producers);
  const before = writtenBytes();
  for (let done = 0; done < count; done += producers) queue.insert(group);
  const written = writtenBytes() - before;
  queue.close();
  return written / (count * payloadBytes);
}

/** Everything that waits in memory is written first, or it would be counted for whoever comes next. */
function writtenBytes(spool?: Spool): number {
  if (values['no-mount']) return spool!.status.writtenBytes;
  execFileSync('sync', ['-f', place]);
  return writtenToDevice(number)!;
}

function mountImage(): void {
  const image = join(values.folder, 'image');
  writeFileSync(image, '');
  truncateSync(image, imageBytes);
  // Without laziness: the kernel would go on writing empty tables in the background, and be counted.
  execFileSync('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
  execFileSync('mount', ['-o', 'loop', image, place]);
}
