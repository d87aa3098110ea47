import type { Session } from './session.ts';
import { coveringFilters, type MessageFilter, parseMessage } from './topics.ts';

export interface MachineMessage {
  readonly channel: string;
  readonly serial: string;
  readonly payload: Buffer;
}

export interface MessageListener {
  readonly onMessage: (message: MachineMessage) => void;
  /** Whether the gateway lets this credential see it. */
  readonly onAllowed: (allowed: boolean) => void;
}

/** Who wants which machines' messages, and the fewest subscriptions for that. */
export class Subscriptions {
  readonly #wanted = new Map<MessageListener, MessageFilter>();
  #session: Session | undefined;
  /** What is subscribed on this session, or being so. */
  #current = new Set<string>();

  add(filter: MessageFilter, listener: MessageListener): () => void {
    this.#wanted.set(listener, filter);
    this.#apply();
    return () => {
      if (this.#wanted.delete(listener)) this.#apply();
    };
  }

  up(session: Session): void {
    this.#session = session;
    this.#current = new Set();
    this.#apply();
  }

  down(): void {
    this.#session = undefined;
  }

  /** True when the topic is one of a machine's message. */
  dispatch(topic: string, payload: Buffer): boolean {
    const parts = parseMessage(topic);
    if (!parts) return false;
    for (const [listener, { channel, serial }] of [...this.#wanted]) {
      if ((channel === '' || channel === parts.channel) && (serial === '' || serial === parts.serial)) {
        listener.onMessage({ ...parts, payload });
      }
    }
    return true;
  }

  #apply(): void {
    const session = this.#session;
    if (!session) return;
    const needed = new Set(coveringFilters([...this.#wanted.values()]));
    for (const filter of this.#current) if (!needed.has(filter)) session.unsubscribe(filter);
    for (const filter of needed) {
      if (this.#current.has(filter)) continue;
      session.subscribe(filter).then(
        (allowed) => {
          if (this.#session === session) this.#tell(filter, allowed);
        },
        // The session has ended; the next one subscribes again.
        () => undefined,
      );
    }
    this.#current = needed;
  }

  #tell(filter: string, allowed: boolean): void {
    for (const [listener, wanted] of [...this.#wanted]) {
      if (coveringFilters([wanted])[0] === filter || filter.endsWith('#')) listener.onAllowed(allowed);
    }
  }
}
