import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Clock, Timer } from '../platform/index.ts';
import { Outlet } from './outlet.ts';
import { PacketWalker, packetType } from './packet-walker.ts';
import { TokenBucket } from './token-bucket.ts';
import { TopicReader } from './topic-reader.ts';

/** Limits of one connection. */
export interface GuardLimits {
  /** From the connection to the end of its CONNECT. */
  readonly connectTimeoutMs: number;
  /** Largest CONNECT; nothing else is read before its CONNACK. */
  readonly maxConnectBytes: number;
  /** Largest packet after that, header included. */
  readonly maxPacketBytes: number;
  /** Publishes that wait for the disk; the connection is not read meanwhile. */
  readonly maxInflight: number;
  /** Packets per second on average, 0 = no limit; a faster connection is read more slowly. */
  readonly ratePerSecond: number;
}

/** Why the gateway closed a connection; the `reason` label of `holdfast_mqtt_closed_total`. */
export type CloseReason =
  | 'connect-timeout'
  | 'connect-too-large'
  | 'packet-too-large'
  | 'malformed'
  | 'keepalive'
  | 'store-failed'
  | 'forbidden'
  | 'protocol';

/** A report as it stands in a PUBLISH. `payload` is a part of what was read, not a copy; QoS 0 has no `id`. */
export interface Publish {
  readonly topic: string;
  readonly payload: Buffer;
  readonly id: number | undefined;
}

/** Who hears of what the guard takes out of the stream. */
export interface GuardHooks {
  /** True for the topic of a report: its PUBLISH of QoS 0 or 1 is not passed on to aedes. */
  isReport(topic: string): boolean;
  onReport(guard: MqttGuard, publish: Publish): void;
  /** The client has acknowledged a message of QoS 1. */
  onAcknowledge(guard: MqttGuard, id: number): void;
  /** The connection takes output again. */
  onDrain(guard: MqttGuard): void;
  /** A client is over its rate and waits. */
  onPause(guard: MqttGuard): void;
  onClose(guard: MqttGuard, reason: CloseReason): void;
}

/** Reasons not to read, one bit each. */
const stall = { connect: 1, subscribe: 2, inflight: 4, rate: 8, output: 16, reader: 32, stop: 64 } as const;

/** True for packets that the guard may take out: PUBACK, and PUBLISH of QoS 0 or 1 that is not to be retained. */
const isTaken = (first: number): boolean => first >> 4 === packetType.puback || (first & 0xf5) === 0x30;

/**
 * The stream between a socket and aedes. It reads the fixed headers: counts bytes, enforces the limits, and takes
 * reports and acknowledgements out, which the broker handles itself (a report costs aedes more than all the rest of
 * its way to the disk). Everything else passes as the parts of the chunks that were read. Too much of anything makes
 * the connection wait (back-pressure), too large a packet closes it.
 */
export class MqttGuard extends Duplex {
  readonly socket: Socket;
  readonly outlet: Outlet;
  readonly address: string;
  readonly #limits: GuardLimits;
  readonly #hooks: GuardHooks;
  readonly #clock: Clock;
  readonly #bucket: TokenBucket;
  readonly #deadline: Timer;
  readonly #walker: PacketWalker;
  readonly #topics = new TopicReader();
  #ended = false;
  /** Why to wait once the present packet has passed to aedes. */
  #stallAfter = 0;
  #stalls = 0;
  #isProcessing = false;
  #sawConnect = false;
  #wasHeard = false;
  #silentSeconds = 0;
  #inflight = 0;

