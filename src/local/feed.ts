import type { AcceptedReport } from '../intake/index.ts';
import type { Clock, Timer } from '../platform/index.ts';
import { messageTopic, uplinkTopic } from './topics.ts';

/** How the way to the centre stands. */
export interface UplinkState {
  readonly connected: boolean;
  /** Reports on disk that the centre does not have. */
  readonly pending: number;
}

const lookEveryMs = 1000;

/** What flows read without asking: what machines sent, once it is on disk, and how the uplink stands. */
export class Feed {
  readonly #uplink: () => UplinkState;
  readonly #hasReaders: () => boolean;
  readonly #deliver: (topic: string, body: Buffer) => void;
  readonly #deliverState: (topic: string, body: Buffer) => void;
  readonly #clock: Clock;
  #last: UplinkState = { connected: false, pending: 0 };
  #sinceMs = 0;
  #timer: Timer | undefined;

  constructor(options: {
    uplink: () => UplinkState;
    /** Whether anybody reads what machines send. */
    hasReaders: () => boolean;
    deliver: (topic: string, body: Buffer) => void;
    /** The same, for a state: an older one need not arrive. */
    deliverState: (topic: string, body: Buffer) => void;
    clock: Clock;
  }) {
    this.#uplink = options.uplink;
    this.#hasReaders = options.hasReaders;
    this.#deliver = options.deliver;
    this.#deliverState = options.deliverState;
    this.#clock = options.clock;
  }

  /** Begins to look at the uplink. Idempotent. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#sinceMs = this.#clock.wallMs();
    this.#look();
    this.#timer = this.#clock.every(lookEveryMs, () => {
      if (this.#look()) this.#deliverState(uplinkTopic, this.#uplinkBody);
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** What who has just begun to read a topic is told; undefined for nothing. */
  greeting(topic: string): Buffer | undefined {
    return topic === uplinkTopic ? this.#uplinkBody : undefined;
  }

  get #uplinkBody(): Buffer {
    return Buffer.from(JSON.stringify({ ...this.#last, since: new Date(this.#sinceMs).toISOString() }));
  }

  /** A report is on disk. What flows report themselves does not come back to them: it could go round for ever. */
  note({ channel, serial, payload, transport }: AcceptedReport): void {
    if (transport === 'flow' || !this.#hasReaders()) return;
    // What was read from a connection is used again there, and a reader may be slow.
    this.#deliver(messageTopic(channel.name, serial), Buffer.from(payload));
  }

  /** True when something has changed. */
  #look(): boolean {
    const { connected, pending } = this.#uplink();
    const last = this.#last;
    if (connected === last.connected && pending === last.pending) return false;
    if (connected !== last.connected) this.#sinceMs = this.#clock.wallMs();
    this.#last = { connected, pending };
    return true;
  }
}
