import type { FastifyInstance } from 'fastify';

/**
 * OPTIONS on every path (contracts/README.md, 'HTTP'): what may be asked with. No header admits another origin, so a
 * browser keeps pages of other sites from these routes; those that shall be open to them say so themselves.
 */
export function answerOptions(app: FastifyInstance): void {
  app.options('*', (_request, reply) => reply.status(204).header('allow', 'GET, HEAD, POST, OPTIONS').send());
}
