/**
 * A machine's way to the gateway (or, over AMQP, to the centre): the port that `mqtt-session.ts`, `http-door.ts` and
 * `amqp-session.ts` implement and `open-door.ts` picks from by the scheme of a URL.
 *
 * Invariants: a door is kept open for ever; every loss and every failed try is told once by `onLost`. It never sends
 * anything by itself: repeating is the machine's business.
 * Failure behaviour: `send` rejects, and the machine asks `ready` before it sends again.
 */
export interface Door {
  /** Begins to connect. Idempotent. */
  open(): void;
  /** Resolves once something can be sent, and when the door is closed for good. */
  ready(): Promise<void>;
  /**
   * Sends a report. Resolves when it is acknowledged, with the reply where that comes with the acknowledgement. Rejects
   * when nothing is known about it: the connection was lost, or the other side did not take it.
   */
  send(channel: string, body: Buffer): Promise<Buffer | undefined>;
  /** Closes for good. Idempotent. */
  close(): Promise<void>;
  readonly isConnected: boolean;
  /** Replies to what was sent on an earlier connection may come on a later one. */
  readonly keepsReplies: boolean;
}

/** What a door tells its machine. */
export interface DoorListener {
  onReply(channel: string, payload: Buffer): void;
  /** The connection has ended or could not be made; what was sent and not answered is in doubt. */
  onLost(error: Error): void;
}

/** Who comes through a door, and to where. */
export interface DoorOptions {
  /** Host and port, and the virtual host of AMQP; credentials in it are not looked at. */
  readonly url: URL;
  readonly serial: string;
  readonly channels: readonly string[];
  readonly credential: { readonly username: string; readonly password: string } | undefined;
  readonly listener: DoorListener;
}
