import type { MqttGuard } from './guard.ts';
import { IncomingIds } from './incoming-ids.ts';
import type { Outlet } from './outlet.ts';

/** Bounds of what is kept for clients. */
export interface SessionLimits {
  /** Messages of one session that wait or are not acknowledged; beyond, the oldest is dropped. */
  readonly maxMessages: number;
  /** Bytes of them, with `messageOverheadBytes` for each. */
  readonly maxBytes: number;
  /** Sessions whose client is absent; beyond, the one that left first is forgotten. */
  readonly maxAbsent: number;
  /** Topics that one session may subscribe to. */
  readonly maxSubscriptions: number;
}

/** The bounds that issue and design ask for. */
export const defaultSessionLimits: SessionLimits = {
  maxMessages: 1000,
  maxBytes: 1_048_576,
  maxAbsent: 1000,
  maxSubscriptions: 1000,
};

/** Topics of what machines sent (docs/nodes-protocol.md). */
const feedPrefix = 'holdfast/local/message/';

/** What a waiting message costs beside its payload; a topic is shared by its messages. */
export const messageOverheadBytes = 128;

/** Counted by the sessions. */
export interface SessionCounters {
  mqttMessagesDropped: number;
  mqttSessionsForgotten: number;
}

interface Topic {
  /** The name with its two bytes of length in front, as it stands in a packet. */
  readonly bytes: Buffer;
  readonly subscribers: { readonly session: Session; qos: number }[];
}

/** Who subscribed with wildcards. */
interface Filter {
  readonly levels: readonly string[];
  readonly subscribers: { readonly session: Session; qos: number }[];
}

interface Message {
  readonly topic: Topic;
  readonly payload: Buffer;
}

/** What is kept for one client id: its subscriptions, and messages from their acceptance to its acknowledgement. */
export class Session {
  readonly id: string;
  readonly clean: boolean;
  readonly limits: Pick<SessionLimits, 'maxMessages' | 'maxBytes'>;
  /** Topic or filter to granted QoS. */
  readonly subscriptions = new Map<string, number>();
  /** QoS 2 messages of the client whose handshake is not over. */
  readonly incoming = new IncomingIds();
  /** The connection that the session belongs to; undefined while the client is absent. */
  owner: MqttGuard | undefined;
  /** Where messages go; undefined also while the client is still being connected. */
  outlet: Outlet | undefined;
  readonly sent = new Map<number, Message>();
  readonly waiting = new Set<Message>();
  bytes = 0;
  nextId = 1;

  constructor(id: string, clean: boolean, limits: Session['limits']) {
    this.id = id;
    this.clean = clean;
    this.limits = limits;
  }
}

/**
 * The sessions of all clients and who reads which topic. A machine reads the exact topics of its own replies, and nothing
 * that machines send is passed on to others; filters with wildcards are for flows' topics (`isLocalTopic`) alone.
 */
export class Sessions {
  readonly #limits: SessionLimits;
  readonly #counters: SessionCounters;
  readonly #sessions = new Map<string, Session>();
  readonly #absent = new Map<string, Session>();
  readonly #topics = new Map<string, Topic>();
  readonly #filters = new Map<string, Filter>();
  #feedReaders = 0;

  constructor({ limits = defaultSessionLimits, counters }: { limits?: SessionLimits; counters: SessionCounters }) {
    this.#limits = limits;
    this.#counters = counters;
  }

  /** The session kept under a client id, if there is one. */
  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  get absentCount(): number {
    return this.#absent.size;
  }

  /**
   * The session of a client that connects: a new one, or with `clean` false the one that was kept. A connection that
   * had it before has it no longer.
   */
  open(id: string, clean: boolean, owner: MqttGuard, limits: Session['limits'] = this.#limits): Session {
    const kept = this.#sessions.get(id);
    if (kept !== undefined && !clean && !kept.clean) {
      this.#absent.delete(id);
      kept.owner = owner;
      kept.outlet = undefined;
      return kept;
    }
    if (kept !== undefined) this.#forget(kept);
    const session = new Session(id, clean, limits);
    session.owner = owner;
    this.#sessions.set(id, session);
    return session;
  }

