import type { Duplex } from 'node:stream';
import type { MqttClient } from 'mqtt';
import { deferred } from './deferred.ts';
import { NodeError, textOf } from './node-error.ts';
import { openSocket } from './open-socket.ts';
import type { Connect, ConnectOptions, Session, SessionListener } from './session.ts';

const keepaliveS = 15;
const connackTimeoutMs = 10_000;
/** After DISCONNECT the other side has so long to close. */
const goodbyeMs = 500;
const refusedSubscription = 0x80;

/**
 * One MQTT 3.1.1 connection by mqtt.js, which is loaded by the first one only: a Node-RED without a gateway node pays
 * nothing for it. The library neither reconnects nor sends again: that is the client's, which knows what is pending.
 */
export const connectMqtt: Connect = async (options, listener) => {
  const [{ MqttClient }, socket] = await Promise.all([import('mqtt'), openSocket(options.connection, options.signal)]);
  const { connection, clientId } = options;
  const client = new MqttClient(() => socket as never, {
    protocolVersion: 4,
    clientId,
    clean: false,
    keepalive: keepaliveS,
    connectTimeout: connackTimeoutMs,
    username: connection.username,
    password: connection.password,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // A table of 65,536 buffers: 10 MB.
    writeCache: false,
  });
  const session = new MqttSession({ client, socket, listener, connection });
  await session.welcome(options.signal);
  return session;
};

interface MqttSessionOptions {
  readonly client: MqttClient;
  readonly socket: Duplex;
  readonly listener: SessionListener;
  readonly connection: ConnectOptions['connection'];
}

class MqttSession implements Session {
  readonly #client: MqttClient;
  readonly #socket: Duplex;
  readonly #listener: SessionListener;
  readonly #where: string;
  readonly #welcome = deferred<void>();
  readonly #subscribing = new Set<(error: NodeError) => void>();
  #isWelcome = false;
  #closing: Promise<void> | undefined;
  #ended = false;

  constructor({ client, socket, listener, connection }: MqttSessionOptions) {
    this.#client = client;
    this.#socket = socket;
    this.#listener = listener;
    this.#where = connection.where;
    this.#welcome.promise.catch(() => undefined);
    client.on('connect', () => {
      this.#isWelcome = true;
      this.#welcome.resolve();
    });
    client.on('message', (topic, payload) => {
      if (!this.#ended) listener.onMessage(topic, payload);
    });
    client.on('error', (error) => this.#fail(error));
    client.on('close', () => this.#fail(undefined));
  }

  async welcome(signal: AbortSignal): Promise<void> {
    const abort = () => this.#fail(undefined);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      await this.#welcome.promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  publish(topic: string, payload: Buffer, acknowledged: () => void): void {
    if (this.#ended) return;
    this.#client.publish(topic, payload, { qos: 1 }, (error) => {
      if (!error && !this.#ended) acknowledged();
    });
  }

  subscribe(filter: string): Promise<boolean> {
    if (this.#ended) return Promise.reject(lost(this.#where, undefined));
    const { promise, resolve, reject } = deferred<boolean>();
    // The library calls back for nothing that a lost connection has left open.
    this.#subscribing.add(reject);
    this.#client.subscribe(filter, { qos: 1 }, (error, granted) => {
      this.#subscribing.delete(reject);
      if (this.#ended) return;
      resolve(!error && !granted?.some(({ qos }) => (qos as number) >= refusedSubscription));
    });
    return promise;
  }

  unsubscribe(filter: string): void {
    if (!this.#ended) this.#client.unsubscribe(filter, () => undefined);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ended = true;
    for (const reject of this.#subscribing) reject(lost(this.#where, undefined));
    this.#subscribing.clear();
    if (this.#socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#socket.destroy(), goodbyeMs);
      this.#socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      // DISCONNECT only: the library's own end() would first wait for all that is under way.
      this.#socket.end(Buffer.from([0xe0, 0x00]));
    });
    this.#client.end(true);
  }

  #fail(cause: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const error = refusal(cause, this.#where) ?? lost(this.#where, cause);
    for (const reject of this.#subscribing) reject(error);
    this.#subscribing.clear();
    this.#socket.destroy();
    this.#client.end(true);
    if (this.#isWelcome) this.#listener.onClosed(error);
    else this.#welcome.reject(error);
  }
}

/** CONNACK 4 and 5: only other settings help. */
function refusal(cause: unknown, where: string): NodeError | undefined {
  const code = (cause as { code?: unknown } | undefined)?.code;
  if (code !== 4 && code !== 5) return undefined;
  return new NodeError(
    'bad-credentials',
    `${where} does not take this user name and password: compare them with mqtt.clients in the box's configuration`,
    { cause },
  );
}

function lost(where: string, cause: Error | undefined): NodeError {
  const detail = cause ? ` (${textOf(cause)})` : '';
  return new NodeError('connection-lost', `the connection to ${where} was closed${detail}`, { cause });
}
