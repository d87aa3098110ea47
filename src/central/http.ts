import type { Server } from 'node:tls';
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import { networkMatcher } from '../config/index.ts';
import { HoldfastError } from '../errors.ts';
import {
  answerOptions,
  type ConnectionLimits,
  defaultConnectionLimits,
  limitConnections,
  listenHost,
} from '../http/index.ts';
import { type CertificateMaterial, contextOptions } from '../platform/index.ts';

/** The state of the centre. What stands beside `ok` and `status` is for callers on the same computer. */
export interface CentralHealth {
  /** False while starting and stopping only: a restart mends neither a broker nor a database that is away. */
  readonly ok: boolean;
  /** `degraded`: the broker or the database is away, or a queue cannot be read. */
  readonly status: 'ok' | 'degraded' | 'starting' | 'stopping';
  readonly [detail: string]: unknown;
}

/** What the server is made of. */
export interface CentralHttpOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** HTTPS in the place of HTTP. */
  readonly tls?: CertificateMaterial | undefined;
  readonly health: () => CentralHealth;
  readonly metrics: { readonly contentType: string; metrics(): Promise<string> };
  /** More routes: queries, uploads. */
  readonly routes?: readonly ((app: FastifyInstance) => void)[];
  readonly limits?: ConnectionLimits;
}

const isLoopback = networkMatcher([]);
/** Until a request's headers are there; Node looks only so often, by itself every 30 s. */
const timing = { headersTimeout: 10_000, connectionsCheckingInterval: 2500 };

/** The centre's HTTP server: `/healthz` for anybody, `/metrics` for callers on the same computer. */
export class CentralHttp {
  readonly #options: CentralHttpOptions;
  #app: FastifyInstance | undefined;

  constructor(options: CentralHttpOptions) {
    this.#options = options;
  }

  /** The port that is listened on; undefined while stopped. */
  get port(): number | undefined {
    const address = this.#app?.server.address();
    return typeof address === 'object' ? address?.port : undefined;
  }

  /** Listens. Rejects with `port-taken`, or Node's error for another reason. */
  async start(): Promise<void> {
    if (this.#app !== undefined) return;
    const { host, port, tls, health, metrics, routes = [], limits = defaultConnectionLimits } = this.#options;
    const app = fastify({
      ...(tls === undefined ? { http: timing } : { https: { ...timing, ...contextOptions(tls) } }),
      bodyLimit: 1_048_576,
      requestTimeout: 30_000,
      forceCloseConnections: true,
      routerOptions: { ignoreTrailingSlash: true },
      // Fastify's own lines hold the URL with its query.
      logger: false,
      // Its answer to a URL that cannot be decoded repeats it, and with it a token.
      frameworkErrors: (_error, _request, reply) =>
        (reply as unknown as FastifyReply).status(400).send({ error: 'bad-request' }),
    }) as unknown as FastifyInstance;
    limitConnections(app.server, limits);
    // Fastify's own answer repeats the URL, and with it a token.
    answerOptions(app);
    app.setNotFoundHandler((_request, reply) => reply.status(404).send({ error: 'not-found' }));
    app.get('/healthz', (request, reply) => {
      const state = health();
      reply.status(state.ok ? 200 : 503).header('cache-control', 'no-store');
      return reply.send(isLoopback(request.socket.remoteAddress) ? state : { ok: state.ok, status: state.status });
    });
    app.get('/metrics', async (request, reply) => {
      if (!isLoopback(request.socket.remoteAddress)) return reply.status(403).send({ error: 'forbidden' });
      return reply.type(metrics.contentType).send(await metrics.metrics());
    });
    for (const add of routes) add(app);
    try {
      await app.listen({ host: listenHost(host), port });
    } catch (error) {
      await app.close();
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      throw new HoldfastError('port-taken', `central.http.port: another program listens on ${host}:${port}`, error);
    }
    this.#app = app;
  }

  /** Uses another certificate for connections from now on; those that stand live on. Throws what the TLS library says. */
  setCertificate(material: CertificateMaterial): void {
    (this.#app?.server as unknown as Server | undefined)?.setSecureContext(contextOptions(material));
  }

  /** Closes. Idempotent. */
  async stop(): Promise<void> {
    const app = this.#app;
    this.#app = undefined;
    await app?.close();
  }
}
