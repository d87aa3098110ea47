import type { HoldfastError } from '../errors.ts';
import type { Receipt, ReportListener, ReportTransport, UplinkTransport } from './transport.ts';

/** What whoever asks the centre hears of the link. */
export interface QueryListener {
  onConnected(): void;
  onDisconnected(error: HoldfastError): void;
  /** The broker did not take the query. */
  onRejected(messageId: string, error: HoldfastError): void;
  onAnswer(answer: Receipt): void;
  /** A message of the centre for this gateway. Resolve once it is applied; it is then removed from the queue. */
  onControl(body: Buffer): Promise<void>;
  /** Once per connection: all that the centre had pushed before is applied. */
  onControlDrained(): void;
}

/** Query `n` of a start of the gateway: unlike the id of any report, whose last part is a number. */
export const queryId = (gatewayId: string, boot: string, n: number): string => `${gatewayId}-${boot}-q${n}`;

const letterQ = 0x71;
const isQueryId = (messageId: string): boolean => messageId.charCodeAt(messageId.lastIndexOf('-') + 1) === letterQ;

/**
 * The link as the forwarder uses it, while another listener hears of queries and pushes on it. Reports' answers go to
 * the forwarder alone; what answers on `queryChannel`, or to a query's id, goes to `queries` alone.
 */
export function shareLink(link: UplinkTransport, queries: QueryListener, queryChannel: string): ReportTransport {
  const isAnswer = ({ messageId, channel }: Receipt) =>
    messageId === undefined ? channel === queryChannel : isQueryId(messageId);
  return {
    get state() {
      return link.state;
    },
    start(reports: ReportListener) {
      link.start({
        onConnected() {
          reports.onConnected();
          queries.onConnected();
        },
        onDisconnected(error) {
          reports.onDisconnected(error);
          queries.onDisconnected(error);
        },
        onConfirmed(messageId) {
          if (!isQueryId(messageId)) reports.onConfirmed(messageId);
        },
        onRejected(messageId, error) {
          if (isQueryId(messageId)) queries.onRejected(messageId, error);
          else reports.onRejected(messageId, error);
        },
        onReceipt(receipt) {
          if (isAnswer(receipt)) queries.onAnswer(receipt);
          else reports.onReceipt(receipt);
        },
        onControl: (body) => queries.onControl(body),
        onControlDrained: () => queries.onControlDrained(),
        onDrain: () => reports.onDrain(),
      });
    },
    stop: () => link.stop(),
    watchReplies: (channel, serial) => link.watchReplies(channel, serial),
    send: (report) => link.send(report),
  };
}
