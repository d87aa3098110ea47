/**
 * The broker of a centre that has no RabbitMQ (the demo's): MQTT for gateways, straight into the store.
 *
 * Invariants: a gateway publishes on its own topics and reads its own answers, nothing else; PUBACK says only that the
 * message is in hand, the receipt says that it is stored. Messages in hand are bounded: beyond the limit PUBACK waits.
 * Failure behaviour: what is in hand is lost with the process, and the gateway, having no receipt, sends it again. While
 * the store takes nothing the batch is tried again with growing pauses. Receipts are QoS 0: nothing is kept for a
 * gateway that is away; control messages are QoS 1 and wait in the outbox until the gateway has acknowledged them.
 * Meant for a closed network or loopback: packet sizes of known gateways are not limited.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { Aedes, type AuthenticateError, type AuthorizePublishHandler, type Client } from 'aedes';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import { authorizationChannel } from '../protocols/machines/index.ts';
import { Backoff } from '../uplink/index.ts';
import { Batcher } from './batcher.ts';
import type { Courier } from './control-push.ts';
import type { Answer, Arrival, Taker } from './ingest.ts';
import type { CentralCounters } from './metrics.ts';
import { Pauses } from './pauses.ts';
import { controlTopic, readTopic, receiptTopic } from './sources.ts';

/** What the broker is made of. */
export interface EmbeddedBrokerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Who may connect: the gateway's id is the user name. */
  readonly gateways: readonly { readonly id: string; readonly password: string }[];
  /** Stores reports. */
  readonly ingest: Taker;
  /** Answers authorization queries. */
  readonly desk: Taker;
  /** A gateway listens to its control topic from now on. */
  readonly onListening?: (gatewayId: string) => void;
  readonly counters: CentralCounters;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly batchSize: number;
  /** Messages in hand beyond which PUBACK waits. */
  readonly maxInHand: number;
}

interface Taken {
  readonly arrival: Arrival;
  readonly release: () => void;
}

const batchBytes = 8 * 1024 * 1024;
const lingerMs = 2;
const queryRetryMs = 200;
/** So long a gateway may take to acknowledge a control message, in ms. */
const acknowledgeWithinMs = 10_000;
const badCredentials = 4;
const digest = (text: string | Buffer) => createHash('sha256').update(text).digest();

export class EmbeddedBroker implements Courier {
  readonly #options: EmbeddedBrokerOptions;
  readonly #passwords: ReadonlyMap<string, Buffer>;
  readonly #users = new WeakMap<Client, string>();
  readonly #sockets = new Set<Socket>();
  /** Connections that listen to the control topic of a gateway. */
  readonly #listening = new Map<string, Client>();
  /** What waits for its acknowledgement, by the very bytes that were sent. */
  readonly #unacknowledged = new WeakMap<Uint8Array, () => void>();
  #run: { aedes: Aedes; server: Server; batcher: Batcher<Taken>; queries: Batcher<Taken>; pauses: Pauses } | undefined;
  #held: (() => void)[] = [];
  #inHand = 0;
  #work: Promise<void> = Promise.resolve();
  #queryWork: Promise<void> = Promise.resolve();

  constructor(options: EmbeddedBrokerOptions) {
    this.#options = options;
    this.#passwords = new Map(options.gateways.map(({ id, password }) => [id, digest(password)]));
  }

  /** The port that is listened on; undefined while stopped. */
  get port(): number | undefined {
    const address = this.#run?.server.address();
    return typeof address === 'object' && address !== null ? address.port : undefined;
  }

  /** Messages taken over and not yet stored. */
  get inHand(): number {
    return this.#inHand;
  }

