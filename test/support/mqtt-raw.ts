import { connect, type Socket } from 'node:net';

/** A packet as it came: its first byte and its body. */
export interface RawPacket {
  readonly first: number;
  readonly type: number;
  readonly body: Buffer;
}

/** A string as MQTT writes it. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** A packet with its fixed header. */
export function packet(first: number, ...parts: (Buffer | number[])[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const header = [first];
  let rest = body.length;
  for (; rest >= 128; rest >>>= 7) header.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...header, rest]), body]);
}

const twoBytes = (value: number) => [value >> 8, value & 0xff];

/** What a CONNECT may say. */
export interface ConnectOptions {
  readonly id?: string;
  readonly clean?: boolean;
  readonly username?: string;
  readonly password?: string;
  readonly keepalive?: number;
  readonly will?: { readonly topic: string; readonly payload: string };
  readonly version?: 3 | 4;
}

export function connectPacket(options: ConnectOptions = {}): Buffer {
  const { id = 'raw', clean = true, username, password, keepalive = 0, will, version = 4 } = options;
  const flags =
    (clean ? 2 : 0) | (will ? 4 : 0) | (password === undefined ? 0 : 0x40) | (username === undefined ? 0 : 0x80);
  return packet(
    0x10,
    text(version === 3 ? 'MQIsdp' : 'MQTT'),
    [version, flags, ...twoBytes(keepalive)],
    text(id),
    ...(will ? [text(will.topic), text(will.payload)] : []),
    ...(username === undefined ? [] : [text(username)]),
    ...(password === undefined ? [] : [text(password)]),
  );
}

/** What a PUBLISH may say; `id` is needed for QoS 1 and 2. */
export interface PublishOptions {
  readonly qos?: 0 | 1 | 2;
  readonly id?: number;
  readonly dup?: boolean;
  readonly retain?: boolean;
}

export function publishPacket(topic: string, payload: Buffer | string, options: PublishOptions = {}): Buffer {
  const { qos = 1, id = 1, dup = false, retain = false } = options;
  const first = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  return packet(first, text(topic), qos === 0 ? [] : twoBytes(id), Buffer.from(payload));
}

export const subscribePacket = (topic: string, qos = 1, id = 1): Buffer =>
  packet(0x82, twoBytes(id), text(topic), [qos]);
export const unsubscribePacket = (topic: string, id = 1): Buffer => packet(0xa2, twoBytes(id), text(topic));
export const acknowledge = (first: number, id: number): Buffer => packet(first, twoBytes(id));

/** An MQTT client that writes and reads bytes, and does nothing by itself. */
export class RawClient {
  readonly socket: Socket;
  readonly packets: RawPacket[] = [];
  readonly closed: Promise<void>;
  isClosed = false;
  #rest = Buffer.alloc(0);
  #wake: (() => void)[] = [];

  constructor(port: number, socket: Socket = connect(port, '127.0.0.1')) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.isClosed = true;
        this.#wakeAll();
        resolve();
      });
    });
  }

  /** Connects and returns the client and the CONNACK's return code. */
  static async open(port: number, options: ConnectOptions = {}): Promise<RawClient> {
    const client = new RawClient(port);
    client.write(connectPacket(options));
    const connack = await client.next(2);
    if (connack.body[1] !== 0) throw new Error(`CONNACK ${connack.body[1]}`);
    return client;
  }

  write(...parts: Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** Takes the next packet of a type out of what came; rejects when the connection closes or nothing comes for 20 s. */
  async next(type: number): Promise<RawPacket> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const index = this.packets.findIndex((each) => each.type === type);
      if (index >= 0) return this.packets.splice(index, 1)[0]!;
      if (this.isClosed) throw new Error(`closed while waiting for a packet of type ${type}`);
      if (Date.now() > deadline) throw new Error(`no packet of type ${type}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Subscribes and returns what was granted. */
  async subscribe(topic: string, qos = 1): Promise<number> {
    this.write(subscribePacket(topic, qos));
    return (await this.next(9)).body[2]!;
  }

  close(): Promise<void> {
    this.socket.destroy();
    return this.closed;
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#takeOne());
    this.#wakeAll();
  }

  /** Takes a packet off what was read; false when it is not whole. */
  #takeOne(): boolean {
    let length = 0;
    let at = 1;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#rest[at++];
      if (byte === undefined) return false;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    if (this.#rest.length < at + length) return false;
    const first = this.#rest[0]!;
    this.packets.push({ first, type: first >> 4, body: this.#rest.subarray(at, at + length) });
    this.#rest = this.#rest.subarray(at + length);
    return true;
  }

  #wakeAll(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const each of wake) each();
  }
}

/** The parts of a PUBLISH that came. */
export function readPublish({ first, body }: RawPacket): { topic: string; id: number; payload: Buffer; dup: boolean } {
  const topicEnd = 2 + body.readUInt16BE(0);
  const hasId = (first & 6) !== 0;
  return {
    topic: body.toString('utf8', 2, topicEnd),
    id: hasId ? body.readUInt16BE(topicEnd) : 0,
    payload: body.subarray(topicEnd + (hasId ? 2 : 0)),
    dup: (first & 8) !== 0,
  };
}
