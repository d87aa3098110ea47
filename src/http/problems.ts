import type { FastifyReply } from 'fastify';

/** What a request can be refused with: the status, and a sentence that says what to do. */
const problems = {
  'bad-request': [400, 'The request could not be read.'],
  unauthorized: [401, 'A user name and password are needed (HTTP Basic), and these are not right.'],
  'needs-tls': [403, 'Passwords are not taken without TLS from this network; use https.'],
  forbidden: [403, 'These credentials may not do this.'],
  'foreign-serial': [403, 'These credentials may not report for that machine.'],
  'not-found': [404, 'There is nothing under this address.'],
  timeout: [408, 'The request did not arrive in time.'],
  'too-large': [413, 'The body is too large.'],
  'too-many-attempts': [429, 'Too many failed logins from this address; try again in a minute.'],
  'too-many': [429, 'Too many requests; try again in a second.'],
  'not-stored': [503, 'The report could not be stored; send it again later.'],
  starting: [503, 'The gateway is starting; ask again later.'],
  internal: [500, 'The gateway made a mistake; its log says more.'],
} as const satisfies Record<string, readonly [status: number, message: string]>;

export type Problem = keyof typeof problems;

/** Answers `{error, message}` with the problem's status, and what HTTP wants beside it. */
export function answerError(reply: FastifyReply, problem: Problem): FastifyReply {
  const [status, message] = problems[problem];
  if (status === 401) reply.header('www-authenticate', 'Basic realm="Holdfast", charset="UTF-8"');
  if (status === 429) reply.header('retry-after', problem === 'too-many' ? '1' : '60');
  if (status === 503) reply.header('retry-after', '5');
  // What is left of a body that was not read must not be taken for the next request.
  if (status === 413) reply.header('connection', 'close');
  return reply.status(status).type('application/json; charset=utf-8').send({ error: problem, message });
}
