import { Calm } from '../shared/calm.ts';
import type { ClientConfig, Controller } from '../shared/client-node.ts';
import type { GatewayClient } from '../shared/gateway-client.ts';
import { linkStatus, type Translate } from '../shared/gateway-node.ts';
import type { Migration } from '../shared/migrate.ts';
import { NodeError } from '../shared/node-error.ts';
import type { Done, Message, NodeStatus, Outputs, Send } from '../shared/node-red.ts';
import type { ReportEvent } from '../shared/report-outlets.ts';
import { systemTimers, type Timers } from '../shared/timers.ts';
import { idPattern } from '../shared/topics.ts';

/** What the dialog saves, version 1. */
export interface ReportStatusConfig extends ClientConfig {
  /** Empty: all. */
  readonly channel: string;
  /** Whether what happens to reports is sent on unasked. */
  readonly events: boolean;
}

/** Version 1 is the first one. */
export const migrations: readonly Migration[] = [(config) => config];

/** What a hand-written flow may leave out. */
export const defaults = { gateway: '', channel: '', events: true };

export interface ReportStatusOptions {
  readonly channel: string;
  readonly events: boolean;
  readonly client: GatewayClient;
  readonly t: Translate;
  readonly g: Translate;
  readonly send: (outputs: Outputs) => void;
  readonly status: (status: NodeStatus) => void;
  readonly timers?: Timers;
}

/** Tells what becomes of all reports of a gateway node, and of one report when it is asked. */
export class ReportStatusController implements Controller {
  readonly #options: ReportStatusOptions;
  readonly #calm: Calm;
  readonly #stops: (() => void)[];

  constructor(options: ReportStatusOptions) {
    const { client, events, timers = systemTimers } = options;
    this.#options = options;
    this.#calm = new Calm(timers, () => this.#showStatus());
    const show = () => this.#calm.request();
    this.#stops = [client.onState.add(show), client.onCounts.add(show)];
    if (events) this.#stops.push(client.onReport.add((event) => this.#onEvent(event)));
    show();
  }

  /** Answers with what is known; what is on disk is asked about again, and the answer comes as an event. */
  input(message: Message, send: Send, done: Done): void {
    const { store } = this.#options.client.pending;
    const id = message.reportId ?? message.payload;
    if (typeof id !== 'string' || !idPattern.test(id)) {
      done(new NodeError('bad-input', 'msg.reportId or msg.payload must be the id of a report'));
      return;
    }
    const report = store.get(id);
    const known = report ?? store.outcome(id);
    const { state = 'unknown', channel, sequence } = known ?? {};
    const { code, text } = report ? {} : (store.outcome(id) ?? {});
    send({ ...message, payload: { id, state, channel, sequence, ...(code !== undefined && { code, text }) } });
    if (report) this.#options.client.askAbout(report);
    done();
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#calm.stop();
  }

  #onEvent({ id, state, channel, sequence, code, text }: ReportEvent): void {
    const { channel: wanted, send } = this.#options;
    if (wanted !== '' && channel !== wanted) return;
    send({ topic: state, payload: { id, state, channel, sequence, ...(code !== undefined && { code, text }) } });
  }

  #showStatus(): void {
    const { client, t, g, status } = this.#options;
    const { waiting, undelivered } = client.pending.store.counts();
    const link = linkStatus(client.state, g);
    const text = t('report-status.status.counts', { waiting, undelivered });
    status({ ...link, text: client.state.kind === 'connected' ? text : `${link.text}, ${text}` });
  }
}
