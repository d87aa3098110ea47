/**
 * The MQTT broker of the box: machines publish reports to it and read their replies from it (contracts/machines.md).
 *
 * Invariants: a report is acknowledged (PUBACK, PUBREC) only after `Intake.accept` has resolved; one that could not be
 * stored is not acknowledged and its connection is closed, so that the machine sends it again. Nothing that machines
 * send is passed on to other machines: what they read are replies. Every queue, connection and packet has a limit.
 * Failure behaviour: a client's mistake closes or refuses that client alone and is counted with its reason; a taken
 * port fails `start()` with `port-taken`.
 *
 * aedes does the protocol: handshake, takeover, subscriptions, QoS 2. Reports of QoS 0 and 1, acknowledgements and the
 * sending of replies go past it (`guard.ts`, `sessions.ts`).
 */
import type { Socket } from 'node:net';
import type { Aedes } from 'aedes';
import type { Delivery, Intake, IntakeAnswer } from '../intake/types.ts';
import { type Counters, countBy } from '../metrics.ts';
import type { CertificateMaterial, Clock, Logger, Timer } from '../platform/index.ts';
import type { Access, Identity } from './access.ts';
import { type CloseReason, type GuardHooks, type GuardLimits, MqttGuard, type Publish } from './guard.ts';
import { Listeners, type ListenOptions } from './listeners.ts';
import type { LocalRequests } from './local-requests.ts';
import { createProtocol, type IncomingPacket, type Peer } from './protocol.ts';
import { defaultSessionLimits, type SessionLimits, Sessions } from './sessions.ts';

/** What the broker is made of. */
export interface BrokerOptions {
  readonly listen: ListenOptions;
  readonly access: Access;
  readonly intake: Intake;
  /** Where requests of flows go; without it there are none. */
  readonly local?: LocalRequests | undefined;
  /** The names of the channels that machines may report and ask on. */
  readonly channels: readonly string[];
  /** Whether a password may be taken from this address without TLS. */
  readonly mayBePlain: (address: string | undefined) => boolean;
  readonly limits: BrokerLimits;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Limits of the broker; `defaultBrokerLimits` has what the configuration does not name. */
export interface BrokerLimits extends GuardLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Foreign 序列号 and forbidden topics within a minute; with this many the client is disconnected. */
  readonly forbiddenPerMinute: number;
  readonly sessions: SessionLimits;
  /** Of the session of a client with an `allow`: each report of a flow is answered twice. */
  readonly localSession: Pick<SessionLimits, 'maxMessages' | 'maxBytes'>;
  /** How long `stop()` waits for reports that are on their way to the disk. */
  readonly stopTimeoutMs: number;
}

export const defaultBrokerLimits: BrokerLimits = {
  connectTimeoutMs: 5000,
  maxConnectBytes: 4096,
  maxPacketBytes: 1_048_576,
  maxInflight: 256,
  ratePerSecond: 1000,
  maxConnections: 1000,
  maxConnectionsPerAddress: 500,
  forbiddenPerMinute: 10,
  sessions: defaultSessionLimits,
  localSession: { maxMessages: 20_000, maxBytes: 8_388_608 },
  stopTimeoutMs: 2000,
};

