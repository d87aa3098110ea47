import { createRequire } from 'node:module';
import { Aedes, type Client } from 'aedes';
import { type Counters, countBy } from '../metrics.ts';
import type { Logger } from '../platform/index.ts';
import type { Access, Identity } from './access.ts';
import { type Admission, admit, limitLogin } from './admission.ts';
import type { MqttGuard } from './guard.ts';
import type { LocalRequests } from './local-requests.ts';
import { SessionPersistence } from './persistence.ts';
import type { Session, Sessions } from './sessions.ts';

/** What the broker knows about one connection. */
export interface Peer {
  readonly guard: MqttGuard;
  readonly secure: boolean;
  /** What its CONNECT asked for, and who it turned out to be. */
  admission: Admission | undefined;
  identity: Identity | undefined;
  session: Session | undefined;
  /** Times of its last forbidden messages. */
  readonly forbiddenAtMs: number[];
}

/** The part of a PUBLISH that aedes hands over. */
export interface IncomingPacket {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos: number;
  readonly retain: boolean;
  readonly messageId: number;
}

/** What the protocol needs of the broker. */
interface ProtocolOptions {
  readonly access: Access;
  readonly channels: readonly string[];
  readonly mayBePlain: (address: string | undefined) => boolean;
  readonly limits: { readonly connectTimeoutMs: number };
  readonly counters: Counters;
  readonly logger: Logger;
  readonly sessions: Sessions;
  readonly local?: LocalRequests | undefined;
  /** Bounds for a client that has something to say on the topics of flows. */
  readonly localSession: Session['limits'];
  /** The peer behind a connection that aedes was given. */
  readonly peerOf: (connection: unknown) => Peer | undefined;
  /** A message that is not taken, but acknowledged. */
  readonly refusePublish: (peer: Peer, reason: 'retained' | 'forbidden-topic', topic: string) => void;
  /** A QoS 2 message that is new; `done` without an error makes aedes send the PUBREC. */
  readonly acceptTwice: (peer: Peer, packet: IncomingPacket, done: (error?: Error) => void) => void;
}

