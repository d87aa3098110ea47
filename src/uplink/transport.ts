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

/** An answer of the centre to a report. */
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

/** What a transport tells its owner. Called from the event loop, never from inside a method of the transport. */
export interface TransportListener {
  /** The link can take reports. Everything sent on an earlier connection and not confirmed is in doubt: send again. */
  onConnected(): void;
  /** The link is gone; the transport is already trying again, with growing, jittered pauses, for ever. */
  onDisconnected(error: HoldfastError): void;
  /** The broker has the report safe (publisher confirm, PUBACK). */
  onConfirmed(messageId: string): void;
  /** The broker did not take the report: no queue for it, or a negative confirm. It may be sent again later. */
  onRejected(messageId: string, error: HoldfastError): void;
  onReceipt(receipt: Receipt): void;
  /** A message of the centre for this gateway (pushes of changes). Resolve once it is applied; it is then removed from the queue. */
  onControl(body: Buffer): Promise<void>;
  /** The link can take more after `send` answered false. */
  onDrain(): void;
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

/** A way to the centre. It keeps no report: whoever sends keeps it until it is confirmed or receipted. */
export interface UplinkTransport {
  readonly state: TransportState;
  /** Starts connecting; returns at once. */
  start(listener: TransportListener): void;
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
