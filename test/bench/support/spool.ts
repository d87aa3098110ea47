/** The spool as the gateway has it, without the gateway. */
import { loadConfig } from '../../../src/config/index.ts';
import { nodeFileSystem, silentLogger, systemClock } from '../../../src/platform/index.ts';
import { type NewReport, Spool, type SpoolEvents } from '../../../src/spool/index.ts';
import { spoolOptions } from '../../../src/spool-options.ts';
import { firstLayer, sampleReport } from './body.ts';

/** The lane that all of it happens in. */
export const lane = 'process';
export const payloadBytes = 512;
const channel = 'device_process_info';

/** Opens a spool with the options of a gateway without a configuration file. */
export async function openSpool(folder: string, events: SpoolEvents = {}): Promise<Spool> {
  const { config } = loadConfig({ file: undefined, environment: {} });
  const spool = new Spool({
    ...spoolOptions(config, folder),
    fileSystem: nodeFileSystem,
    clock: systemClock(),
    logger: silentLogger,
    events,
  });
  await spool.open();
  return spool;
}

/** Reports of 512 bytes of some machines in turn, each different. */
export class Reports {
  readonly #templates = Array.from({ length: 16 }, (_, index) => sampleReport(`machine-${index}`, payloadBytes));
  #next = 0;

  next(): NewReport {
    const number = this.#next++;
    const machine = number % this.#templates.length;
    const { body, at } = this.#templates[machine]!;
    const payload = Buffer.from(body);
    payload.write(String(firstLayer + number), at, 'latin1');
    return { channel, serial: `machine-${machine}`, payload };
  }

  take(count: number): NewReport[] {
    return Array.from({ length: count }, () => this.next());
  }
}

/**
 * Appends from `producers` at once, each its next report when the last one is on the device, until `goOn` says no;
 * returns how many. With `acknowledge`, each is done as soon as it is stored: then segments become free and are used
 * again, which is how a box with a working uplink runs.
 */
export async function append(
  spool: Spool,
  options: { producers: number; goOn: (done: number) => boolean; acknowledge: boolean },
): Promise<number> {
  const { producers, goOn, acknowledge } = options;
  // Prepared, so that making reports is no part of it; the spool copies what it is given.
  const reports = new Reports().take(1024);
  let done = 0;
  let begun = 0;
  const produce = async () => {
    while (goOn(begun)) {
      const sequence = await spool.append(lane, reports[begun++ % reports.length]!);
      done++;
      // One lane alone is in use since the spool was made, so its ordinals are the sequences, from 0.
      if (acknowledge && !spool.acknowledge(lane, sequence - 1)) throw new Error(`${sequence} was done already`);
    }
  };
  await Promise.all(Array.from({ length: producers }, produce));
  return done;
}

/** Brings the spool to where every further segment is one that was full and done before. */
export async function recycle(spool: Spool): Promise<void> {
  const { segmentBytes } = spoolOptions(loadConfig({ file: undefined, environment: {} }).config, '');
  const enough = (6 * segmentBytes) / payloadBytes;
  await append(spool, { producers: 256, goOn: (begun) => begun < enough, acknowledge: true });
}

/** Fills a spool in `folder` with so many waiting reports and closes it. */
export async function fillSpool(folder: string, count: number): Promise<void> {
  const spool = await openSpool(folder);
  const reports = new Reports();
  let begun = 0;
  const produce = async () => {
    while (begun++ < count) await spool.append(lane, reports.next());
  };
  await Promise.all(Array.from({ length: 1024 }, produce));
  await spool.close();
}

/** Bytes that a record of such a report takes in the log, with its padding. */
export async function recordBytes(spool: Spool): Promise<number> {
  const { payload, ...report } = new Reports().next();
  // The second one of a machine, as nearly all are: it names the one before it.
  await spool.append(lane, { ...report, payload });
  const sequence = await spool.append(lane, { ...report, payload });
  const found = await spool.take(sequence);
  spool.acknowledge(lane, sequence - 2);
  spool.acknowledge(lane, sequence - 1);
  return Math.ceil(found!.record.length / 8) * 8;
}
