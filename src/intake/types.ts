import type { LaneName } from '../spool/types.ts';

/** A message of a machine, before anything is known about it. */
export interface Delivery {
  readonly channel: string;
  readonly payload: Buffer;
  /** How it came. */
  readonly transport: 'mqtt' | 'http' | 'serial' | 'flow';
  /** Whether the sender may write reports of this 序列号. */
  mayWrite(serial: string): boolean;
}

/** What became of a delivery. Only `stored` and `repeated` mean that the report is on disk. */
export interface IntakeAnswer {
  readonly outcome: 'stored' | 'repeated' | 'refused' | 'forbidden';
  /** The answer in the machine's own words and the topic for it; undefined when there is none to give (`forbidden`). */
  readonly reply: { readonly topic: string; readonly body: Buffer } | undefined;
  /** Sequence of the stored report, when there is one. */
  readonly sequence: number | undefined;
}

/** Validates, stores, answers; independent of how a report came. */
export interface Intake {
  /** True when `channel` is one that machines report or ask on (so: a topic of theirs). */
  hasChannel(channel: string): boolean;
  /**
   * Resolves once the report is on disk (fdatasync returned), or was refused and its copy kept. Rejects with
   * `spool-full`, `spool-write-failed`, `spool-closed` or `spool-record-too-large` when it could not be kept: then
   * nothing may be acknowledged.
   */
  accept(delivery: Delivery): Promise<IntakeAnswer>;
}

/** A channel: the queue and topic name, where its documents go, and its lane. */
export interface Channel {
  readonly name: string;
  readonly database: string;
  readonly collection: string;
  readonly lane: LaneName;
  /** `machine`: reported by machines; `gateway`: the gateway's own, refused from machines. */
  readonly owner: 'machine' | 'gateway';
}