/** The broker. `start()` listens, `stop()` finishes what is under way and closes; both may be called again. */
export class Broker implements GuardHooks {
  readonly #options: BrokerOptions;
  readonly #sessions: Sessions;
  readonly #peers = new Map<unknown, Peer>();
  readonly #listeners: Listeners;
  #aedes: Aedes | undefined;
  #sweep: Timer | undefined;

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#sessions = new Sessions({ limits: options.limits.sessions, counters: options.counters });
    this.#listeners = new Listeners({
      listen: options.listen,
      maxConnections: options.limits.maxConnections,
      maxConnectionsPerAddress: options.limits.maxConnectionsPerAddress,
      onSocket: (socket, secure) => this.#connected(socket, secure),
      onRefused: (reason) => countBy(options.counters.mqttRefused, reason),
    });
  }

  /** The ports that are listened on: plain and TLS, undefined for what is off. */
  get ports(): { readonly plain: number | undefined; readonly tls: number | undefined } {
    return this.#listeners.ports;
  }

  get connectedCount(): number {
    return this.#peers.size;
  }

  get absentSessionCount(): number {
    return this.#sessions.absentCount;
  }

  /** Listens. Rejects with `port-taken`, or Node's error for another reason. */
  async start(): Promise<void> {
    if (this.#aedes !== undefined) return;
    const { clock } = this.#options;
    const aedes = createProtocol({
      ...this.#options,
      sessions: this.#sessions,
      localSession: this.#options.limits.localSession,
      peerOf: (connection) => this.#peers.get(connection),
      refusePublish: (peer, reason, topic) => this.#refusePublish(peer, reason, topic),
      acceptTwice: (peer, packet, done) => this.#acceptTwice(peer, packet, done),
    });
    this.#aedes = aedes;
    await aedes.listen();
    this.#sweep = clock.every(1000, () => {
      for (const { guard, admission } of this.#peers.values()) guard.tick(admission?.maxSilenceSeconds ?? 0);
    });
    try {
      await this.#listeners.open();
    } catch (error) {
      await this.stop();
      throw error;
    }
    if (this.#options.access.isOpen) {
      this.#options.logger.warn({ code: 'mqtt-anonymous' }, 'Anybody on the network may publish (mqtt.anonymous)');
    }
  }

  /** Uses another certificate for connections from now on; those that stand live on. Throws what the TLS library says. */
  setCertificate(material: CertificateMaterial): void {
    this.#listeners.setCertificate(material);
  }

  /** Takes no more, waits for what is on its way to the disk (at most `stopTimeoutMs`), closes. */
  async stop(): Promise<void> {
    const aedes = this.#aedes;
    if (aedes === undefined) return;
    this.#aedes = undefined;
    this.#sweep?.cancel();
    const closed = this.#listeners.close();
    const { clock, limits } = this.#options;
    const peers = [...this.#peers.values()];
    for (const { guard } of peers) guard.quiesce();
    const deadlineMs = clock.monotonicMs() + limits.stopTimeoutMs;
    while (clock.monotonicMs() < deadlineMs && peers.some(({ guard }) => guard.inflight > 0 && !guard.destroyed)) {
      await clock.sleep(5);
    }
    for (const { guard } of peers) guard.destroy();
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
    await closed;
  }

  /** Sends a message to whoever reads this topic, QoS 1, or keeps it for sessions that are away (within the bounds). */
  deliver(topic: string, body: Buffer): void {
    this.#sessions.deliver(topic, body);
  }

  /** The same on a topic of flows, where also filters with wildcards are subscribed to. */
  deliverLocal(topic: string, body: Buffer): void {
    this.#sessions.deliverLocal(topic, body);
  }

  /** A state on a topic of flows that `greeting` tells as well: who is away is not kept the old ones. */
  deliverState(topic: string, body: Buffer): void {
    this.#sessions.deliverState(topic, body);
  }

  /** True when somebody, present or absent, reads what machines send. */
  get hasFeedReaders(): boolean {
    return this.#sessions.hasFeedReaders;
  }

  /** @internal Part of `GuardHooks`: also true for what flows ask, which is taken out of the stream like a report. */
  isReport(topic: string): boolean {
    return this.#options.intake.hasChannel(topic) || (this.#options.local?.isMine(topic) ?? false);
  }

  /** @internal Part of `GuardHooks`: a report of QoS 0 or 1. */
  onReport(guard: MqttGuard, publish: Publish): void {
    const peer = this.#peers.get(guard);
    if (peer === undefined) return;
    this.#accept(peer, publish.topic, publish.payload).then(
      (answer) => {
        guard.settled();
        if (publish.id !== undefined && !guard.destroyed) guard.outlet.puback(publish.id);
        this.#answered(peer, publish.topic, answer);
      },
      (error) => {
        guard.settled();
        this.#notStored(peer, error);
      },
    );
  }

  /** @internal Part of `GuardHooks`. */
  onAcknowledge(guard: MqttGuard, id: number): void {
    const session = this.#peers.get(guard)?.session;
    if (session !== undefined) this.#sessions.acknowledge(session, id);
  }

  /** @internal Part of `GuardHooks`. */
  onDrain(guard: MqttGuard): void {
    const session = this.#peers.get(guard)?.session;
    if (session !== undefined) this.#sessions.pump(session);
  }

  /** @internal Part of `GuardHooks`. */
  onPause(): void {
    this.#options.counters.mqttPauses++;
  }

  /** @internal Part of `GuardHooks`. */
  onClose(guard: MqttGuard, reason: CloseReason): void {
    const { counters, logger } = this.#options;
    countBy(counters.mqttClosed, reason);
    logger.info({ address: guard.address, reason }, 'An MQTT connection was closed');
  }

  #connected(socket: Socket, secure: boolean): void {
    const aedes = this.#aedes;
    if (aedes === undefined) {
      socket.destroy();
      return;
    }
    const { limits, clock, counters } = this.#options;
    counters.mqttConnections++;
    const guard = new MqttGuard({ socket, limits, hooks: this, clock });
    this.#peers.set(guard, {
      guard,
      secure,
      admission: undefined,
      identity: undefined,
      session: undefined,
      forbiddenAtMs: [],
    });
    guard.once('close', () => this.#gone(guard));
    aedes.handle(guard);
  }

  #gone(guard: MqttGuard): void {
    const peer = this.#peers.get(guard);
    this.#peers.delete(guard);
    if (peer?.session !== undefined) this.#sessions.detach(peer.session, guard);
  }

  #accept(peer: Peer, channel: string, payload: Buffer): Promise<Pick<IntakeAnswer, 'outcome' | 'reply' | 'later'>> {
    this.#options.counters.mqttPublishes++;
    const { local } = this.#options;
    if (local?.isMine(channel)) return this.#acceptLocal(local, peer.identity!, channel, payload);
    return this.#options.intake.accept(new MqttDelivery(channel, payload, peer.identity!));
  }

  /** A flow is answered on a topic of its own. */
  async #acceptLocal(
    local: LocalRequests,
    identity: Identity,
    topic: string,
    payload: Buffer,
  ): Promise<Pick<IntakeAnswer, 'outcome' | 'reply' | 'later'>> {
    const outcome = await local.accept({ topic, payload, identity });
    return { outcome: outcome === 'forbidden' ? 'forbidden' : 'asked', reply: undefined };
  }

  #answered(
    peer: Peer,
    topic: string,
    { outcome, reply, later }: Pick<IntakeAnswer, 'outcome' | 'reply' | 'later'>,
  ): void {
    if (outcome === 'forbidden') this.#forbidden(peer, 'foreign-serial', topic);
    if (reply !== undefined) this.#sessions.deliver(reply.topic, reply.body);
    else later?.then((answer) => answer && this.#sessions.deliver(answer.topic, answer.body));
  }

  #notStored(peer: Peer, error: unknown): void {
    this.#options.logger.debug({ err: error }, 'A report could not be stored');
    peer.guard.close('store-failed');
  }

  /** Counts one more forbidden message of a client, and disconnects it when there were too many within a minute. */
  #forbidden(peer: Peer, reason: string, topic: string): void {
    const { clock, limits, logger } = this.#options;
    // The client has an acknowledgement and no answer: whoever looks for its message finds it here.
    const facts = {
      username: peer.identity?.username,
      address: peer.guard.address,
      topic: topic.slice(0, 128),
      reason,
    };
    logger.info(facts, 'A message was acknowledged and not kept');
    const nowMs = clock.monotonicMs();
    const times = peer.forbiddenAtMs;
    times.push(nowMs);
    if (times.length < limits.forbiddenPerMinute) return;
    const firstMs = times.shift()!;
    if (nowMs - firstMs >= 60_000) return;
    // A turn later: the acknowledgement goes out before the connection does.
    setImmediate(() => peer.guard.close('forbidden'));
  }

  #refusePublish(peer: Peer, reason: 'retained' | 'forbidden-topic', topic: string): void {
    const { counters, local } = this.#options;
    countBy(counters.reportsRefused, reason);
    if (local?.isMine(topic)) local.refuse({ topic, identity: peer.identity! }, 'a request must not be retained');
    this.#forbidden(peer, reason, topic);
  }

  /** A QoS 2 message that is new; `done` without an error makes aedes send the PUBREC. */
  #acceptTwice(peer: Peer, packet: IncomingPacket, done: (error?: Error) => void): void {
    const { guard, session } = peer;
    const { incoming } = session!;
    if (packet.retain || !this.isReport(packet.topic)) {
      incoming.stored(packet.messageId);
      guard.settled();
      done();
      this.#refusePublish(peer, packet.retain ? 'retained' : 'forbidden-topic', packet.topic);
      return;
    }
    this.#accept(peer, packet.topic, packet.payload as Buffer).then(
      (answer) => {
        incoming.stored(packet.messageId);
        guard.settled();
        done();
        this.#answered(peer, packet.topic, answer);
      },
      (error) => {
        incoming.failed(packet.messageId);
        guard.settled();
        this.#notStored(peer, error);
        done(error);
      },
    );
  }
}

class MqttDelivery implements Delivery {
  readonly transport = 'mqtt';
  readonly channel: string;
  readonly payload: Buffer;
  readonly #identity: Identity;

  constructor(channel: string, payload: Buffer, identity: Identity) {
    this.channel = channel;
    this.payload = payload;
    this.#identity = identity;
  }

  mayWrite(serial: string): boolean {
    return this.#identity.mayActFor(serial);
  }
}