  constructor(options: { socket: Socket; limits: GuardLimits; hooks: GuardHooks; clock: Clock }) {
    super({ allowHalfOpen: false });
    const { socket, limits, hooks, clock } = options;
    this.socket = socket;
    this.address = socket.remoteAddress ?? '';
    this.#limits = limits;
    this.#hooks = hooks;
    this.#clock = clock;
    this.#walker = new PacketWalker({
      isStopped: () => this.#stalls !== 0 || this.destroyed,
      admit: (first, total) => this.#admit(first, total),
      isTaken,
      take: (buffer, at, total) => this.#take(buffer, at, total),
      willPass: (first) => this.#willPass(first),
      pass: (part) => {
        if (!this.push(part)) this.#stall(stall.reader);
      },
      passed: () => this.#passed(),
    });
    this.#bucket = new TokenBucket({ clock, perSecond: limits.ratePerSecond });
    this.outlet = new Outlet({
      socket,
      onDrain: () => {
        hooks.onDrain(this);
        this.#resume(stall.output);
      },
    });
    this.#deadline = clock.after(limits.connectTimeoutMs, () => this.close('connect-timeout'));
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#wasHeard = true;
      this.#walker.add(chunk);
      this.#process();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#process();
    });
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  /** Publishes that wait for the disk. */
  get inflight(): number {
    return this.#inflight;
  }

  /** The CONNACK is out: reads on. */
  established(): void {
    this.#resume(stall.connect);
  }

  /** The SUBACK is out: a report sent right behind its SUBSCRIBE finds its reply's reader. */
  subscribed(): void {
    this.#resume(stall.subscribe);
  }

  /** A publish that the hooks or aedes were given is done with. */
  settled(): void {
    this.#inflight--;
    if ((this.#stalls & stall.inflight) !== 0 && this.#inflight <= this.#limits.maxInflight >> 1) {
      this.#resume(stall.inflight);
    }
  }

  /** Reads no further, so that what is under way can be finished. */
  quiesce(): void {
    this.#stall(stall.stop);
  }

  /** Called every second; closes the connection when the client was silent for longer than `maxSilenceSeconds`. */
  tick(maxSilenceSeconds: number): void {
    this.#silentSeconds = this.#wasHeard || this.#stalls !== 0 ? 0 : this.#silentSeconds + 1;
    this.#wasHeard = false;
    if (maxSilenceSeconds > 0 && this.#silentSeconds > maxSilenceSeconds) this.close('keepalive');
  }

  /** Closes the connection at once, and says why. */
  close(reason: CloseReason): void {
    if (this.destroyed) return;
    this.#hooks.onClose(this, reason);
    this.socket.destroy();
    this.destroy();
  }

  override _read(): void {
    this.#resume(stall.reader);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.outlet.flush();
    if (!this.socket.writable || this.socket.write(chunk)) done();
    else this.socket.once('drain', done);
  }

  override _writev(parts: { chunk: Buffer }[], done: () => void): void {
    this._write(Buffer.concat(parts.map(({ chunk }) => chunk)), 'binary', done);
  }

  override _final(done: () => void): void {
    this.socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#deadline.cancel();
    this.#walker.drop();
    this.outlet.flush();
    if (error !== null || this.socket.writableLength === 0) this.socket.destroy();
    else {
      // A refusal's CONNACK may still be on its way through TLS; a peer that does not read gets a second.
      this.socket.destroySoon();
      this.#clock.after(1000, () => this.socket.destroy());
    }
    done(null);
  }

  #stall(reason: number): void {
    if (this.#stalls === 0) this.socket.pause();
    this.#stalls |= reason;
  }

  #resume(reason: number): void {
    if ((this.#stalls & reason) === 0) return;
    this.#stalls &= ~reason;
    if (this.#stalls !== 0 || this.destroyed) return;
    this.#process();
    if (this.#stalls === 0 && !this.destroyed) this.socket.resume();
  }

  #process(): void {
    if (this.#isProcessing) return;
    this.#isProcessing = true;
    this.#walker.run();
    this.#isProcessing = false;
    if (this.#ended && this.#walker.isIdle && !this.destroyed) this.push(null);
  }

  /** Checks a packet's type and length against the limits; closes the connection and returns false when it breaks them. */
  #admit(first: number, total: number): boolean {
    let reason: CloseReason | undefined;
    if (total < 0) reason = 'malformed';
    else if (!this.#sawConnect) {
      if (first >> 4 !== packetType.connect) reason = 'protocol';
      else if (total > this.#limits.maxConnectBytes) reason = 'connect-too-large';
    } else if (total > this.#limits.maxPacketBytes) reason = 'packet-too-large';
    if (reason !== undefined) this.close(reason);
    return reason === undefined;
  }

  /** Handles a whole packet here; false when it is for aedes. */
  #take(buffer: Buffer, at: number, total: number): boolean {
    const end = at + total;
    let body = at + 2;
    while ((buffer[body - 1]! & 128) !== 0) body++;
    if (buffer[at]! >> 4 === packetType.puback) {
      if (end - body < 2) return false;
      this.#hooks.onAcknowledge(this, (buffer[body]! << 8) | buffer[body + 1]!);
      return true;
    }
    const hasId = (buffer[at]! & 0x06) !== 0;
    if (end - body < (hasId ? 4 : 2)) return false;
    const topicEnd = body + 2 + ((buffer[body]! << 8) | buffer[body + 1]!);
    const payloadAt = hasId ? topicEnd + 2 : topicEnd;
    if (payloadAt > end) return false;
    const topic = this.#topics.read(buffer, body + 2, topicEnd);
    if (!this.#hooks.isReport(topic)) return false;
    // 0 is forbidden, and sent all the same by clients that count from it or over it: a report like any other.
    const id = hasId ? (buffer[topicEnd]! << 8) | buffer[topicEnd + 1]! : undefined;
    this.#inflight++;
    this.#hooks.onReport(this, { topic, payload: buffer.subarray(payloadAt, end), id });
    this.#afterPublish();
    return true;
  }

  /** A packet of this type is for aedes: says what to wait for once it has passed. */
  #willPass(first: number): void {
    const type = first >> 4;
    if (!this.#sawConnect) {
      this.#sawConnect = true;
      this.#stallAfter = stall.connect;
    } else if (type === packetType.subscribe) this.#stallAfter = stall.subscribe;
    if (type === packetType.publish && (first & 0x06) === 0x04) this.#inflight++;
    this.#afterPublish();
  }

  #passed(): void {
    if (this.#stallAfter === 0) return;
    if (this.#stallAfter === stall.connect) this.#deadline.cancel();
    this.#stall(this.#stallAfter);
    this.#stallAfter = 0;
  }

  #afterPublish(): void {
    if (this.#inflight >= this.#limits.maxInflight) this.#stall(stall.inflight);
    if (this.outlet.congested) this.#stall(stall.output);
    const waitMs = this.#bucket.take();
    if (waitMs > 0) this.#waitForToken(waitMs);
  }

  /** Each packet costs one token, paid by the one before it. */
  #waitForToken(waitMs: number): void {
    this.#hooks.onPause(this);
    this.#stall(stall.rate);
    const tryAgain = () => {
      const moreMs = this.#bucket.take();
      if (this.destroyed || moreMs === 0) this.#resume(stall.rate);
      else this.#clock.after(moreMs, tryAgain);
    };
    this.#clock.after(waitMs, tryAgain);
  }
}
