import type { LaneName } from '../spool/types.ts';

/** A message of a machine, before anything is known about it. */
export interface Delivery {
  readonly channel: string;
  readonly payload: Buffer;
  /** How it came. */
  readonly transport: 'mqtt' | 'http' | 'serial' | 'flow';
  /**
   * The report's name where it comes from, `<client>/<id>`: then the name alone tells a repeat, for 24 h, and not the
   * bytes.
   */
  readonly origin?: string | undefined;
  /** Whether the sender may write reports of this 序列号. */
  mayWrite(serial: string): boolean;
}

/** An answer in the machine's own words, and the topic for it. */
export interface Reply {
  readonly topic: string;
  readonly body: Buffer;
  /** Of the answer to a query for authorization: what `body` says. */
  readonly permission?: Permission;
}

/** What was decided about a machine, and on whose word; `nobody`: the centre did not answer and there was no lease. */
export interface Permission {
  readonly serial: string;
  readonly granted: boolean;
  readonly source: 'centre' | 'lease' | 'nobody';
  /** What the machine reads under 错误; empty when it is granted. */
  readonly error: string;
}

/**
 * What became of a delivery. Only `stored` and `repeated` mean that the report is on disk; `asked` was a question, which
 * is acknowledged at once and answered by `later`.
 */
export interface IntakeAnswer {
  readonly outcome: 'stored' | 'repeated' | 'refused' | 'forbidden' | 'asked';
  /** undefined when there is none to give (`forbidden`), or none yet (`asked`). */
  readonly reply: Reply | undefined;
  /**
   * Of `asked` only: the answer, up to about a minute later; undefined when the answer to another query on the same topic
   * is this one's too. Never rejects.
   */
  readonly later?: Promise<Reply | undefined>;
  /** Sequence of the stored report, when there is one. */
  readonly sequence: number | undefined;
  /** Of `refused` only: what is wrong, for the log of whoever sent it. */
  readonly reason?: string;
}

/** Who answers machines' questions for authorization. */
export interface Authority {
  /** Resolves with the answer to a valid query; with undefined as `IntakeAnswer.later` says. Never rejects. */
  ask(query: {
    readonly serial: string;
    readonly payload: Buffer;
    readonly transport: Delivery['transport'];
  }): Promise<Reply | undefined>;
  /** A query was not understood. Resolves when that is put down, or could not be. */
  refused(serial: string | undefined, reason: string): Promise<void>;
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
