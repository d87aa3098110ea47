import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { type IPublishPacket, type IStore, MqttClient, type Packet } from 'mqtt';
import { HoldfastError } from '../errors.ts';
import type { Clock, Timer } from '../platform/index.ts';
import type { BrokerAddress } from './broker-socket.ts';
import type { LinkSession } from './link.ts';
import { lostError, refusedError } from './link-errors.ts';
import { SendGate } from './send-gate.ts';
import type { OutgoingQuery, OutgoingReport, TransportListener } from './transport.ts';

/** What a session needs besides its socket. */
export interface MqttSessionOptions {
  readonly address: BrokerAddress;
  readonly gatewayId: string;
  readonly clock: Clock;
}

/** Bytes of bodies handed to the client library and not confirmed; beyond it `send` asks to wait. */
const underWayLimitBytes = 16 * 1024 * 1024;
const keepaliveS = 10;
const connackTimeoutMs = 10_000;
/** A push that is not applied by then ends the session; the broker sends it again on the next. */
const controlDeadlineMs = 10_000;
/** The broker hands over what waited for this gateway at once: so long after the last of it, that was all. */
const controlQuietMs = 250;
const maximumQos = 1;

/** One MQTT connection over a socket that already stands. */
export class MqttSession implements LinkSession {
  readonly closed: Promise<HoldfastError>;
  readonly controlDrained: Promise<void>;
  readonly blocked = false;
  readonly #client: MqttClient;
  readonly #socket: Socket;
  readonly #listener: TransportListener;
  readonly #options: MqttSessionOptions;
  readonly #gate: SendGate;
  readonly #end: (error: HoldfastError) => void;
  readonly #upPrefix: string;
  readonly #receiptPrefix: string;
  readonly #controlTopic: string;
  readonly #drained: () => void;
  #quiet: Timer | undefined;
  #subscribed = false;
  /** A push is being applied. */
  #applying = false;
  #ended = false;

