import type { HoldfastError } from '../errors.ts';
import type { Outcomes } from './cursor-file.ts';
import { type LogName, laneNames } from './types.ts';

/** Counts of one log; all but the gauges only grow and survive restarts. */
export interface LogStatus extends Outcomes {
  readonly name: LogName;
  /** Records ever appended, those moved in from other logs included. */
  readonly appended: number;
  readonly movedIn: number;
  /** Records that wait. */
  readonly pending: number;
  /** Bytes of its files. */
  readonly bytes: number;
  readonly quotaBytes: number;
  readonly syncEveryMs: number;
  /** Why the last append failed; undefined when it did not. */
  readonly error: HoldfastError | undefined;
}

/** Counts over all logs, and each log by itself. */
export interface SpoolStatus {
  readonly accepted: number;
  readonly delivered: number;
  readonly pending: number;
  readonly quarantined: number;
  readonly evicted: number;
  /** Bytes of all files. */
  readonly bytes: number;
  /** Bytes written for reports since the start. */
  readonly writtenBytes: number;
  readonly forgottenEarly: number;
  readonly nextSequence: number;
  readonly logs: Readonly<Record<LogName, LogStatus>>;
  /** Totals of what was not accepted, by reason. */
  readonly counters: Readonly<Record<string, number>>;
}

/** Whether there were reports that went another way than to the centre. */
export function hasLost(logs: ReadonlyMap<LogName, { readonly status: LogStatus }>): boolean {
  return [...logs].some(([name, { status }]) => name !== 'refused' && status.evicted + status.corrupt > 0);
}

/** What follows for the whole spool from the counts of its logs. */
export function sumUp(
  logs: Readonly<Record<LogName, LogStatus>>,
): Pick<SpoolStatus, 'accepted' | 'delivered' | 'pending' | 'quarantined' | 'evicted' | 'bytes' | 'logs'> {
  const lanes = [...laneNames, 'deferred', 'quarantine'] as const;
  const sum = (pick: (log: LogStatus) => number, names: readonly LogName[] = lanes) =>
    names.reduce((total, name) => total + pick(logs[name]), 0);
  return {
    accepted: sum((log) => log.appended - log.movedIn),
    delivered: sum((log) => log.delivered),
    pending: sum((log) => log.pending, [...laneNames, 'deferred']),
    quarantined: logs.quarantine.pending + sum((log) => log.corrupt),
    evicted: sum((log) => log.evicted),
    bytes: sum((log) => log.bytes, [...lanes, 'refused']),
    logs,
  };
}
