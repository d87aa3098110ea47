/**
 * The HTTP side of the box: reports by POST, health and figures; other rooms add their routes with `routes`.
 *
 * Invariants: a report is answered 202 only after `Intake.accept` has resolved; a password is taken over plain HTTP
 * from `plainFrom` alone; bodies, connections, header time and requests per client are limited; query strings and
 * credentials are never logged. The same routes are served on every port.
 * Failure behaviour: every refusal is JSON `{error, message}` with a code that says whether to come again; a taken port
 * fails `start()` with `port-taken`.
 */
import type { Server } from 'node:tls';
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import type { Access } from '../broker/index.ts';
import { HoldfastError } from '../errors.ts';
import type { Intake } from '../intake/types.ts';
import { type Counters, countBy } from '../metrics.ts';
import { type CertificateMaterial, type Clock, contextOptions, type Logger } from '../platform/index.ts';
import { type ConnectionLimits, defaultConnectionLimits, limitConnections, listenHost } from './connection-limit.ts';
import { answerOptions } from './options.ts';
import { answerError, type Problem } from './problems.ts';
import { reportRoutes } from './report-routes.ts';
import { type Health, type MetricsText, statusRoutes } from './status-routes.ts';

/** Where to listen; port 0 takes a free one. */
export interface HttpListenOptions {
  readonly host: string;
  readonly port: number;
  readonly alsoListen: readonly number[];
  readonly tls: (CertificateMaterial & { readonly port: number }) | undefined;
}

/** Limits of the server; `defaultHttpLimits` has what the configuration does not name. */
export interface HttpLimits extends ConnectionLimits {
  readonly maxBodyBytes: number;
  /** Until a request's headers have arrived, and until all of it has. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Reports per second and user on average; more are answered 429. 0 = no limit. */
  readonly ratePerSecond: number;
  /** Reports on their way to the disk; more are answered 429. */
  readonly maxInflight: number;
  /** How long requests under way are waited for when the server stops. */
  readonly stopWithinMs: number;
}

export const defaultHttpLimits: HttpLimits = {
  ...defaultConnectionLimits,
  maxBodyBytes: 1_048_576,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  ratePerSecond: 1000,
  maxInflight: 1024,
  stopWithinMs: 3000,
};

/** What the server is made of. */
export interface HttpServerOptions {
  readonly listen: HttpListenOptions;
  readonly access: Access;
  readonly intake: Intake;
  /** Whether a password may be taken from this address without TLS. */
  readonly mayBePlain: (address: string | undefined) => boolean;
  /** The state of the box, asked at each `/healthz`. */
  readonly health: () => Health;
  /** The figures, asked at each `/metrics`. */
  readonly metrics: MetricsText;
  /** Opens `/metrics` to callers on other computers. */
  readonly metricsToken: string | undefined;
  /** More routes, for every port. */
  readonly routes?: readonly ((app: FastifyInstance) => void)[];
  readonly limits: HttpLimits;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The HTTP server. `start()` listens on every port, `stop()` answers what is under way and closes. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  #apps: FastifyInstance[] = [];
  #cuts: (() => void)[] = [];
  #secure: FastifyInstance | undefined;
  #ports: { plain: number[]; tls: number | undefined } = { plain: [], tls: undefined };

  constructor(options: HttpServerOptions) {
    this.#options = options;
  }

  /** The ports that are listened on: the main one first. */
  get ports(): { readonly plain: readonly number[]; readonly tls: number | undefined } {
    return this.#ports;
  }

