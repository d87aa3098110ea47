import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { networkMatcher } from '../config/index.ts';
import { answerError } from './problems.ts';

/** The state of the box. Everything beside `ok` and `status` is for callers on the box itself. */
export interface Health {
  /** False only while starting, stopping, or when a lane refuses. */
  readonly ok: boolean;
  /** One word: `ok`, `degraded`, `starting`, `stopping`, `refusing`. */
  readonly status: string;
  readonly [detail: string]: unknown;
}

/** The figures in Prometheus' text format; undefined while there are none yet. */
export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string | undefined>;
}

/** What these routes need of the server. */
interface StatusRoutesOptions {
  readonly health: () => Health;
  readonly metrics: MetricsText;
  readonly metricsToken: string | undefined;
}

const isLoopback = networkMatcher([]);
const digest = (text: string) => createHash('sha256').update(text).digest();

/** `GET /healthz` (200 or 503) and `GET /metrics` (loopback, or with the token as Bearer). */
export function statusRoutes(app: FastifyInstance, { health, metrics, metricsToken }: StatusRoutesOptions): void {
  const tokenDigest = metricsToken === undefined ? undefined : digest(metricsToken);

  function mayReadMetrics(request: FastifyRequest): boolean {
    if (isLoopback(request.socket.remoteAddress)) return true;
    const token = /^bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    return token !== undefined && tokenDigest !== undefined && timingSafeEqual(digest(token), tokenDigest);
  }

  app.get('/healthz', (request, reply) => {
    const state = health();
    reply.status(state.ok ? 200 : 503).header('cache-control', 'no-store');
    return reply.send(isLoopback(request.socket.remoteAddress) ? state : { ok: state.ok, status: state.status });
  });

  app.get('/metrics', async (request, reply) => {
    if (!mayReadMetrics(request)) return answerError(reply, 'forbidden');
    const text = await metrics.text();
    // No figures are better than wrong ones: totals that begin at 0 would count as growth.
    if (text === undefined) return answerError(reply, 'starting');
    return reply.type(metrics.contentType).send(text);
  });
}
