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
  /** What a client is told on a topic when it begins to read it, and when it comes back; undefined for nothing. */
  greeting(topic: string): Buffer | undefined;
}