  /** Listens. Rejects with `port-taken`, or Node's error for another reason; then nothing is left open. */
  async start(): Promise<void> {
    if (this.#apps.length > 0) return;
    const { host, port, alsoListen, tls } = this.#options.listen;
    try {
      const plain: number[] = [];
      for (const [index, each] of [port, ...alsoListen].entries()) {
        plain.push(await this.#listen(undefined, host, each, index === 0 ? 'http.port' : 'http.alsoListen'));
      }
      const secure = tls === undefined ? undefined : await this.#listen(tls, host, tls.port, 'http.tlsPort');
      this.#ports = { plain, tls: secure };
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Uses another certificate for connections from now on; those that stand live on. Throws what the TLS library says. */
  setCertificate(material: CertificateMaterial): void {
    (this.#secure?.server as unknown as Server | undefined)?.setSecureContext(contextOptions(material));
  }

  /** Closes; requests under way are answered, as long as `stopWithinMs` allows, and idle connections are cut. */
  async stop(): Promise<void> {
    const apps = this.#apps;
    const cuts = this.#cuts;
    this.#apps = [];
    this.#cuts = [];
    this.#secure = undefined;
    this.#ports = { plain: [], tls: undefined };
    const { clock, limits } = this.#options;
    // Node ends no request that is late once it closes, and no connection without one: it would wait for them for ever.
    const timer = clock.after(limits.stopWithinMs, () => {
      for (const cut of cuts) cut();
    });
    await Promise.all(apps.map((app) => app.close())).finally(() => timer.cancel());
  }

  async #listen(tls: HttpListenOptions['tls'], host: string, port: number, key: string): Promise<number> {
    const app = this.#createApp(tls);
    this.#apps.push(app);
    if (tls !== undefined) this.#secure = app;
    try {
      await app.listen({ host: listenHost(host), port });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      throw new HoldfastError('port-taken', `${key}: another program listens on ${host}:${port}`, error);
    }
    const address = app.server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  #createApp(tls: HttpListenOptions['tls']): FastifyInstance {
    const { limits, counters, logger, routes = [] } = this.#options;
    const { headersTimeoutMs, requestTimeoutMs, maxBodyBytes } = limits;
    const timing = {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      // Node looks only so often; its own 30 s would make every timeout up to that much longer.
      connectionsCheckingInterval: Math.max(50, Math.min(headersTimeoutMs, requestTimeoutMs) / 4),
    };
    const own =
      tls === undefined
        ? { http: timing }
        : { https: { ...timing, handshakeTimeout: headersTimeoutMs, ...contextOptions(tls) } };
    const app = fastify({
      ...own,
      bodyLimit: maxBodyBytes,
      requestTimeout: requestTimeoutMs,
      forceCloseConnections: 'idle',
      routerOptions: { ignoreTrailingSlash: true },
      // What Fastify refuses by itself, such as a path that is not UTF-8. Its own answer repeats the URL, and with it a token.
      frameworkErrors: (error, _request, reply) => {
        const problem = byStatus.get(error.statusCode ?? 400) ?? 'bad-request';
        countBy(counters.httpAnswers, String(error.statusCode ?? 400));
        answerError(reply as FastifyReply, problem);
      },
      // Fastify's own lines hold the URL with its query.
      logger: false,
      // No route has a schema; Fastify would load two compilers for them all the same.
      schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    }) as unknown as FastifyInstance;
    this.#cuts.push(limitConnections(app.server, limits));
    // Small clients say that they have nothing more to send, and then wait for the answer: Node would hang up on them.
    (app.server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true;
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    app.addHook('onResponse', (_request, reply, done) => {
      countBy(counters.httpAnswers, String(reply.statusCode));
      done();
    });
    answerOptions(app);
    app.setNotFoundHandler((_request, reply) => answerError(reply, 'not-found'));
    app.setErrorHandler((error: { statusCode?: number }, request, reply) => {
      const { statusCode = 500 } = error;
      const problem = byStatus.get(statusCode) ?? (statusCode < 500 ? 'bad-request' : 'internal');
      if (problem === 'internal') logger.error({ err: error, method: request.method }, 'An HTTP request failed');
      return answerError(reply, problem);
    });
    reportRoutes(app, this.#options);
    statusRoutes(app, this.#options);
    for (const add of routes) add(app);
    return app;
  }
}

function noSchemas(): never {
  throw new Error('schemas of routes are not compiled here');
}

const byStatus = new Map<number, Problem>([
  [404, 'not-found'],
  [408, 'timeout'],
  [413, 'too-large'],
]);