  /** The client has its CONNACK: sends again what it did not acknowledge, then what waits. */
  attach(session: Session, outlet: Outlet): void {
    session.outlet = outlet;
    for (const [id, { topic, payload }] of session.sent) {
      outlet.publish({ topic: topic.bytes, payload, id, again: true });
    }
    this.pump(session);
  }

  /** A connection is gone. If the session is still its own, a clean one ends; another is kept, within the bounds. */
  detach(session: Session, owner: MqttGuard): void {
    if (session.owner !== owner || this.#sessions.get(session.id) !== session) return;
    session.owner = undefined;
    session.outlet = undefined;
    if (session.clean || (session.subscriptions.size === 0 && session.incoming.size === 0)) {
      this.#forget(session);
      return;
    }
    this.#absent.set(session.id, session);
    if (this.#absent.size <= this.#limits.maxAbsent) return;
    for (const oldest of this.#absent.values()) {
      this.#counters.mqttSessionsForgotten++;
      this.#counters.mqttMessagesDropped += oldest.sent.size + oldest.waiting.size;
      this.#forget(oldest);
      break;
    }
  }

  /** Adds a subscription or changes its QoS; false when the session has too many. */
  subscribe(session: Session, name: string, qos: number): boolean {
    if (!session.subscriptions.has(name) && session.subscriptions.size >= this.#limits.maxSubscriptions) return false;
    let topic: Topic | Filter | undefined;
    if (isFilter(name)) {
      topic = this.#filters.get(name) ?? { levels: name.split('/'), subscribers: [] };
      this.#filters.set(name, topic);
    } else {
      topic = this.#topics.get(name) ?? { bytes: topicBytes(name), subscribers: [] };
      this.#topics.set(name, topic);
    }
    const existing = topic.subscribers.find((subscriber) => subscriber.session === session);
    if (existing !== undefined) existing.qos = qos;
    else {
      topic.subscribers.push({ session, qos });
      if (name.startsWith(feedPrefix)) this.#feedReaders++;
    }
    session.subscriptions.set(name, qos);
    return true;
  }

  /** Removes a subscription, if there is one. */
  unsubscribe(session: Session, name: string): void {
    if (!session.subscriptions.delete(name)) return;
    if (name.startsWith(feedPrefix)) this.#feedReaders--;
    const all: Map<string, Topic | Filter> = isFilter(name) ? this.#filters : this.#topics;
    const topic = all.get(name);
    if (topic === undefined) return;
    const place = topic.subscribers.findIndex((subscriber) => subscriber.session === session);
    if (place >= 0) topic.subscribers.splice(place, 1);
    if (topic.subscribers.length === 0) all.delete(name);
  }

  /** Sends a message to whoever subscribed to exactly this topic, with QoS 1 at most, or keeps it for who is absent. */
  deliver(name: string, payload: Buffer): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    const { subscribers } = topic;
    for (let index = 0; index < subscribers.length; index++) {
      const { session, qos } = subscribers[index]!;
      this.#deliverTo(session, topic, payload, qos);
    }
  }

  /** The same on a topic of flows, to whoever subscribed to it or to a filter that matches; once to each session. */
  deliverLocal(name: string, payload: Buffer): void {
    const readers = new Map<Session, number>();
    const known = this.#topics.get(name);
    for (const { session, qos } of known?.subscribers ?? []) readers.set(session, qos);
    if (this.#filters.size > 0) {
      const levels = name.split('/');
      for (const filter of this.#filters.values()) {
        if (!matches(filter.levels, levels)) continue;
        for (const { session, qos } of filter.subscribers) {
          readers.set(session, Math.max(qos, readers.get(session) ?? 0));
        }
      }
    }
    if (readers.size === 0) return;
    const topic = known ?? { bytes: topicBytes(name), subscribers: [] };
    for (const [session, qos] of readers) this.#deliverTo(session, topic, payload, qos);
  }

  /**
   * A state, to whoever is there and subscribed to exactly this topic: of several that wait only the newest is kept, and
   * none for who is absent, so that states do not push out what is said once.
   */
  deliverState(name: string, payload: Buffer): void {
    const topic = this.#topics.get(name);
    for (const { session, qos } of topic?.subscribers ?? []) {
      if (session.outlet === undefined) continue;
      for (const message of session.waiting) {
        if (message.topic !== topic) continue;
        session.waiting.delete(message);
        session.bytes -= message.payload.length + messageOverheadBytes;
      }
      this.#deliverTo(session, topic!, payload, qos);
    }
  }

  /** Sends to one session what it subscribed to under exactly this name, if it did. */
  deliverOnly(session: Session, name: string, payload: Buffer): void {
    const topic = this.#topics.get(name);
    const qos = session.subscriptions.get(name);
    if (topic !== undefined && qos !== undefined) this.#deliverTo(session, topic, payload, qos);
  }

  /** True when somebody, present or absent, reads what machines send. */
  get hasFeedReaders(): boolean {
    return this.#feedReaders > 0;
  }

  /** The client has acknowledged a message. An id that is not under way is ignored, as the protocol allows repeats. */
  acknowledge(session: Session, id: number): void {
    const message = session.sent.get(id);
    if (message === undefined) return;
    session.sent.delete(id);
    session.bytes -= message.payload.length + messageOverheadBytes;
    if (session.waiting.size > 0) this.pump(session);
  }

  /** Sends what waits, as far as the connection takes it. */
  pump(session: Session): void {
    const { outlet } = session;
    if (outlet === undefined) return;
    for (const message of session.waiting) {
      if (outlet.congested || session.sent.size >= session.limits.maxMessages) return;
      session.waiting.delete(message);
      this.#send(session, outlet, message);
    }
  }

  #deliverTo(session: Session, topic: Topic, payload: Buffer, qos: number): void {
    const { outlet, limits } = session;
    const canSend = outlet !== undefined && !outlet.congested;
    if (qos === 0) {
      if (canSend) outlet.publish({ topic: topic.bytes, payload, id: 0, again: false });
      else this.#counters.mqttMessagesDropped++;
      return;
    }
    const message = { topic, payload };
    session.bytes += payload.length + messageOverheadBytes;
    if (canSend && session.waiting.size === 0 && session.sent.size < limits.maxMessages) {
      this.#send(session, outlet, message);
    } else session.waiting.add(message);
    this.#bound(session);
  }

  #send(session: Session, outlet: Outlet, message: Message): void {
    let id = session.nextId;
    // At most `maxMessages` of the 65,535 ids are taken.
    while (session.sent.has(id)) id = id === 65_535 ? 1 : id + 1;
    session.nextId = id === 65_535 ? 1 : id + 1;
    session.sent.set(id, message);
    outlet.publish({ topic: message.topic.bytes, payload: message.payload, id, again: false });
  }

