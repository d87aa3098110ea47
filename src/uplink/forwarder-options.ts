import type { Alarms } from '../alarms.ts';
import type { Counters } from '../metrics.ts';
import type { Clock, Logger } from '../platform/index.ts';
import type { LaneName, Spool } from '../spool/index.ts';
import type { ReportTransport } from './transport.ts';

/** What a forwarder is made of, and how it behaves. */
export interface ForwarderOptions {
  readonly spool: Spool;
  readonly transport: ReportTransport;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly alarms: Alarms;
  readonly counters: Counters;
  readonly gatewayId: string;
  readonly acknowledge: 'stored' | 'broker';
  /** Reports under way at most. */
  readonly window: number;
  readonly receiptTimeoutMs: number;
  readonly weights: Readonly<Record<LaneName, number>>;
  /** Told of each report with an `origin` that the centre has. Must not throw. */
  readonly onDelivered?: (origin: string) => void;
  /** How long a machine's reports are refused before they go aside (5 min). */
  readonly deferAfterMs?: number;
  /** How long one stands aside, while others of its channel are stored, before it goes to the quarantine (24 h). */
  readonly quarantineAfterMs?: number;
  /** Pauses between tries, in ms: first and longest (1 s, 5 min). */
  readonly pauses?: { readonly firstMs: number; readonly longestMs: number };
  /** 设备状态 of a report's body, where its channel has one; a centre without `correlation_id` is matched by it. */
  readonly stateOf: (channel: string, body: Uint8Array) => string | undefined;
}

/** How the uplink stands, for /healthz. */
export interface ForwarderState {
  readonly underWay: number;
  readonly window: number;
  /** Reports that wait in memory for their machine's turn. */
  readonly parked: number;
  /** Machines and channels that the centre refuses at present. */
  readonly held: number;
  /** False: the centre sends no `correlation_id`, one report per machine and channel is under way. */
  readonly correlates: boolean | undefined;
  /** True while the centre does not answer at all. */
  readonly silent: boolean;
}
