/**
 * A stand-in for the gateway's side of contracts/nodes.md, on a real MQTT broker, with a disk, a centre and a memory that
 * the test holds in its hand. What it remembers (`disk`, ids, sessions) survives `stop` and `start` on the same address.
 */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Aedes, type Client } from 'aedes';

export interface StoredReport {
  readonly client: string;
  readonly id: string;
  readonly channel: string;
  readonly body: unknown;
  readonly sequence: number;
}

type Answer = Readonly<Record<string, unknown>>;

export interface ScriptedGatewayOptions {
  /** A Unix socket's path; else a free port of 127.0.0.1. */
  readonly path?: string;
  readonly tls?: { cert: Buffer; key: Buffer };
  readonly username?: string;
  readonly password?: string;
}

export class ScriptedGateway {
  readonly username: string;
  password: string;
  port = 0;
  /** What reached the disk: each id once. */
  readonly disk: StoredReport[] = [];
  /** Every report packet that came, also repeats. */
  readonly received: string[] = [];
  readonly questions: { kind: string; id: string; body: Answer }[] = [];
  readonly clientIds: string[] = [];
  refusedLogins = 0;
  /** `broken`: the connection is closed without PUBACK; `silent`: it is stored, and no answer is sent. */
  mode: 'store' | 'broken' | 'silent' = 'store';
  /** Answers `delivered` right after `stored`. */
  deliversAtOnce = true;
  /** By id or channel: fails with this code instead of being stored. */
  readonly failing = new Map<string, { code: string; text: string }>();
  authorize: (query: Answer) => Answer | undefined = () => ({
    granted: true,
    error: '',
    source: 'centre',
    until: null,
  });
  query: (request: Answer) => Answer | undefined = (request) => ({ status: 200, body: { 错误: '', asked: request } });
  /** Filters that are answered with 0x80. */
  readonly refusedFilters = new Set<string>();
  readonly filters: string[] = [];
  /** Whether a SUBSCRIBE is answered, left open, or ends the connection. */
  subscribing: 'answer' | 'silent' | 'drop' = 'answer';
  uplink: Answer = { connected: true, pending: 0, since: '2024-03-18T15:30:45.000Z' };
  readonly #options: ScriptedGatewayOptions;
  readonly #results = new Map<string, { delivered: boolean; failed?: Answer }>();
  readonly #sockets = new Set<Socket>();
  #persistence: unknown;
  #broker: Aedes | undefined;
  #server: Server | undefined;

  constructor(options: ScriptedGatewayOptions = {}) {
    this.#options = options;
    this.username = options.username ?? 'flow-1';
    this.password = options.password ?? 'secret';
  }

  get connected(): number {
    return this.#sockets.size;
  }

  async start(): Promise<void> {
    const broker = await Aedes.createBroker(this.#persistence ? { persistence: this.#persistence as never } : {});
    this.#persistence = (broker as unknown as { persistence: unknown }).persistence;
    this.#broker = broker;
    broker.authenticate = (client, username, password, done) => {
      this.clientIds.push(client.id);
      const right = username === this.username && password?.toString() === this.password;
      if (!right) this.refusedLogins++;
      done(right ? null : Object.assign(new Error('no'), { returnCode: 4 as never }), right);
    };
    broker.authorizeSubscribe = (_client, subscription, done) => {
      this.filters.push(subscription.topic);
      if (this.subscribing === 'drop') return void this.dropConnections();
      if (this.subscribing === 'silent') return;
      if (this.refusedFilters.has(subscription.topic)) return done(null, null);
      done(null, subscription);
      if (subscription.topic === 'holdfast/local/uplink') setImmediate(() => this.tellUplink());
    };
    broker.authorizePublish = (client, packet, done) => {
      const [, , name, kind, id] = packet.topic.split('/');
      const body = JSON.parse(packet.payload.toString()) as Answer;
      if (name !== this.username || !kind || !id) return done(new Error('a foreign topic'));
      if (kind === 'report') this.#onReport(client!, id, body, done);
      else {
        done(null);
        this.#onQuestion(kind, id, body);
      }
    };
    const accept = (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
      broker.handle(socket);
    };
    const { tls, path } = this.#options;
    const server = tls ? createTlsServer(tls, accept) : createServer(accept);
    this.#server = server as Server;
    if (path) rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      if (path) server.listen(path, resolve);
      else server.listen(this.port, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (typeof address === 'object' && address) this.port = address.port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    // A closed broker's persistence is closed with it; this one is used again.
    const broker = this.#broker as unknown as { persistence: { destroy: (done: () => void) => void } };
    broker.persistence.destroy = (done) => done?.();
    await new Promise<void>((resolve) => this.#broker?.close(() => resolve()));
  }

  /** Forgets the sessions, as a gateway without memory of them. */
  forgetSessions(): void {
    this.#persistence = undefined;
  }

  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  send(kind: string, id: string, body: Answer): void {
    this.publish(`holdfast/local/${this.username}/${kind}/${id}`, Buffer.from(JSON.stringify(body)));
  }

  deliver(id: string): void {
    this.#results.set(id, { delivered: true });
    this.send('delivered', id, {});
  }

  /** A report on disk fails later. */
  fail(id: string, code: string, text: string): void {
    this.#results.set(id, { delivered: false, failed: { code, text } });
    this.send('failed', id, { code, text });
  }

  tellUplink(): void {
    this.publish('holdfast/local/uplink', Buffer.from(JSON.stringify(this.uplink)));
  }

  publish(topic: string, payload: Buffer): void {
    this.#broker?.publish({ topic, payload, qos: 1, retain: false, cmd: 'publish', dup: false }, () => undefined);
  }

  #onReport(client: Client, id: string, { channel, body }: Answer, done: (error?: Error | null) => void): void {
    this.received.push(id);
    const failing = this.failing.get(id) ?? this.failing.get(String(channel));
    if (failing) {
      done(null);
      this.send('failed', id, failing);
      return;
    }
    if (this.mode === 'broken') {
      client.close();
      return;
    }
    let stored = this.disk.find((each) => each.id === id);
    if (!stored) {
      stored = { client: this.username, id, channel: String(channel), body, sequence: this.disk.length + 1 };
      this.disk.push(stored);
      this.#results.set(id, { delivered: this.deliversAtOnce });
    }
    done(null);
    if (this.mode === 'silent') return;
    this.send('stored', id, { sequence: stored.sequence });
    const result = this.#results.get(id);
    if (result?.delivered) this.send('delivered', id, {});
    else if (result?.failed) this.send('failed', id, result.failed);
  }

  #onQuestion(kind: string, id: string, body: Answer): void {
    this.questions.push({ kind, id, body });
    const answer = kind === 'authorize' ? this.authorize(body) : this.query(body);
    if (!answer) return;
    if ('code' in answer) this.send('failed', id, answer);
    else this.send(kind === 'authorize' ? 'authorized' : 'answer', id, answer);
  }
}
