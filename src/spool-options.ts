import type { GatewayConfig } from './config/index.ts';
import type { SpoolOptions } from './spool/index.ts';

/** How many reports are recognised when they are sent again (contracts/machines.md). */
const repeatCapacity = 262_144;

/** How the configuration wants the spool. */
export function spoolOptions(
  config: GatewayConfig,
  folder: string,
): Omit<SpoolOptions, 'fileSystem' | 'clock' | 'logger' | 'events'> {
  const { lanes, deferred, quarantine, refused, segmentSizeBytes, freeReserveBytes, repeatWindowMs, compression } =
    config.spool;
  return {
    folder,
    segmentBytes: segmentSizeBytes,
    freeReserveBytes,
    compression,
    logs: {
      ...lanes,
      deferred: { quotaBytes: deferred.quotaBytes, whenFull: 'reject', syncEveryMs: 0 },
      quarantine: { quotaBytes: quarantine.quotaBytes, whenFull: 'dropOldest', syncEveryMs: 0 },
      refused: {
        quotaBytes: Math.max(refused.quotaBytes, segmentSizeBytes * 2),
        whenFull: 'dropOldest',
        syncEveryMs: 0,
      },
    },
    repeatWindow: { durationMs: repeatWindowMs, capacity: repeatCapacity },
    indexed: { channel: 'device_base_info', lane: 'state' },
  };
}
