/**
 * The one connection of a gateway node, shared by all nodes that refer to it.
 *
 * It connects when the first node asks for it, and again for ever, with growing pauses; wrong credentials too are tried
 * again, at the longest pause, because the box's configuration may be corrected meanwhile. Reports wait in `Pending`,
 * which outlives the client; questions wait for their timeout. A filter that the gateway refuses is told to who wanted it.
 */

import { Backoff } from './backoff.ts';
import type { Connection } from './connection.ts';
import { deferred } from './deferred.ts';
import { Listeners } from './listeners.ts';
import { NodeError, textOf } from './node-error.ts';
import type { Pending } from './pending.ts';
import type { ReportEvent } from './report-outlets.ts';
import { ReportSender, type SenderTuning } from './report-sender.ts';
import type { Report, Waiter } from './report-store.ts';
import { Requests } from './requests.ts';
import type { Connect, Session } from './session.ts';
import { Subscriptions } from './subscriptions.ts';
import { systemTimers, type Timers } from './timers.ts';
import { answersFilter, parseAnswer, uplinkTopic } from './topics.ts';

/** `away`: not connected, tried again; `refused`: so too, but only other settings will help. */
export type LinkState =
  | { readonly kind: 'idle' | 'connecting' | 'connected' }
  | { readonly kind: 'away' | 'refused'; readonly error: NodeError };

/** The box's way to the centre. */
export interface UplinkState {
  readonly connected: boolean;
  /** Reports on the box that are not in the database. */
  readonly pending: number;
  /** ISO 8601. */
  readonly since: string;
}

export interface GatewayClientOptions {
  readonly connection: Connection;
  readonly clientId: string;
  readonly pending: Pending;
  readonly connect: Connect;
  readonly timers?: Timers;
  readonly random?: () => number;
  readonly tuning?: Partial<SenderTuning>;
  /** One line whenever the state changes. */
  readonly log?: (text: string) => void;
}

const firstPauseMs = 250;
const stableMs = 10_000;

export class GatewayClient {
  readonly where: string;
  readonly pending: Pending;
  readonly requests: Requests;
  readonly subscriptions: Subscriptions;
  readonly onState = new Listeners<LinkState>();
  readonly onUplink = new Listeners<UplinkState>();
  readonly onReport = new Listeners<ReportEvent>();
  readonly onCounts = new Listeners<void>();
  readonly #options: GatewayClientOptions;
  readonly #timers: Timers;
  readonly #sender: ReportSender;
  #state: LinkState = { kind: 'idle' };
  #uplink: UplinkState | undefined;
  #running: Promise<void> | undefined;
  #stop = new AbortController();