  constructor(socket: Socket, listener: TransportListener, options: MqttSessionOptions) {
    const { address, gatewayId } = options;
    this.#socket = socket;
    this.#listener = listener;
    this.#options = options;
    this.#upPrefix = `holdfast/${gatewayId}/up/`;
    this.#receiptPrefix = `holdfast/${gatewayId}/down/receipt/`;
    this.#controlTopic = `holdfast/${gatewayId}/down/control`;
    const { promise, resolve } = Promise.withResolvers<HoldfastError>();
    this.closed = promise;
    this.#end = resolve;
    const drained = Promise.withResolvers<void>();
    this.controlDrained = drained.promise;
    this.#drained = drained.resolve;
    this.#gate = new SendGate(underWayLimitBytes, () => {
      if (!this.#ended) listener.onDrain();
    });
    this.#client = new MqttClient(() => socket, {
      protocolVersion: 4,
      clientId: `holdfast-${gatewayId}`,
      // The broker keeps receipts and pushes for a gateway that is away; a push must not be lost.
      clean: false,
      keepalive: keepaliveS,
      connectTimeout: connackTimeoutMs,
      ...(address.username !== undefined && { username: address.username }),
      ...(address.password !== undefined && { password: address.password }),
      // Whoever sends again is the forwarder: the library neither reconnects, nor queues, nor keeps what it has sent.
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      outgoingStore: emptyStore,
      // A table of 65,536 buffers: 10 MB.
      writeCache: false,
    });
    this.#client.handleMessage = (packet, done) => this.#onMessage(packet, done);
    this.#client.on('error', (error) => this.#fail(error));
    this.#client.on('close', () => this.#fail(undefined));
    this.#client.on('disconnect', () => this.#fail(undefined));
    socket.on('drain', () => this.#gate.bufferDrained());
  }

  /** Waits for the broker's welcome and subscribes; to be awaited before use. */
  async open(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#client.once('connect', () => resolve());
      this.closed.then(reject);
    });
    const topic = `holdfast/${this.#options.gatewayId}/down/#`;
    const granted = await this.#client.subscribeAsync(topic, { qos: 1 });
    if (granted.some(({ qos }) => qos > maximumQos)) {
      throw refusedError(this.#options.address, `subscription to ${topic} refused`);
    }
    this.#subscribed = true;
    this.#awaitQuiet();
  }

  send(report: OutgoingReport): boolean {
    const { messageId, channel, body } = report;
    const bytes = body.length;
    this.#client.publish(
      `${this.#upPrefix}${channel}/${messageId}`,
      Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, bytes),
      { qos: 1 },
      (error) => {
        // An error is the end of the connection: doubt, not an answer. MQTT 3.1.1 has no negative PUBACK.
        if (error || this.#ended) return;
        this.#gate.settled(bytes);
        this.#listener.onConfirmed(messageId);
      },
    );
    return this.#gate.taken(bytes, !this.#socket.writableNeedDrain);
  }

  ask({ messageId, channel, body }: OutgoingQuery): void {
    this.#client.publish(
      `${this.#upPrefix}${channel}/${messageId}`,
      Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.length),
      { qos: 1 },
      (error) => {
        if (!error && !this.#ended) this.#listener.onConfirmed(messageId);
      },
    );
  }

  /** One subscription serves the whole gateway. */
  watchReplies(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.#ended = true;
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
      // Only DISCONNECT: the library's own end() would first wait for all that is under way.
      this.#socket.end(Buffer.from([0xe0, 0x00]));
    });
  }

  /** PUBACK is sent when `done` is called, and nothing else is read until then. */
  #onMessage({ topic, payload }: IPublishPacket, done: (error?: Error) => void): void {
    if (this.#ended) return;
    const body = Buffer.isBuffer(payload) ? payload : Buffer.from(payload);
    if (topic.startsWith(this.#receiptPrefix)) {
      done();
      this.#listener.onReceipt({
        messageId: topic.slice(this.#receiptPrefix.length),
        channel: undefined,
        serial: undefined,
        body,
        stale: !this.#subscribed,
      });
    } else if (topic === this.#controlTopic) {
      this.#applyControl(body, done);
    } else {
      done();
    }
  }

  /**
   * Begins anew with each push that is applied, and not while one is: the answer to the subscription may come between two
   * of them. Without effect once the queue was quiet for long enough.
   */
  #awaitQuiet(): void {
    if (!this.#subscribed || this.#applying) return;
    this.#quiet?.cancel();
    this.#quiet = this.#options.clock.after(controlQuietMs, this.#drained);
  }

  #applyControl(body: Buffer, done: () => void): void {
    this.#applying = true;
    this.#quiet?.cancel();
    const timer = this.#options.clock.after(controlDeadlineMs, () => this.#notApplied('not done in time'));
    this.#listener.onControl(body).then(
      () => {
        timer.cancel();
        if (this.#ended) return;
        this.#applying = false;
        // Before `done`, within which the library may already hand over the next one.
        this.#awaitQuiet();
        done();
      },
      (error) => {
        timer.cancel();
        this.#notApplied(error);
      },
    );
  }

  #notApplied(cause: unknown): void {
    this.#fail(
      new HoldfastError('uplink-closed', 'a push of the centre could not be applied; connecting anew for it', cause),
    );
  }

  #fail(cause: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    const { address } = this.#options;
    this.#end(refusal(cause, address) ?? lostError(cause, address));
    this.#socket.destroy();
  }
}

/** Return codes of CONNACK that refuse the client; others (3: unavailable) pass by themselves. */
const refusals = new Map([
  [1, 'protocol version'],
  [2, 'client identifier'],
  [4, 'user name or password'],
  [5, 'not authorized'],
]);

function refusal(cause: unknown, address: BrokerAddress): HoldfastError | undefined {
  const code = (cause as { code?: unknown } | undefined)?.code;
  const reason = typeof code === 'number' ? refusals.get(code) : undefined;
  return reason === undefined ? undefined : refusedError(address, reason, cause);
}

/** Keeps nothing. */
const emptyStore: IStore = {
  put(_packet: Packet, done: (error?: Error) => void) {
    done();
    return this;
  },
  // The library's types want its own copy of this class.
  createStream: () => Readable.from([]) as never,
  del(_: unknown, done: (error?: Error) => void) {
    done();
    return this;
  },
  get(_: unknown, done: (error?: Error) => void) {
    done(new Error('not kept'));
    return this;
  },
  close(done: (error?: Error) => void) {
    done();
  },
};
