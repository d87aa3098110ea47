/**
 * A link to the centre that is kept up for ever. It knows nothing of AMQP or MQTT: a session is one connection, this
 * is what makes the next one.
 *
 * - A session is either usable as a whole or ended; there is no half-open link. Whatever breaks a part of it (a closed
 *   channel, a lost queue, a dead socket) ends it, and all that was not confirmed is sent again on the next.
 * - `onConnected` and `onDisconnected` take turns. A try that fails changes `state.lastError` only. Receipts that
 *   waited at the broker may come before `onConnected`: they answer earlier sends, which then need no repeat.
 * - Pauses between tries grow and are jittered; no failure ends the tries, only `stop()` does.
 */
import { HoldfastError } from '../errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import { Backoff } from './backoff.ts';
import type { OutgoingQuery, OutgoingReport, TransportListener, TransportState, UplinkTransport } from './transport.ts';

/** One connection, ready for use. It calls the listener it was opened with until `closed` resolves. */
export interface LinkSession {
  /** Resolves when the connection is of no use any more, with the reason. Never rejects. */
  readonly closed: Promise<HoldfastError>;
  /** The broker holds the connection back. */
  readonly blocked: boolean;
  /** Resolves when all that waited in the control queue when the connection was made is applied. Never rejects. */
  readonly controlDrained: Promise<void>;
  send(report: OutgoingReport): boolean;
  ask(query: OutgoingQuery): void;
  watchReplies(channel: string, serial: string): Promise<void> | undefined;
  /** Says good-bye to the broker; resolves when it has answered. The link gives it a deadline. */
  close(): Promise<void>;
}

/** Opens a session, or rejects with a `HoldfastError`. When `signal` is aborted the socket is destroyed, then and later. */
export type OpenSession = (listener: TransportListener, signal: AbortSignal) => Promise<LinkSession>;

/** What a link is made of. */
export interface LinkOptions {
  readonly open: OpenSession;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

const firstPauseMs = 500;
const longestPauseMs = 30_000;
const stableMs = 10_000;
/** While the broker still counts our own dead connection as alive, the id is "taken"; that ends within 30 s. */
const longestPauseForTakenMs = 5_000;
const stopDeadlineMs = 2_000;

/** See the head of this file. */
export class Link implements UplinkTransport {
  readonly #open: OpenSession;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #run: { readonly ended: Promise<void>; readonly stopping: AbortController } | undefined;
  #session: LinkSession | undefined;
  #sinceMs: number;
  #lastError: HoldfastError | undefined;
  #connects = 0;

  constructor({ open, logger, clock, random }: LinkOptions) {
    this.#open = open;
    this.#logger = logger;
    this.#clock = clock;
    this.#sinceMs = clock.wallMs();
    this.#backoff = new Backoff({
      firstMs: firstPauseMs,
      maxMs: longestPauseMs,
      stableMs,
      clock,
      ...(random && { random }),
    });
  }

  get state(): TransportState {
    return {
      connected: this.#session !== undefined,
      sinceMs: this.#sinceMs,
      blocked: this.#session?.blocked ?? false,
      lastError: this.#lastError,
      connects: this.#connects,
    };
  }

  start(listener: TransportListener): void {
    if (this.#run) return;
    const stopping = new AbortController();
    this.#run = { stopping, ended: this.#keepUp(listener, stopping.signal) };
  }

  async stop(): Promise<void> {
    const run = this.#run;
    if (!run) return;
    run.stopping.abort();
    await run.ended;
    if (this.#run === run) this.#run = undefined;
  }

  watchReplies(channel: string, serial: string): Promise<void> | undefined {
    return this.#present().watchReplies(channel, serial);
  }

  send(report: OutgoingReport): boolean {
    return this.#present().send(report);
  }

  ask(query: OutgoingQuery): void {
    this.#present().ask(query);
  }

  #present(): LinkSession {
    if (this.#session) return this.#session;
    throw new HoldfastError('uplink-closed', 'there is no connection to the broker; wait until it is back');
  }

  async #keepUp(listener: TransportListener, stopping: AbortSignal): Promise<void> {
    // Never on the caller's stack, so that a listener is not called from inside start().
    await Promise.resolve();
    while (!stopping.aborted) {
      const error = await this.#oneSession(listener, stopping);
      if (stopping.aborted) break;
      this.#lastError = error;
      const pauseMs = Math.min(
        this.#backoff.next(),
        error.code === 'uplink-gateway-id-taken' ? longestPauseForTakenMs : longestPauseMs,
      );
      this.#logger.warn({ code: error.code, pauseMs: Math.round(pauseMs) }, `uplink is down: ${error.message}`);
      await this.#pause(pauseMs, stopping);
    }
  }

  /** Connects, stays as long as it lasts, and resolves with why it did not or no longer does. */
  async #oneSession(listener: TransportListener, stopping: AbortSignal): Promise<HoldfastError> {
    const socket = new AbortController();
    const abandon = () => socket.abort();
    stopping.addEventListener('abort', abandon, { once: true });
    try {
      const session = await this.#open(listener, socket.signal);
      stopping.removeEventListener('abort', abandon);
      const error = stopping.aborted ? undefined : await this.#use(session, listener, stopping);
      if (error) return error;
      await this.#close(session);
      return new HoldfastError('uplink-closed', 'the uplink was stopped');
    } catch (cause) {
      return cause instanceof HoldfastError
        ? cause
        : new HoldfastError('uplink-unreachable', 'the connection to the broker could not be set up', cause);
    } finally {
      stopping.removeEventListener('abort', abandon);
      socket.abort();
    }
  }

  /** Resolves with why the session ended; with undefined when it shall be closed. */
  async #use(
    session: LinkSession,
    listener: TransportListener,
    stopping: AbortSignal,
  ): Promise<HoldfastError | undefined> {
    this.#session = session;
    this.#changed();
    this.#connects++;
    this.#backoff.succeeded();
    this.#logger.info({ connects: this.#connects }, 'uplink is up');
    let error: HoldfastError | undefined;
    try {
      listener.onConnected();
      // After onConnected, however early it was: who listens counts from there.
      session.controlDrained.then(() => {
        if (this.#session === session) listener.onControlDrained();
      });
      error = await endOf(session, stopping);
    } finally {
      this.#session = undefined;
      this.#changed();
    }
    if (error) {
      this.#lastError = error;
      listener.onDisconnected(error);
    }
    return error;
  }

  #changed(): void {
    this.#sinceMs = this.#clock.wallMs();
  }

  async #close(session: LinkSession): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(stopDeadlineMs, resolve);
      session
        .close()
        .catch(() => {})
        .then(() => {
          timer.cancel();
          resolve();
        });
    });
  }

  #pause(pauseMs: number, stopping: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        stopping.removeEventListener('abort', end);
        resolve();
      };
      const timer = this.#clock.after(pauseMs, end);
      stopping.addEventListener('abort', end, { once: true });
    });
  }
}

/** Resolves with why the session has ended, or with undefined when `stopping` comes first. */
function endOf(session: LinkSession, stopping: AbortSignal): Promise<HoldfastError | undefined> {
  return new Promise((resolve) => {
    const stop = () => resolve(undefined);
    if (stopping.aborted) stop();
    stopping.addEventListener('abort', stop, { once: true });
    session.closed.then((error) => {
      stopping.removeEventListener('abort', stop);
      resolve(error);
    });
  });
}