  constructor(options: GatewayClientOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    this.where = options.connection.where;
    this.pending = options.pending;
    const client = options.connection.username;
    this.requests = new Requests({ client, timers: this.#timers });
    this.subscriptions = new Subscriptions(this.#timers);
    this.#sender = new ReportSender({
      client,
      pending: options.pending,
      timers: this.#timers,
      onEvent: (event) => this.onReport.emit(event),
      onCounts: () => this.onCounts.emit(),
      ...(options.tuning && { tuning: options.tuning }),
    });
  }

  get state(): LinkState {
    return this.#state;
  }

  /** What the box said last of its uplink; undefined while it cannot be reached. */
  get uplink(): UplinkState | undefined {
    return this.#uplink;
  }

  start(): void {
    if (this.#running || this.#stop.signal.aborted) return;
    this.#running = this.#run(this.#stop.signal);
  }

  /** Questions are answered with an error; reports go on waiting in `pending`. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.requests.end();
    this.subscriptions.end();
  }

  /**
   * Takes a report. Its node hears of it through `pending.outlets`.
   *
   * @throws NodeError `queue-full`
   */
  report(report: { id: string; channel: string; wire: Buffer; waiter: Waiter }): void {
    this.#sender.submit(this.pending.store.add(report));
  }

  /** Asks the gateway again about a report on disk. */
  askAbout(report: Report): void {
    this.#sender.askAbout(report);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { connection, random = Math.random } = this.#options;
    const { longestPauseMs } = connection;
    const backoff = new Backoff({ firstMs: firstPauseMs, longestMs: longestPauseMs, stableMs, random });
    while (!signal.aborted) {
      if (this.#state.kind === 'idle') this.#change({ kind: 'connecting' });
      const { error, lastedMs } = await this.#oneSession(signal);
      if (signal.aborted) break;
      const refused = error.code === 'bad-credentials' || error.code === 'forbidden';
      this.#change({ kind: refused ? 'refused' : 'away', error });
      const pauseMs = backoff.next(lastedMs);
      await this.#pause(refused ? longestPauseMs : pauseMs, signal);
    }
    this.#change({ kind: 'idle' });
  }

  /** Resolves when the session has ended or none came about. */
  async #oneSession(signal: AbortSignal): Promise<{ error: NodeError; lastedMs: number }> {
    const { connection, clientId, connect } = this.#options;
    const closed = deferred<NodeError>();
    const stopped = () => closed.resolve(new NodeError('connection-lost', 'the gateway node was stopped'));
    signal.addEventListener('abort', stopped, { once: true });
    let session: Session | undefined;
    let sinceMs: number | undefined;
    try {
      session = await connect(
        { connection, clientId, signal },
        { onMessage: (topic, payload) => this.#onMessage(topic, payload), onClosed: closed.resolve },
      );
      // Whatever the broker leaves open, a stop does not wait for it.
      const opened = session;
      void closed.promise.then(async () => {
        if (signal.aborted) await opened.close();
      });
      await this.#subscribe(session);
      sinceMs = this.#timers.now();
      this.#change({ kind: 'connected' });
      this.#sender.up(session);
      this.requests.up(session);
      this.subscriptions.up(session);
      const error = await closed.promise;
      return { error, lastedMs: this.#timers.now() - sinceMs };
    } catch (error) {
      const known = error instanceof NodeError ? error : new NodeError('unreachable', textOf(error), { cause: error });
      return { error: known, lastedMs: 0 };
    } finally {
      signal.removeEventListener('abort', stopped);
      this.#sender.down();
      this.requests.down();
      this.subscriptions.down();
      this.#uplink = undefined;
      await session?.close();
    }
  }

  async #subscribe(session: Session): Promise<void> {
    const { username, where } = this.#options.connection;
    if (!(await session.subscribe(answersFilter(username)))) {
      const text = `${where} lets ${username} hear no answers: this credential needs 'allow' under mqtt.clients in the box's configuration`;
      throw new NodeError('forbidden', text);
    }
    // Without it only the uplink node is without news.
    await session.subscribe(uplinkTopic);
  }

  #onMessage(topic: string, payload: Buffer): void {
    if (this.subscriptions.dispatch(topic, payload)) return;
    const body = objectOf(payload);
    if (topic === uplinkTopic) {
      this.#onUplink(body);
      return;
    }
    const answer = parseAnswer(this.#options.connection.username, topic);
    if (!answer) return;
    const { kind, id } = answer;
    if (kind === 'authorized' || kind === 'answer') this.requests.answer(kind, id, body);
    else if (kind !== 'failed' || !this.requests.answer(kind, id, body)) this.#sender.answer(kind, id, body);
  }

  #onUplink({ connected, pending, since }: Readonly<Record<string, unknown>>): void {
    if (typeof connected !== 'boolean') return;
    this.#uplink = {
      connected,
      pending: typeof pending === 'number' ? pending : 0,
      since: typeof since === 'string' ? since : '',
    };
    this.onUplink.emit(this.#uplink);
  }

  #change(state: LinkState): void {
    const before = this.#state;
    this.#state = state;
    const text =
      'error' in state ? state.error.message : state.kind === 'connected' ? `connected to ${this.where}` : '';
    const textBefore = 'error' in before ? before.error.message : '';
    if (text !== '' && (state.kind !== before.kind || text !== textBefore)) this.#options.log?.(text);
    this.onState.emit(state);
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = deferred<void>();
    const cancel = this.#timers.after(ms, resolve);
    const abort = () => resolve();
    signal.addEventListener('abort', abort, { once: true });
    await promise;
    signal.removeEventListener('abort', abort);
    cancel();
  }
}

function objectOf(payload: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(payload.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
