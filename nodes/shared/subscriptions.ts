import type { Session } from './session.ts';
import type { Timers } from './timers.ts';
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

interface Wanted {
  readonly filter: MessageFilter;
  /** What came before the node stood; undefined once that was given to it. */
  early: MachineMessage[] | undefined;
}

/** What comes for a node that is being made anew. */
interface Kept {
  readonly filter: MessageFilter;
  readonly messages: MachineMessage[];
  bytes: number;
  readonly cancel: () => void;
}

/** Node-RED gives nodes 15 s to close before it makes them anew. */
const keepMs = 16_000;
/** As the box keeps for a client that is away. */
const maxKept = { messages: 1000, bytes: 1024 * 1024 };

/**
 * Who wants which machines' messages, and the fewest subscriptions for that. What comes while a node is made anew is kept for
 * its successor, bounded, the oldest given up first.
 */
export class Subscriptions {
  readonly #timers: Timers;
  readonly #wanted = new Map<MessageListener, Wanted>();
  /** By the id of the node. */
  readonly #kept = new Map<string, Kept>();
  #session: Session | undefined;
  /** What is subscribed on this session, or being so. */
  #current = new Set<string>();
  /** Whether the gateway lets this credential see what is subscribed, as far as it has answered. */
  readonly #allowed = new Map<string, boolean>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /**
   * @param owner id of the node
   * @returns what ends it; `removed`: the node will not be made anew
   */
  add(filter: MessageFilter, listener: MessageListener, owner: string): (removed: boolean) => void {
    const early = this.#takeKept(owner);
    this.#wanted.set(listener, { filter, early });
    this.#apply();
    // Of what is subscribed already no answer will come.
    for (const [subscribed, allowed] of this.#allowed) if (concerns(subscribed, filter)) listener.onAllowed(allowed);
    // The nodes behind this one may be made after it.
    if (early !== undefined) setImmediate(() => this.#giveEarly(listener));
    return (removed) => this.#leave(listener, owner, removed);
  }

  /** Nothing is kept any more. */
  end(): void {
    for (const { cancel } of this.#kept.values()) cancel();
    this.#kept.clear();
  }

  up(session: Session): void {
    this.#session = session;
    this.#current = new Set();
    this.#allowed.clear();
    this.#apply();
  }

  down(): void {
    this.#session = undefined;
  }

  /** True when the topic is one of a machine's message. */
  dispatch(topic: string, payload: Buffer): boolean {
    const parts = parseMessage(topic);
    if (!parts) return false;
    const message = { ...parts, payload };
    for (const [listener, { filter, early }] of [...this.#wanted]) {
      if (!matches(filter, message)) continue;
      if (early === undefined) listener.onMessage(message);
      else early.push(message);
    }
    for (const kept of this.#kept.values()) if (matches(kept.filter, message)) keep(kept, message);
    return true;
  }

  #leave(listener: MessageListener, owner: string, removed: boolean): void {
    const wanted = this.#wanted.get(listener);
    if (wanted === undefined) return;
    this.#wanted.delete(listener);
    if (!removed) {
      this.#takeKept(owner);
      const cancel = this.#timers.after(keepMs, () => {
        this.#kept.delete(owner);
        this.#apply();
      });
      const kept: Kept = { filter: wanted.filter, messages: [], bytes: 0, cancel };
      for (const message of wanted.early ?? []) keep(kept, message);
      this.#kept.set(owner, kept);
    }
    this.#apply();
  }

  #takeKept(owner: string): MachineMessage[] | undefined {
    const kept = this.#kept.get(owner);
    this.#kept.delete(owner);
    kept?.cancel();
    return kept?.messages;
  }

  #giveEarly(listener: MessageListener): void {
    const wanted = this.#wanted.get(listener);
    if (wanted?.early === undefined) return;
    const { filter, early } = wanted;
    wanted.early = undefined;
    for (const message of early) if (matches(filter, message)) listener.onMessage(message);
  }

  #apply(): void {
    const session = this.#session;
    if (!session) return;
    const filters = [...this.#wanted.values(), ...this.#kept.values()].map(({ filter }) => filter);
    const needed = new Set(coveringFilters(filters));
    for (const filter of this.#current) {
      if (needed.has(filter)) continue;
      this.#allowed.delete(filter);
      session.unsubscribe(filter);
    }
    for (const filter of needed) {
      if (this.#current.has(filter)) continue;
      session.subscribe(filter).then(
        (allowed) => {
          if (this.#session === session && this.#current.has(filter)) this.#tell(filter, allowed);
        },
        // The session has ended; the next one subscribes again.
        () => undefined,
      );
    }
    this.#current = needed;
  }

  #tell(filter: string, allowed: boolean): void {
    this.#allowed.set(filter, allowed);
    for (const [listener, wanted] of [...this.#wanted]) {
      if (concerns(filter, wanted.filter)) listener.onAllowed(allowed);
    }
  }
}

/** Whether what is wanted comes by a subscription. */
const concerns = (subscribed: string, wanted: MessageFilter): boolean =>
  coveringFilters([wanted])[0] === subscribed || subscribed.endsWith('#');

const matches = ({ channel, serial }: MessageFilter, message: MachineMessage): boolean =>
  (channel === '' || channel === message.channel) && (serial === '' || serial === message.serial);

function keep(kept: Kept, message: MachineMessage): void {
  kept.messages.push(message);
  kept.bytes += message.payload.length;
  while (kept.messages.length > maxKept.messages || kept.bytes > maxKept.bytes) {
    kept.bytes -= kept.messages.shift()!.payload.length;
  }
}
