import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';
import { answerKeys } from '../wire.ts';

/** A member of an answer's object: a text, or the parts of a long list. */
export type Member = string | readonly Buffer[];

/** A member of an object as JSON. */
export const member = (key: string, value: unknown): string => `${JSON.stringify(key)}:${JSON.stringify(value)}`;
const comma = Buffer.from(',');
/** The same of a list whose items are JSON already. */
export const list = (key: string, texts: readonly Buffer[]): readonly Buffer[] => [
  Buffer.from(`${JSON.stringify(key)}:[`),
  ...texts.flatMap((text, index) => (index === 0 ? [text] : [comma, text])),
  Buffer.from(']'),
];

/** An object with `错误` first, as JSON. */
export function answerText(error: string, members: readonly Member[]): Buffer {
  const all = [member(answerKeys.error, error), ...members];
  const parts = all.flatMap((each, index) => [
    index === 0 ? Buffer.from('{') : comma,
    ...(typeof each === 'string' ? [Buffer.from(each)] : each),
  ]);
  return Buffer.concat([...parts, Buffer.from('}')]);
}

/** Answers it. */
export function answer(reply: FastifyReply, error: string, members: readonly Member[]): FastifyReply {
  return send(reply, answerText(error, members));
}

/** Sockets with what is to be done when they close before their answers are out. */
const closing = new WeakMap<Socket, Set<() => void>>();

/** Calls `done` once the answer is out or its client gone; one that takes nothing of it for `stalledMs` is cut off. */
export function handedOver(reply: FastifyReply, stalledMs: number, done: () => void): void {
  const { raw } = reply;
  const { socket } = reply.request;
  if (socket.destroyed) {
    done();
    return;
  }
  // One listener for each connection, also for those of pipelined queries whose turn to be answered has not come.
  let open = closing.get(socket);
  if (open === undefined) {
    const all = new Set<() => void>();
    open = all;
    closing.set(socket, all);
    socket.once('close', () => {
      for (const each of all) each();
    });
  }
  open.add(done);
  raw.setTimeout(stalledMs);
  raw.once('close', () => {
    open.delete(done);
    done();
  });
}

/** Answers JSON that nobody keeps. */
export function send(reply: FastifyReply, body: string | Buffer): FastifyReply {
  return reply
    .header('cache-control', 'no-store')
    .header('referrer-policy', 'no-referrer')
    .type('application/json; charset=utf-8')
    .send(body);
}
