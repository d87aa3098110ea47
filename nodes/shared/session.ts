import type { Connection } from './connection.ts';
import type { NodeError } from './node-error.ts';

/** What happens on a session; nothing any more after `onClosed`. */
export interface SessionListener {
  onMessage(topic: string, payload: Buffer): void;
  /** Called once, when the session ends by itself. */
  onClosed(error: NodeError): void;
}

/** One MQTT connection that the broker has welcomed. */
export interface Session {
  /** QoS 1; `acknowledged` is called with the PUBACK, or never. */
  publish(topic: string, payload: Buffer, acknowledged: () => void): void;
  /** QoS 1; false when the broker refuses this filter. Rejects when the session ends. */
  subscribe(filter: string): Promise<boolean>;
  unsubscribe(filter: string): void;
  /** Says goodbye and resolves once the socket is gone. */
  close(): Promise<void>;
}

/** What a session is made of. */
export interface ConnectOptions {
  readonly connection: Connection;
  readonly clientId: string;
  /** Ends the attempt. */
  readonly signal: AbortSignal;
}

/** Opens one session; rejects with a `NodeError` that says what to do. Messages may come before it resolves. */
export type Connect = (options: ConnectOptions, listener: SessionListener) => Promise<Session>;