/** aedes, with its own store, emitter and forwarding taken out and the broker's rules put in. */
export function createProtocol(options: ProtocolOptions): Aedes {
  const {
    access,
    channels,
    counters,
    limits,
    local,
    logger,
    mayBePlain,
    sessions,
    peerOf,
    refusePublish,
    acceptTwice,
  } = options;
  const mayRead = (identity: Identity, topic: string) =>
    local?.isMine(topic) ? local.mayRead(identity, topic) : access.mayRead(identity, topic, channels);
  const greet = (session: Session, topic: string) => {
    const greeting = local?.greeting(topic);
    if (greeting !== undefined) sessions.deliverOnly(session, topic, greeting);
  };
  // Left to itself, what writes the packets makes a table of 65,536 buffers at the first one: 10 MB.
  packetWriter().cacheNumbers = false;
  const aedes = new Aedes({
    mq: silentEmitter,
    persistence: new SessionPersistence(sessions),
    // The guard watches these itself.
    connectTimeout: limits.connectTimeoutMs * 2,
    maxClientsIdLength: 65_535,
    maxInflightInbound: 0,
    preConnect: (client, packet, done) => {
      const peer = peerOf(client.conn);
      if (peer !== undefined && packet.protocolVersion === 5) {
        countBy(counters.mqttRefused, 'version');
        logger.info({ address: peer.guard.address, reason: 'version' }, 'An MQTT login was refused');
        peer.guard.write(unsupportedVersion);
        done(new Error('version'), false);
        return;
      }
      if (peer !== undefined) peer.admission = admit(packet);
      done(null, peer !== undefined);
    },
    authenticate: (client, username, password, done) => {
      const peer = peerOf(client.conn);
      if (peer?.admission === undefined) return done(null, false);
      const { guard, admission } = peer;
      const mayCarryPassword = peer.secure || mayBePlain(guard.address);
      limitLogin({ access, admission, login: { username, password, address: guard.address, mayCarryPassword } }).then(
        (result) => {
          if ('identity' in result) {
            peer.identity = result.identity;
            done(null, true);
            return;
          }
          countBy(counters.mqttRefused, result.reason);
          logger.info({ address: guard.address, username, reason: result.reason }, 'An MQTT login was refused');
          done(Object.assign(new Error(result.reason), { returnCode: result.returnCode }), null);
        },
      );
    },
    authorizeSubscribe: (client, subscription, done) => {
      const identity = peerOf(client.conn)?.identity;
      // While a kept session is restored the client is not yet its owner.
      const session = peerOf(client.conn)?.session ?? sessions.get(client.id);
      const { topic, qos } = subscription;
      const isAllowed = identity !== undefined && mayRead(identity, topic);
      if (isAllowed && session !== undefined && sessions.subscribe(session, topic, qos))
        return done(null, subscription);
      if (session !== undefined) sessions.unsubscribe(session, topic);
      countBy(counters.mqttRefused, 'subscription');
      done(null, null);
    },
    authorizePublish: (client, packet, done) => {
      const peer = client === null ? undefined : peerOf(client.conn);
      // A report of QoS 0 or 1 does not come here (`onReport`); QoS 2 is stored once it is known to be new.
      if (peer !== undefined && packet.qos !== 2) {
        refusePublish(peer, packet.retain ? 'retained' : 'forbidden-topic', packet.topic);
      }
      done(null);
    },
  });
  // aedes' own way to subscribers: there are none, and its messages about itself have no readers.
  const publish = (packet: IncomingPacket, client: unknown, done?: (error?: Error) => void): void => {
    if (typeof client === 'function') {
      client();
      return;
    }
    const { conn, id } = client as Client;
    const peer = peerOf(conn);
    if (packet.qos === 2 && peer !== undefined) {
      acceptTwice(peer, packet, (error) => done?.(error));
      return;
    }
    // The connection went away since the id was claimed: its next message with it is a new one.
    if (packet.qos === 2) sessions.get(id)?.incoming.failed(packet.messageId);
    done?.();
  };
  Object.assign(aedes, { publish });
  aedes.on('client', (client) => {
    const peer = peerOf(client.conn);
    if (peer === undefined) return;
    const bounds = (peer.identity?.allow.size ?? 0) > 0 ? options.localSession : undefined;
    peer.session = sessions.open(client.id, client.clean, peer.guard, bounds);
  });
  aedes.on('clientReady', (client) => {
    const peer = peerOf(client.conn);
    if (peer?.session === undefined) return;
    sessions.attach(peer.session, peer.guard.outlet);
    for (const topic of peer.session.subscriptions.keys()) greet(peer.session, topic);
    peer.guard.established();
  });
  aedes.on('subscribe', (subscriptions, client) => {
    const peer = peerOf(client.conn);
    if (peer?.session !== undefined) for (const { topic } of subscriptions) greet(peer.session, topic);
    peer?.guard.subscribed();
  });
  aedes.on('unsubscribe', (topics, client) => {
    const session = peerOf(client.conn)?.session;
    if (session !== undefined) for (const topic of topics) sessions.unsubscribe(session, topic);
  });
  aedes.on(
    'error' as 'closed',
    ((error: Error) => logger.error({ err: error }, 'The MQTT broker failed')) as () => void,
  );
  // Emitted for every connection that breaks; the guard counts those that the gateway closes.
  aedes.on('clientError', (_, error) => logger.debug({ err: error }, 'An MQTT client failed'));
  aedes.on('connectionError', (_, error) => logger.debug({ err: error }, 'An MQTT connection failed'));
  return aedes;
}

/** CONNACK 0x84 in the form of MQTT 5: in that of 3.1.1, clients of 5 see nothing but a connection that breaks. */
const unsupportedVersion = Buffer.of(0x20, 3, 0, 0x84, 0);

/** aedes' own copy of it. */
function packetWriter(): { cacheNumbers: boolean } {
  const library = createRequire(import.meta.resolve('aedes'))('mqtt-packet') as {
    writeToStream: { cacheNumbers: boolean };
  };
  return library.writeToStream;
}

/** In the place of aedes' emitter, which would hand every message to every matching reader. */
const silentEmitter = {
  on(_topic: string, _notify: unknown, done?: () => void) {
    if (done !== undefined) setImmediate(done);
  },
  removeListener(_topic: string, _notify: unknown, done?: () => void) {
    if (done !== undefined) setImmediate(done);
  },
  emit(_message: unknown, done?: () => void) {
    done?.();
  },
  close(done: () => void) {
    setImmediate(done);
  },
};