  /** Listens. Rejects with `port-taken`, or Node's error for another reason. */
  async start(): Promise<void> {
    if (this.#run !== undefined) return;
    const { host, port, clock, batchSize } = this.#options;
    const aedes = new Aedes({ connectTimeout: 5000 });
    const pauses = new Pauses(clock);
    const backoff = new Backoff({ firstMs: 200, maxMs: 5000, stableMs: 1000, clock });
    const batcher = new Batcher<Taken>({
      maxItems: batchSize,
      maxBytes: batchBytes,
      lingerMs,
      clock,
      work: (batch) => {
        this.#work = this.#store(batch, pauses, backoff);
        return this.#work;
      },
      onFailure: (error) => this.#options.logger.error({ error: String(error) }, 'reports were not stored'),
    });
    const queries = new Batcher<Taken>({
      maxItems: batchSize,
      maxBytes: batchBytes,
      lingerMs: 0,
      clock,
      work: (batch) => {
        this.#queryWork = this.#store(batch, pauses, undefined);
        return this.#queryWork;
      },
      onFailure: (error) => this.#options.logger.error({ error: String(error) }, 'queries were not answered'),
    });
    aedes.authenticate = (client, username, password, done) => this.#authenticate(client, username, password, done);
    aedes.authorizeSubscribe = (client, subscription, done) => {
      const own = `holdfast/${client && this.#users.get(client)}/down/`;
      done(null, subscription.topic.startsWith(own) ? subscription : null);
    };
    aedes.on('subscribe', (subscriptions, client) => {
      const user = this.#users.get(client);
      if (user === undefined || !subscriptions.some(({ topic }) => topic.startsWith(`holdfast/${user}/down/`))) return;
      this.#listening.set(user, client);
      this.#options.onListening?.(user);
    });
    aedes.on('clientDisconnect', (client) => {
      const user = this.#users.get(client);
      if (user !== undefined && this.#listening.get(user) === client) this.#listening.delete(user);
    });
    aedes.on('ack', (packet) => {
      const payload = (packet as { payload?: unknown } | undefined)?.payload;
      if (Buffer.isBuffer(payload)) this.#unacknowledged.get(payload)?.();
    });
    aedes.authorizePublish = (client, packet, done) => this.#publish(client, packet, done);
    await aedes.listen();
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      aedes.handle(socket);
    });
    this.#run = { aedes, server, batcher, queries, pauses };
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, resolve);
      });
    } catch (error) {
      await this.stop();
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      throw new HoldfastError('port-taken', `the centre's broker: another program listens on ${host}:${port}`, error);
    }
  }

  /** Stores and answers the batch under way and closes. Idempotent. */
  async stop(): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    run.batcher.stop();
    run.queries.stop();
    run.pauses.endAll();
    await this.#work.catch(() => {});
    await this.#queryWork.catch(() => {});
    await new Promise<void>((resolve) => run.aedes.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => run.server.close(() => resolve()));
    this.#held = [];
    this.#listening.clear();
    this.#inHand = 0;
  }

  /** Brings a message to a gateway that listens; resolves with true once that has acknowledged it. */
  async deliver(gateway: string, _via: unknown, body: Buffer): Promise<boolean> {
    const client = this.#listening.get(gateway);
    if (this.#run === undefined || client === undefined) return false;
    // The acknowledgement is known by these bytes, so each message has its own.
    const payload = Buffer.from(body);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#unacknowledged.set(payload, () => resolve(true));
    const timer = this.#options.clock.after(acknowledgeWithinMs, () => resolve(false));
    const gone = () => resolve(false);
    client.conn.once('close', gone);
    const topic = controlTopic(gateway);
    client.publish({ cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false }, (error) => {
      if (error) resolve(false);
    });
    const delivered = await promise;
    timer.cancel();
    client.conn.off('close', gone);
    this.#unacknowledged.delete(payload);
    return delivered;
  }

  #authenticate(
    client: Client,
    username: string | undefined,
    password: Buffer | undefined,
    done: (error: AuthenticateError | null, success: boolean | null) => void,
  ): void {
    const known = username === undefined ? undefined : this.#passwords.get(username);
    if (known === undefined || password === undefined || !timingSafeEqual(known, digest(password))) {
      done(Object.assign(new Error('bad user name or password'), { returnCode: badCredentials }), null);
      return;
    }
    this.#users.set(client, username!);
    done(null, true);
  }

  #publish(...[client, packet, done]: Parameters<AuthorizePublishHandler>): void {
    const { counters, clock, maxInHand } = this.#options;
    const body = Buffer.isBuffer(packet.payload) ? packet.payload : Buffer.from(packet.payload);
    const arrival = readTopic(packet.topic, body, clock.wallMs());
    if (client === null || arrival === undefined || arrival.gateway !== this.#users.get(client)) {
      done(new Error('not a topic of this gateway'));
      return;
    }
    if (this.#run === undefined) {
      done(new Error('the centre is stopping'));
      return;
    }
    packet.retain = false;
    counters.received++;
    this.#inHand++;
    const hold = this.#inHand > maxInHand;
    const { batcher, queries } = this.#run;
    const line = arrival.channel === authorizationChannel ? queries : batcher;
    line.add({ arrival, release: () => this.#release() }, body.length);
    if (hold) this.#held.push(() => done(null));
    else done(null);
  }

  #release(): void {
    this.#inHand--;
    this.#held.shift()?.();
  }

  /** `backoff` is that of reports; queries are tried again at even pauses, as long as the desk thinks them worth it. */
  async #store(batch: readonly Taken[], pauses: Pauses, backoff: Backoff | undefined): Promise<void> {
    const arrivals = batch.map(({ arrival }) => arrival);
    const answers = await this.#take(arrivals, pauses, backoff);
    for (const [index, { arrival, release }] of batch.entries()) {
      if (answers !== undefined) this.#answer(arrival, answers[index]!);
      release();
    }
  }

  /** undefined when the batch is given up: because of the end, or because the gateway repeats it anyway. */
  async #take(
    arrivals: readonly Arrival[],
    pauses: Pauses,
    backoff: Backoff | undefined,
  ): Promise<Answer[] | undefined> {
    const { ingest, desk, counters, logger } = this.#options;
    while (!pauses.over) {
      try {
        const answers = await (backoff === undefined ? desk : ingest).take(arrivals);
        backoff?.succeeded();
        return answers;
      } catch (error) {
        counters.databaseFailures++;
        if (!isHoldfastError(error, 'database-unreachable')) {
          logger.error({ error: String(error) }, 'a batch was given up; its gateways send it again');
          return undefined;
        }
        await pauses.pause(backoff === undefined ? queryRetryMs : 100 + backoff.next());
      }
    }
    return undefined;
  }

  #answer({ gateway, messageId }: Arrival, { body }: Answer): void {
    if (gateway === undefined || messageId === undefined || body === undefined) return;
    this.#options.counters.receipts++;
    this.#run?.aedes.publish(
      { cmd: 'publish', topic: receiptTopic(gateway, messageId), payload: body, qos: 0, retain: false, dup: false },
      () => {},
    );
  }
}
