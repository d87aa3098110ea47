import type { HoldfastError } from '../errors.ts';

/** A report on its way to the centre; `body` is exactly what the machine sent. */
export interface OutgoingReport {
  /** `<gateway>-<boot>-<sequence>`: unique for ever, and the `_id` of the stored document. */
  readonly messageId: string;
  readonly channel: string;
  /** 序列号 of the machine, or the gateway's id on the gateway's own channels. */
  readonly serial: string;
  readonly body: Uint8Array;
  /** Place in the order of acceptance of the whole gateway. */
  readonly sequence: number;
  /** Sequence of the report before it of that channel and machine; undefined when this is the first known. */
  readonly previous: number | undefined;
  /** Wall time of acceptance in ms, and whether the clock was synchronized then. */
  readonly acceptedAtMs: number;
  readonly clockTrusted: boolean;
}

/**
 * A question to the centre, asked at once and beside the reports: it is not kept by anybody, and is worth nothing when
 * it cannot be answered soon.
 */
export interface OutgoingQuery {
  /** `<gateway>-<boot>-q<n>`: unique for ever, and never the id of a report. */
  readonly messageId: string;
  /** The channel that it is asked on; its answer comes like a receipt. */
  readonly channel: string;
  /** 序列号 of the machine that asks. */
  readonly serial: string;
  readonly body: Uint8Array;
}

/** An answer of the centre to a report or to a query. */
export interface Receipt {
  /** The message that it answers; undefined from a centre that does not send `correlation_id`. */
  readonly messageId: string | undefined;
  /** Channel and machine, read from the reply queue's name; undefined on a queue that serves the whole gateway. */
  readonly channel: string | undefined;
  readonly serial: string | undefined;
  readonly body: Buffer;
  /** True for what was already waiting when the reply queue was opened on this connection. */
  readonly stale: boolean;
}

/** What a transport tells of reports. Called from the event loop, never from inside a method of the transport. */
export interface ReportListener {
  /** The link can take reports. Everything sent on an earlier connection and not confirmed is in doubt: send again. */
  onConnected(): void;
  /** The link is gone; the transport is already trying again, with growing, jittered pauses, for ever. */
  onDisconnected(error: HoldfastError): void;
  /** The broker has the report safe (publisher confirm, PUBACK). */
  onConfirmed(messageId: string): void;
  /** The broker did not take the report: no queue for it, or a negative confirm. It may be sent again later. */
  onRejected(messageId: string, error: HoldfastError): void;
  onReceipt(receipt: Receipt): void;
  /** The link can take more after `send` answered false. */
  onDrain(): void;
}

/** What a transport tells its owner; queries are confirmed and rejected like reports, and answered by receipts. */
export interface TransportListener extends ReportListener {
  /** A message of the centre for this gateway (pushes of changes). Resolve once it is applied; it is then removed from the queue. */
  onControl(body: Buffer): Promise<void>;
  /**
   * Everything that the centre had pushed before this connection was made is applied. Once per connection, after its
   * `onConnected`.
   */
  onControlDrained(): void;
}

/** How the link stands, for /healthz. */
export interface TransportState {
  readonly connected: boolean;
  /** Wall time in ms of the last change of `connected`. */
  readonly sinceMs: number;
  /** True while a RabbitMQ alarm holds back this connection (`connection.blocked`). */
  readonly blocked: boolean;
  readonly lastError: HoldfastError | undefined;
  /** Connections made since the start. */
  readonly connects: number;
}

/** A way to the centre for reports. It keeps none: whoever sends keeps it until it is confirmed or receipted. */
export interface ReportTransport {
  readonly state: TransportState;
  /** Starts connecting; returns at once. */
  start(listener: ReportListener): void;
  /** Closes the link in order, at most `deadlineMs` (2 s) later by force. */
  stop(): Promise<void>;
  /**
   * Makes sure that answers for this channel and machine will be heard on the present connection; to be awaited before
   * the first report of the pair is sent. Returns undefined when that is already so.
   */
  watchReplies(channel: string, serial: string): Promise<void> | undefined;
  /**
   * Hands over one report. True: go on. False: taken, but wait for `onDrain` before the next. Throws `uplink-closed`
   * while there is no connection.
   */
  send(report: OutgoingReport): boolean;
}

/** The whole link: reports, queries and pushes. */
export interface UplinkTransport extends Omit<ReportTransport, 'start'> {
  /** Starts connecting; returns at once. */
  start(listener: TransportListener): void;
  /**
   * Asks at once: not kept, dropped by the broker after 10 s where it can (AMQP). Answers come when `watchReplies` of
   * its channel and machine has resolved on this connection. Throws `uplink-closed` while there is no connection.
   */
  ask(query: OutgoingQuery): void;
}
