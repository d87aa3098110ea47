import type { LaneName } from '../spool/types.ts';
import { choice, duration, integer, size } from './readers.ts';
import { field, group } from './table.ts';

const quota = (fallback: string, description: string) =>
  field(size('2MiB', '16TiB'), fallback, { as: 'quotaBytes', description });

const lane = (description: string, quotaDefault: string, weight: number) =>
  group(description, {
    quota: quota(quotaDefault, 'Disk space of the lane.'),
    whenFull: field(choice('reject', 'dropOldest'), 'reject', {
      description:
        'When the quota is used up: refuse new reports, or give up the oldest (counted, and told to the centre).',
    }),
    syncEveryMs: field(integer(0, 60_000, ' (milliseconds)'), 0, {
      description:
        'The lane syncs at most once in so many milliseconds, which wears the flash less; a report is acknowledged once it is on disk all the same, only later. 0: at once.',
    }),
    weight: field(integer(1, 1000), weight, {
      description: "Share of the uplink while several lanes wait; every lane gets at least its weight's part.",
    }),
  });

const lanes = {
  alarm: lane('Alarms: the most urgent.', '256MiB', 8),
  state: lane('States: what machines are and how they stand.', '512MiB', 4),
  process: lane('What machines do, step by step.', '4GiB', 2),
  bulk: lane('Everything that can wait.', '4GiB', 1),
} satisfies Record<LaneName, unknown>;

/** Keys of `spool`. */
export const spoolKeys = {
  segmentSize: field(size('1MiB', '256MiB'), '8MiB', {
    as: 'segmentSizeBytes',
    description: 'Size of one file of the log. Space is taken and given back in whole files.',
  }),
  freeReserve: field(size('0B', '1TiB'), '64MiB', {
    as: 'freeReserveBytes',
    description: 'Space of the file system that is left free, whatever the quotas say.',
  }),
  compression: field(choice('auto', 'off'), 'auto', {
    description:
      'Whether reports that are written together are compressed as one (zstd). auto: when the disk is so slow that the time for it does not matter, which spares its flash.',
  }),
  lanes: group('The four lanes, most urgent first.', lanes),
  deferred: group('Reports of machines that the centre refuses for now; they wait aside.', {
    quota: quota('512MiB', 'Disk space for them.'),
  }),
  quarantine: group('Reports that were refused for good or could not be read.', {
    quota: quota('256MiB', 'Disk space for them; the oldest are given up when it is used up.'),
  }),
  refused: group('Copies of messages that were not valid, for people to look at.', {
    quota: quota('16MiB', 'Disk space for them; the oldest are given up when it is used up.'),
  }),
  repeatWindow: field(duration('1s', '1d'), '10m', {
    as: 'repeatWindowMs',
    description: 'How long the same report of a machine counts as a repeat: answered again, stored once.',
  }),
};