  #bound(session: Session): void {
    const { maxMessages, maxBytes } = session.limits;
    while (session.sent.size + session.waiting.size > maxMessages || session.bytes > maxBytes) {
      // What was sent is older than what waits.
      const [oldest] = session.sent;
      let message: Message | undefined;
      if (oldest === undefined) {
        [message] = session.waiting;
        if (message === undefined) return;
        session.waiting.delete(message);
      } else {
        session.sent.delete(oldest[0]);
        message = oldest[1];
      }
      session.bytes -= message.payload.length + messageOverheadBytes;
      this.#counters.mqttMessagesDropped++;
    }
  }

  #forget(session: Session): void {
    for (const name of [...session.subscriptions.keys()]) this.unsubscribe(session, name);
    session.sent.clear();
    session.waiting.clear();
    session.bytes = 0;
    session.owner = undefined;
    session.outlet = undefined;
    this.#absent.delete(session.id);
    if (this.#sessions.get(session.id) === session) this.#sessions.delete(session.id);
  }
}

const isFilter = (name: string): boolean => name.includes('#') || name.includes('+');

/** The name with its two bytes of length in front, as it stands in a packet. */
function topicBytes(name: string): Buffer {
  const text = Buffer.from(name);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(text.length);
  return Buffer.concat([length, text]);
}

/** MQTT 3.1.1, 4.7: `+` stands for one level, `#` at the end for any number of them. */
function matches(filter: readonly string[], levels: readonly string[]): boolean {
  for (const [index, level] of filter.entries()) {
    if (level === '#') return true;
    if (index >= levels.length || (level !== '+' && level !== levels[index])) return false;
  }
  return filter.length === levels.length;
}
