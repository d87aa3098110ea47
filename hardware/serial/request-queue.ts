import { asSerialError, SerialError } from './errors.ts';
import type { Timers } from './timers.ts';

export interface RequestOptions {
  /** From the moment in which the request has left. */
  readonly timeoutMs: number;
  /** How long to wait for a port that is away; default 0. */
  readonly waitMs?: number;
  /** How long a late answer holds the next request back; default `timeoutMs`, 5,000 at most. */
  readonly lateMs?: number;
  /** Which frames can be the answer; others go to the readers. Default: any. */
  readonly accept?: (frame: Buffer) => boolean;
}

export interface RequestQueueOptions {
  readonly name: string;
  readonly timers: Timers;
  readonly send: (payload: Buffer, waitMs: number) => Promise<void>;
  readonly onLate: () => void;
  /** Requests that wait; default 100. */
  readonly maxWaiting?: number;
}

interface Request {
  readonly payload: Buffer;
  readonly options: RequestOptions;
  readonly settle: (error: SerialError | undefined, answer?: Buffer) => void;
}

/**
 * One request on the wire at a time. A serial answer does not say to what it belongs, so after a timeout the wire is
 * given time for the late answer, which is dropped and counted, before the next request goes out.
 */
export class RequestQueue {
  readonly #options: RequestQueueOptions;
  readonly #waiting: Request[] = [];
  #current: Request | undefined;
  /** Takes the answer of `#current` once it may come; the request is being written before. */
  #answer: ((frame: Buffer) => void) | undefined;
  #fail: ((error: SerialError) => void) | undefined;
  /** Ends the time in which a late answer is awaited. */
  #late: { readonly end: () => void; readonly accept: (frame: Buffer) => boolean } | undefined;

  constructor(options: RequestQueueOptions) {
    this.#options = options;
  }

  request(payload: Buffer, options: RequestOptions): Promise<Buffer> {
    const { name, maxWaiting = 100 } = this.#options;
    if (this.#waiting.length >= maxWaiting) {
      return Promise.reject(new SerialError('queue-full', `${maxWaiting} requests wait for ${name} already`));
    }
    return new Promise((resolve, reject) => {
      const settle = (error: SerialError | undefined, answer?: Buffer) => (error ? reject(error) : resolve(answer!));
      this.#waiting.push({ payload, options, settle });
      void this.#next();
    });
  }

  /** True when the frame was an answer, in time or late. */
  offer(frame: Buffer): boolean {
    if (this.#late?.accept(frame)) {
      this.#options.onLate();
      this.#late.end();
      return true;
    }
    if (!this.#answer || !accepts(this.#current)(frame)) return false;
    this.#answer(frame);
    return true;
  }

  /** The port went away: the request on the wire fails; those that wait still do. */
  lost(error: SerialError): void {
    this.#late?.end();
    this.#fail?.(error);
  }

  failAll(error: SerialError): void {
    for (const request of this.#waiting.splice(0)) request.settle(error);
    this.lost(error);
  }

  async #next(): Promise<void> {
    if (this.#current || this.#late) return;
    const request = this.#waiting.shift();
    if (!request) return;
    this.#current = request;
    try {
      request.settle(undefined, await this.#exchange(request));
    } catch (error) {
      request.settle(asSerialError(error, 'port-failed', this.#options.name));
    }
    this.#current = undefined;
    void this.#next();
  }

  async #exchange({ payload, options }: Request): Promise<Buffer> {
    const { timers, send, name } = this.#options;
    const { timeoutMs, waitMs = 0, lateMs = Math.min(timeoutMs, 5_000) } = options;
    let timer: { cancel(): void } | undefined;
    let fail: (error: SerialError) => void = () => {};
    const answer = new Promise<Buffer>((resolve, reject) => {
      // A quick device answers before the system says that the request has left.
      this.#answer = resolve;
      fail = reject;
    });
    try {
      await send(payload, waitMs);
      // Only now: while it is being sent, a loss is for the writing to tell.
      this.#fail = fail;
      timer = timers.after(timeoutMs, () => {
        this.#awaitLate(lateMs, accepts(this.#current));
        this.#fail?.(new SerialError('timeout', `${name} did not answer within ${timeoutMs} ms`));
      });
      return await answer;
    } finally {
      timer?.cancel();
      this.#answer = undefined;
      this.#fail = undefined;
    }
  }

  #awaitLate(lateMs: number, accept: (frame: Buffer) => boolean): void {
    if (lateMs <= 0) return;
    const timer = this.#options.timers.after(lateMs, () => end());
    const end = () => {
      timer.cancel();
      this.#late = undefined;
      void this.#next();
    };
    this.#late = { end, accept };
  }
}

function accepts(request: Request | undefined): (frame: Buffer) => boolean {
  return request?.options.accept ?? (() => true);
}
