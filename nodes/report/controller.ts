import { randomUUID } from 'node:crypto';
import { Calm } from '../shared/calm.ts';
import type { ClientConfig, Controller } from '../shared/client-node.ts';
import type { GatewayClient } from '../shared/gateway-client.ts';
import { linkStatus, type Translate } from '../shared/gateway-node.ts';
import type { Migration } from '../shared/migrate.ts';
import { NodeError, textOf } from '../shared/node-error.ts';
import type { Done, Message, NodeStatus, Outputs, Send } from '../shared/node-red.ts';
import type { ReportEvent } from '../shared/report-outlets.ts';
import { failure } from '../shared/report-sender.ts';
import type { Waiter } from '../shared/report-store.ts';
import { systemTimers, type Timers } from '../shared/timers.ts';
import { checkedChannel, checkedId, reportWire } from './wire.ts';

/** What the dialog saves, version 1. */
export interface ReportConfig extends ClientConfig {
  /** Empty: `msg.channel`. */
  readonly channel: string;
}

/** Version 1 is the first one. */
export const migrations: readonly Migration[] = [(config) => config];

/** What a hand-written flow may leave out. */
export const defaults = { gateway: '', channel: '' };

export interface ReportOptions {
  /** Id of the node: a new instance of it takes over what the old one waited for. */
  readonly owner: string;
  readonly channel: string;
  readonly client: GatewayClient;
  readonly t: Translate;
  readonly g: Translate;
  readonly send: (outputs: Outputs) => void;
  /** For what happens after `done`. */
  readonly error: (error: NodeError, message: Message) => void;
  readonly status: (status: NodeStatus) => void;
  readonly timers?: Timers;
}

/**
 * Sends reports. A message is done when its report is on the box's disk, never before: output 1. Output 2 follows when
 * it is in the centre's database. While the box is away reports wait, in the order in which they came.
 */
export class ReportController implements Controller {
  readonly #options: ReportOptions;
  readonly #calm: Calm;
  readonly #stops: (() => void)[];
  /** The waiters whose message came to this very instance. */
  readonly #mine = new WeakSet<Waiter>();
  readonly #outlet = (event: ReportEvent, waiter: Waiter) => this.#onEvent(event, waiter);

  constructor(options: ReportOptions) {
    const { client, owner, timers = systemTimers } = options;
    this.#options = options;
    this.#calm = new Calm(timers, () => this.#showStatus());
    const show = () => this.#calm.request();
    this.#stops = [client.onState.add(show), client.onCounts.add(show)];
    client.pending.outlets.attach(owner, this.#outlet);
    show();
  }

  input(message: Message, _send: Send, done: Done): void {
    const { client, owner } = this.#options;
    try {
      const channel = checkedChannel(this.#options.channel || message.channel);
      const id = message.reportId === undefined ? randomUUID() : checkedId(message.reportId);
      const wire = reportWire(channel, message.payload, id);
      const waiter = { owner, message, done };
      this.#mine.add(waiter);
      client.report({ id, channel, wire, waiter });
    } catch (error) {
      done(error instanceof NodeError ? error : new NodeError('bad-input', textOf(error), { cause: error }));
    }
  }

  close(removed: boolean): void {
    for (const stop of this.#stops) stop();
    this.#calm.stop();
    this.#options.client.pending.outlets.detach(this.#options.owner, this.#outlet, removed);
  }

  #onEvent(event: ReportEvent, waiter: Waiter): void {
    const { send, error } = this.#options;
    const { id, channel, sequence } = event;
    const report = { id, channel, sequence };
    const message = waiter.message as Message;
    if (event.state === 'stored') {
      send([{ ...message, report }, null]);
      waiter.done();
    } else if (event.state === 'delivered') {
      send([null, { ...idsOf(message), payload: report, report }]);
    } else if (this.#mine.has(waiter)) {
      waiter.done(failure(event));
    } else {
      // It was on disk already, or came to an instance that a deploy has replaced: `done` has no say any more.
      error(failure(event), { ...message, report });
    }
  }

  #showStatus(): void {
    const { client, owner, t, g, status } = this.#options;
    const { waiting, undelivered } = client.pending.store.counts(owner);
    const link = linkStatus(client.state, g);
    const figures = [
      ...(waiting > 0 ? [t('report.status.waiting', { count: waiting })] : []),
      ...(undelivered > 0 ? [t('report.status.undelivered', { count: undelivered })] : []),
    ];
    if (client.state.kind !== 'connected') status({ ...link, text: [link.text, ...figures].join(', ') });
    else if (waiting > 0) status({ fill: 'yellow', shape: 'dot', text: figures.join(', ') });
    else status({ ...link, text: figures[0] ?? link.text ?? '' });
  }
}

function idsOf({ _msgid, topic }: Message): Message {
  return { ...(_msgid !== undefined && { _msgid }), ...(topic !== undefined && { topic }) };
}
