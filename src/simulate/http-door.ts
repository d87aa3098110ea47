import type { Clock } from '../platform/index.ts';
import { authorizationChannel } from '../protocols/machines/index.ts';
import type { Door, DoorOptions } from './door.ts';
import { pause } from './pause.ts';

const requestTimeoutMs = 10_000;
/** A query for authorization is answered when it is decided: after 42 s at the latest. */
const queryTimeoutMs = 60_000;
/** Before the next try after one that failed. */
const pauseMs = 1000;

/**
 * A door over HTTP: `POST /reports/<channel>`, the reply comes with the acknowledgement. There is no connection to keep;
 * after a request that failed everything waits a second.
 */
export class HttpDoor implements Door {
  readonly keepsReplies = false;
  readonly #options: DoorOptions & { readonly clock: Clock };
  readonly #closing = new AbortController();
  #waiting: Promise<void> | undefined;

  constructor(options: DoorOptions & { readonly clock: Clock }) {
    this.#options = options;
  }

  get isConnected(): boolean {
    return this.#waiting === undefined && !this.#closing.signal.aborted;
  }

  open(): void {}

  async ready(): Promise<void> {
    while (this.#waiting !== undefined) await this.#waiting;
  }

  async send(channel: string, body: Buffer): Promise<Buffer> {
    const { url, credential, clock, listener } = this.#options;
    const giveUp = new AbortController();
    const timeoutMs = channel === authorizationChannel ? queryTimeoutMs : requestTimeoutMs;
    const timer = clock.after(timeoutMs, () => giveUp.abort(new Error('the gateway does not answer')));
    try {
      const response = await fetch(new URL(`/reports/${channel}`, `${url.protocol}//${url.host}`), {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(credential !== undefined && { authorization: basic(credential) }),
        },
        body: new Uint8Array(body),
        signal: AbortSignal.any([giveUp.signal, this.#closing.signal]),
      });
      const answer = Buffer.from(await response.arrayBuffer());
      // 400 carries a reply as 202 does, and it is the reply that says what is wrong.
      if (response.status === 200 || response.status === 202 || response.status === 400) return answer;
      throw new Error(`the gateway answered ${response.status}: ${answer.toString().slice(0, 200)}`);
    } catch (error) {
      const wasReady = this.#waiting === undefined;
      this.#wait();
      if (wasReady && !this.#closing.signal.aborted) listener.onLost(withCause(error as Error));
      throw error;
    } finally {
      timer.cancel();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
  }

  #wait(): void {
    this.#waiting ??= pause(this.#options.clock, pauseMs, this.#closing.signal).then(() => {
      this.#waiting = undefined;
    });
  }
}

/** fetch says only that it failed; its cause says why. */
function withCause(error: Error): Error {
  return error.cause instanceof Error ? new Error(error.cause.message || error.message, { cause: error }) : error;
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
