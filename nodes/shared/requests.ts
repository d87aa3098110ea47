import { randomUUID } from 'node:crypto';
import { deferred } from './deferred.ts';
import { NodeError } from './node-error.ts';
import type { Session } from './session.ts';
import type { Timers } from './timers.ts';
import { type RequestKind, requestTopic } from './topics.ts';

interface Request {
  readonly topic: string;
  readonly wire: Buffer;
  readonly resolve: (body: Readonly<Record<string, unknown>>) => void;
  readonly reject: (error: NodeError) => void;
  readonly cancel: () => void;
}

const maxExpired = 1_000;

export interface RequestsOptions {
  readonly client: string;
  readonly timers: Timers;
  readonly newId?: () => string;
  readonly maxOpen?: number;
}

/**
 * Questions that wait for their answer: authorization and queries. One that is asked while the box is away goes out when
 * it is back, and one under way is asked again on the next session, as long as its asker still waits.
 */
export class Requests {
  readonly #options: Required<RequestsOptions>;
  readonly #open = new Map<string, Request>();
  /** Asked, and given up: a late answer is nobody's, least of all a report's. */
  readonly #expired = new Set<string>();
  #session: Session | undefined;

  constructor(options: RequestsOptions) {
    this.#options = { newId: randomUUID, maxOpen: 1_000, ...options };
  }

  /**
   * The gateway's answer.
   *
   * @throws NodeError `no-answer` after `timeoutMs`, `queue-full` when too many wait, or what the gateway answered
   */
  ask(
    kind: Exclude<RequestKind, 'report'>,
    body: unknown,
    timeoutMs: number,
  ): Promise<Readonly<Record<string, unknown>>> {
    const { client, timers, newId, maxOpen } = this.#options;
    const { promise, resolve, reject } = deferred<Readonly<Record<string, unknown>>>();
    if (this.#open.size >= maxOpen) {
      reject(new NodeError('queue-full', `${maxOpen} questions wait for the box already: ask slower`));
      return promise;
    }
    const id = newId();
    const cancel = timers.after(timeoutMs, () => {
      this.#open.delete(id);
      this.#expired.add(id);
      if (this.#expired.size > maxExpired) this.#expired.delete(this.#expired.values().next().value!);
      const detail = this.#session ? 'the gateway did not answer' : 'the box cannot be reached';
      reject(new NodeError('no-answer', `no answer within ${timeoutMs / 1000} s: ${detail}`, { id }));
    });
    const request = {
      topic: requestTopic(client, kind, id),
      wire: Buffer.from(JSON.stringify(body)),
      resolve,
      reject,
      cancel,
    };
    this.#open.set(id, request);
    this.#publish(request);
    return promise;
  }

  up(session: Session): void {
    this.#session = session;
    for (const request of this.#open.values()) this.#publish(request);
  }

  down(): void {
    this.#session = undefined;
  }

  /** True when it was an answer to a question, even if nobody waits for it any more. */
  answer(kind: 'authorized' | 'answer' | 'failed', id: string, body: Readonly<Record<string, unknown>>): boolean {
    const request = this.#open.get(id);
    if (!request) return this.#expired.delete(id);
    this.#open.delete(id);
    request.cancel();
    if (kind === 'failed') {
      const code = typeof body.code === 'string' ? body.code : 'failed';
      request.reject(new NodeError(code, `the gateway answered ${code}: ${String(body.text ?? '')}`, { id }));
    } else {
      request.resolve(body);
    }
    return true;
  }

  /** Nobody is left to hear an answer. */
  end(): void {
    for (const [id, { cancel, reject }] of this.#open) {
      cancel();
      reject(new NodeError('no-answer', 'the gateway node was stopped before the answer came', { id }));
    }
    this.#open.clear();
  }

  #publish({ topic, wire }: Request): void {
    this.#session?.publish(topic, wire, () => undefined);
  }
}
