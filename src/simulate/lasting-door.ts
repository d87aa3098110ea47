import type { Clock } from '../platform/index.ts';
import type { Door, DoorListener } from './door.ts';
import { pause } from './pause.ts';
import type { Random } from './random.ts';

/** One connection, ready for use. */
export interface DoorSession {
  /** Resolves when the message is acknowledged; need not settle when the connection ends before. */
  send(channel: string, body: Buffer): Promise<void>;
  /** Resolves when the connection has ended, with the reason. Never rejects. */
  readonly closed: Promise<Error>;
  close(): Promise<void>;
}

/** What a lasting door is made of. */
export interface LastingDoorOptions {
  /** Connects, or rejects; what comes in goes to the listener. */
  readonly connect: (listener: DoorListener) => Promise<DoorSession>;
  readonly listener: DoorListener;
  readonly keepsReplies: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/** Machines try again soon, and not all in the same instant. */
const pauseMs = { least: 250, most: 1000 };

/** A door over connections, each replaced by the next when it is lost. */
export class LastingDoor implements Door {
  readonly keepsReplies: boolean;
  readonly #options: LastingDoorOptions;
  readonly #closing = new AbortController();
  #session: DoorSession | undefined;
  #waiting: (() => void)[] = [];
  #life: Promise<void> | undefined;

  constructor(options: LastingDoorOptions) {
    this.#options = options;
    this.keepsReplies = options.keepsReplies;
  }

  get isConnected(): boolean {
    return this.#session !== undefined;
  }

  open(): void {
    this.#life ??= this.#keepOpen();
  }

  ready(): Promise<void> {
    if (this.#session !== undefined || this.#closing.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async send(channel: string, body: Buffer): Promise<undefined> {
    const session = this.#session;
    if (session === undefined) throw new Error('there is no connection');
    const lost = session.closed.then((error) => Promise.reject(error));
    try {
      await Promise.race([session.send(channel, body), lost]);
    } catch (error) {
      // A connection that does not take a message is of no use any more; nobody may try on it again and again.
      session.close().catch(() => {});
      await session.closed;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake();
    if (this.#session === undefined) return;
    await this.#session.close();
    await this.#life;
  }

  async #keepOpen(): Promise<void> {
    const { connect, listener, clock, random } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const session = await connect(listener);
        if (signal.aborted) return await session.close();
        this.#session = session;
        this.#wake();
        throw await session.closed;
      } catch (error) {
        this.#session = undefined;
        if (!signal.aborted) listener.onLost(error as Error);
      }
      await pause(clock, pauseMs.least + random() * (pauseMs.most - pauseMs.least), signal);
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
