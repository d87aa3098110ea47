import type { TLSSocket } from 'node:tls';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Attempts, addressKey } from '../accounts/attempts.ts';
import { networkMatcher } from '../config/index.ts';
import { type EnrolmentRefusal, readRequest } from '../enrolment/index.ts';
import { describeError } from '../errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import type { EnrolmentDesk } from './enrolment.ts';

/** What the routes need. */
export interface EnrolmentRoutesOptions {
  readonly desk: EnrolmentDesk;
  readonly clock: Clock;
  readonly logger: Logger;
}

const largestRequestBytes = 4096;
const isLoopback = networkMatcher([]);
const statusOf: Readonly<Record<EnrolmentRefusal, number>> = {
  malformed: 400,
  'https-required': 403,
  refused: 403,
  'other-gateway': 409,
  'gateway-taken': 409,
  'too-many': 429,
  unavailable: 503,
};

/** Ten wrong codes of one address are free, then it waits for longer and longer; so do all together after a hundred. */
const perAddress = { free: 10, firstDelayMs: 1000, maxDelayMs: 60_000, forgetMs: 900_000, capacity: 10_000 };
const together = { free: 100, firstDelayMs: 100, maxDelayMs: 5000, forgetMs: 60_000, capacity: 1 };

/** `POST /enrol` and `GET /enrol/key`: over HTTPS, or from this computer (a proxy that ends TLS, a test). */
export function enrolmentRoutes(app: FastifyInstance, options: EnrolmentRoutesOptions): void {
  const { desk, clock, logger } = options;
  const ofAddress = new Attempts(clock, perAddress);
  const ofAll = new Attempts(clock, together);

  // A scope of its own: only these routes take a body that is no JSON by its Content-Type.
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: largestRequestBytes }, (_request, body, done) =>
      done(null, body),
    );
    scope.addHook('onRequest', (request, reply, done) => {
      if (isSecure(request)) done();
      else refuse(reply, 'https-required');
    });

    scope.get('/enrol/key', (_request, reply) => {
      return reply.header('cache-control', 'no-store').type('application/x-pem-file').send(desk.publicPem);
    });

    scope.post('/enrol', async (request, reply) => {
      const address = addressKey(request.socket.remoteAddress);
      const waitMs = Math.max(ofAddress.waitMs(address), ofAll.waitMs(''));
      if (waitMs > 0) {
        reply.header('retry-after', Math.ceil(waitMs / 1000));
        return refuse(reply, 'too-many');
      }
      const attempts = [ofAddress.begin(address), ofAll.begin('')];
      const question = readRequest(parse(request.body));
      if (question === undefined) return refuse(reply, 'malformed');
      try {
        const outcome = await desk.redeem(question);
        if (outcome.kind === 'refused') return refuse(reply, outcome.kind);
        // Whoever has a good code is no guesser.
        for (const attempt of attempts) attempt.takeBack();
        if (outcome.kind === 'answer') return reply.header('cache-control', 'no-store').send(outcome.answer);
        return refuse(reply, outcome.kind, outcome.kind === 'other-gateway' ? { gateway: outcome.gateway } : {});
      } catch (error) {
        for (const attempt of attempts) attempt.takeBack();
        logger.error({ error: describeError(error) }, 'an enrolment failed');
        return refuse(reply, 'unavailable');
      }
    });
  });
}

function refuse(reply: FastifyReply, error: EnrolmentRefusal, more: object = {}): FastifyReply {
  return reply
    .status(statusOf[error])
    .header('cache-control', 'no-store')
    .send({ error, ...more });
}

function isSecure({ socket }: FastifyRequest): boolean {
  return (socket as Partial<TLSSocket>).encrypted === true || isLoopback(socket.remoteAddress);
}

function parse(body: unknown): unknown {
  try {
    return Buffer.isBuffer(body) ? JSON.parse(body.toString('utf8')) : undefined;
  } catch {
    return undefined;
  }
}
