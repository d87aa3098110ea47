import { Readable } from 'node:stream';
import type { Sessions } from './sessions.ts';

interface ClientId {
  readonly id: string;
}
interface PacketId {
  readonly messageId: number;
  readonly cmd: string;
  readonly dup?: boolean;
}

/**
 * What aedes asks of its store, answered from `Sessions`. Only what aedes still does itself has a body here: restoring
 * subscriptions, and the QoS 2 handshake of what clients send. Messages to clients, their queues and their bounds are
 * `Sessions`' own, wills and retained messages do not exist, so those functions have nothing to keep.
 *
 * aedes' memory store is without bounds (measured: 130 MB of replies for absent sessions).
 */
export class SessionPersistence {
  readonly #sessions: Sessions;

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  async setup(): Promise<void> {}
  async destroy(): Promise<void> {}

  async subscriptionsByClient({ id }: ClientId): Promise<{ topic: string; qos: number }[]> {
    const session = this.#sessions.get(id);
    if (session === undefined || session.clean) return [];
    return [...session.subscriptions].map(([topic, qos]) => ({ topic, qos }));
  }

  async addSubscriptions(): Promise<void> {}
  async removeSubscriptions(): Promise<void> {}
  async cleanSubscriptions(): Promise<void> {}
  async subscriptionsByTopic(): Promise<never[]> {
    return [];
  }
  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    return { subsCount: 0, clientsCount: this.#sessions.absentCount };
  }

  /**
   * Resolves for an id whose report is on disk and rejects for one that is new, which it marks as under way: aedes then
   * always publishes it, and the broker settles it. Waits while the message of that id is on its way to the disk.
   */
  async incomingGetPacket({ id }: ClientId, packet: PacketId): Promise<PacketId> {
    const session = this.#sessions.get(id);
    if (session === undefined) throw new Error('no such session');
    // The connection that it came on: another may have the session when the disk has answered.
    const { incoming, owner } = session;
    const claim = { connection: owner, isRepeat: packet.dup === true };
    const isKnown =
      packet.cmd === 'publish'
        ? !(await incoming.claim(packet.messageId, claim))
        : await incoming.has(packet.messageId);
    if (!isKnown) throw new Error('no such packet');
    // A repeat is answered without being published, so nothing else would tell the guard.
    if (packet.cmd === 'publish') owner?.settled();
    return packet;
  }

  async incomingStorePacket(): Promise<void> {}

  async incomingDelPacket({ id }: ClientId, { messageId }: PacketId): Promise<void> {
    this.#sessions.get(id)?.incoming.release(messageId);
  }

  async cleanIncoming(): Promise<void> {}

  async outgoingEnqueue(): Promise<void> {}
  async outgoingEnqueueCombi(): Promise<void> {}
  async outgoingUpdate(): Promise<void> {}
  async outgoingClearMessageId(): Promise<void> {}
  outgoingStream(): Readable {
    return Readable.from([]);
  }

  async storeRetained(): Promise<void> {}
  createRetainedStream(): Readable {
    return Readable.from([]);
  }
  createRetainedStreamCombi(): Readable {
    return Readable.from([]);
  }

  async putWill(): Promise<void> {}
  async getWill(): Promise<void> {}
  async delWill(): Promise<void> {}
  streamWill(): Readable {
    return Readable.from([]);
  }
  getClientList(): Readable {
    return Readable.from([]);
  }
}
