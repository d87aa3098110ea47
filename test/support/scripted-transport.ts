import { HoldfastError } from '../../src/errors.ts';
import type {
  OutgoingQuery,
  OutgoingReport,
  Receipt,
  ReportListener,
  TransportListener,
  TransportState,
  UplinkTransport,
} from '../../src/uplink/transport.ts';

/** A link to a centre that does only what a test tells it. */
export class ScriptedTransport implements UplinkTransport {
  readonly sent: OutgoingReport[] = [];
  readonly asked: OutgoingQuery[] = [];
  readonly watched = new Set<string>();
  connected = false;
  blocked = false;
  /** Connections made; 0: the first is still being tried. */
  connects = 1;
  /** What `send` answers. */
  accepts = true;
  /** Called for each report, after `send` has returned. */
  onSend: ((report: OutgoingReport) => void) | undefined;
  /** Called for each query, after `ask` has returned. */
  onAsk: ((query: OutgoingQuery) => void) | undefined;
  #listener: (ReportListener & Partial<TransportListener>) | undefined;

  get state(): TransportState {
    return {
      connected: this.connected,
      sinceMs: 0,
      blocked: this.blocked,
      lastError: undefined,
      connects: this.connects,
    };
  }

  start(listener: ReportListener & Partial<TransportListener>): void {
    this.#listener = listener;
  }

  async stop(): Promise<void> {
    this.connected = false;
  }

  watchReplies(channel: string, serial: string): Promise<void> | undefined {
    const key = `${channel}/${serial}`;
    if (this.watched.has(key)) return undefined;
    this.watched.add(key);
    return Promise.resolve();
  }

  send(report: OutgoingReport): boolean {
    if (!this.connected) throw new HoldfastError('uplink-closed', 'not connected');
    this.sent.push({ ...report, body: Buffer.from(report.body) });
    if (this.onSend) setImmediate(this.onSend, report);
    return this.accepts;
  }

  ask(query: OutgoingQuery): void {
    if (!this.connected) throw new HoldfastError('uplink-closed', 'not connected');
    this.asked.push({ ...query, body: Buffer.from(query.body) });
    if (this.onAsk) setImmediate(this.onAsk, query);
  }

  connect(): void {
    this.connected = true;
    this.#listener!.onConnected();
  }

  /** All that the centre had pushed before is applied. */
  drainControl(): void {
    this.#listener!.onControlDrained!();
  }

  /** A push of the centre. */
  push(body: Buffer): Promise<void> {
    return this.#listener!.onControl!(body);
  }

  /** An answer exactly as it is given here. */
  answer(receipt: Receipt): void {
    this.#listener!.onReceipt(receipt);
  }

  /** The broker did not take this query. */
  rejectQuery({ messageId }: OutgoingQuery): void {
    this.#listener!.onRejected(messageId, new HoldfastError('uplink-unroutable', 'no queue'));
  }

  disconnect(): void {
    this.connected = false;
    this.watched.clear();
    this.#listener!.onDisconnected(new HoldfastError('uplink-unreachable', 'cut by the test'));
  }

  drain(): void {
    this.#listener!.onDrain();
  }

  confirm(report: OutgoingReport): void {
    this.#listener!.onConfirmed(report.messageId);
  }

  reject(report: OutgoingReport): void {
    this.#listener!.onRejected(report.messageId, new HoldfastError('uplink-unroutable', 'no queue'));
  }

  /** A receipt as our centre sends it, or, with `legacy`, as a centre without correlation does. */
  receipt(
    report: OutgoingReport,
    answer: object = { 错误: '' },
    options: { legacy?: boolean; stale?: boolean } = {},
  ): void {
    this.#listener!.onReceipt({
      messageId: options.legacy ? undefined : report.messageId,
      channel: report.channel,
      serial: report.serial,
      body: Buffer.from(JSON.stringify(answer)),
      stale: options.stale ?? false,
    });
  }

  /** Confirms and receipts everything from now on, as a healthy centre does. */
  answerAll(): void {
    this.onSend = (report) => {
      this.confirm(report);
      this.receipt(report);
    };
  }
}
