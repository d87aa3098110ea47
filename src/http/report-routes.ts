import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Access, type Identity, TokenBucket } from '../broker/index.ts';
import type { Intake, IntakeAnswer } from '../intake/types.ts';
import { type Counters, countBy } from '../metrics.ts';
import type { Clock, Logger } from '../platform/index.ts';
import { authorizationChannel } from '../protocols/machines/index.ts';
import { basicCredential } from './basic.ts';
import { answerError, type Problem } from './problems.ts';

/** What these routes need of the server. */
interface ReportRoutesOptions {
  readonly access: Access;
  readonly intake: Intake;
  readonly mayBePlain: (address: string | undefined) => boolean;
  readonly limits: { readonly ratePerSecond: number; readonly maxInflight: number };
  readonly counters: Counters;
  readonly clock: Clock;
  readonly logger: Logger;
}

const emptyObject = Buffer.from('{}');
const maxBuckets = 10_000;

/**
 * `POST /reports/<channel>` with the device's credential: 202 with the report reply once it is on disk, 400 with the
 * reply when it is malformed; `/reports/device_auth` answers 200 with the authorization reply.
 */
export function reportRoutes(app: FastifyInstance, options: ReportRoutesOptions): void {
  const { access, intake, mayBePlain, limits, counters, clock, logger } = options;
  const buckets = new Map<string, TokenBucket>();
  let inflight = 0;

  function bucketOf(name: string): TokenBucket {
    let bucket = buckets.get(name);
    if (bucket === undefined) {
      bucket = new TokenBucket({ clock, perSecond: limits.ratePerSecond });
      for (const oldest of buckets.keys()) {
        if (buckets.size < maxBuckets) break;
        buckets.delete(oldest);
      }
      buckets.set(name, bucket);
    }
    return bucket;
  }

  async function identify(request: FastifyRequest): Promise<Identity | Problem> {
    const address = request.socket.remoteAddress ?? '';
    const mayCarryPassword = 'encrypted' in request.socket || mayBePlain(address);
    const result = await access.login({ ...basicCredential(request.headers.authorization), address, mayCarryPassword });
    if (typeof result !== 'string') return result;
    logger.info({ address, reason: result }, 'An HTTP login was refused');
    return result === 'plain' ? 'needs-tls' : result === 'attempts' ? 'too-many-attempts' : 'unauthorized';
  }

  const identities = new WeakMap<FastifyRequest, Identity>();
  app.post<{ Params: { channel: string } }>(
    '/reports/:channel',
    {
      // Before the body is read: a stranger gets none of it into memory.
      onRequest: async (request, reply) => {
        const identity = await identify(request);
        if (typeof identity === 'string') return answerError(reply, identity);
        if (!intake.hasChannel(request.params.channel)) {
          countBy(counters.reportsRefused, 'forbidden-topic');
          return answerError(reply, 'not-found');
        }
        const isOver = bucketOf(identity.username ?? request.socket.remoteAddress ?? '').take() > 0;
        if (isOver || inflight >= limits.maxInflight) return answerError(reply, 'too-many');
        identities.set(request, identity);
        // A body is a report whatever it is said to be, also where that is no media type at all.
        delete request.raw.headers['content-type'];
        return undefined;
      },
    },
    async (request, reply) => {
      const identity = identities.get(request);
      if (identity === undefined) return answerError(reply, 'unauthorized');
      const { channel } = request.params;
      const payload = Buffer.isBuffer(request.body) && request.body.length > 0 ? request.body : emptyObject;
      let answer: IntakeAnswer;
      inflight++;
      try {
        answer = await intake.accept({ channel, payload, transport: 'http', mayWrite: identity.mayActFor });
      } catch (error) {
        logger.debug({ err: error }, 'A report could not be stored');
        return answerError(reply, 'not-stored');
      } finally {
        inflight--;
      }
      if (answer.outcome === 'forbidden') return answerError(reply, 'foreign-serial');
      // A question waits for its answer: it holds up no report, and how many wait is limited where they are answered.
      const said = answer.reply ?? (await answer.later);
      if (said === undefined) return answerError(reply, 'internal');
      const status = channel === authorizationChannel ? 200 : answer.outcome === 'refused' ? 400 : 202;
      return reply.status(status).type('application/json; charset=utf-8').send(said.body);
    },
  );
}
