import type { Identity } from './access.ts';

/** The door for flows, as the broker needs it. */
export interface LocalRequests {
  /** True for a topic, or a filter, of flows. */
  isMine(topic: string): boolean;
  mayRead(identity: Identity, filter: string): boolean;
  /** Resolves when the request may be acknowledged; rejects when it may not, and the connection ends. */
  accept(request: {
    readonly topic: string;
    readonly payload: Buffer;
    readonly identity: Identity;
  }): Promise<'taken' | 'forbidden'>;
  /** A request that is not taken, for a reason of MQTT: it is acknowledged, and answered if it is its client's to make. */
  refuse(request: { readonly topic: string; readonly identity: Identity }, text: string): void;
  /** What a client is told on a topic when it begins to read it, and when it comes back; undefined for nothing. */
  greeting(topic: string): Buffer | undefined;
}
