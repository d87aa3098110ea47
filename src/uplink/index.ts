export { connectAmqp } from './amqp-connect.ts';
export { amqpConnectError } from './amqp-errors.ts';
export { replyCode, Topology } from './amqp-topology.ts';
export { Backoff } from './backoff.ts';
export {
  type BrokerAddress,
  parseBrokerUrl,
  readTls,
  socketOptions,
  type TlsFiles,
  type TlsSource,
  watchedTls,
} from './broker-socket.ts';
export { createTransport } from './create-transport.ts';
export { Forwarder } from './forwarder.ts';
export type { ForwarderOptions, ForwarderState } from './forwarder-options.ts';
export { type BrokerKeys, upstreamBrokerKeys } from './link-errors.ts';
export { type QueryListener, queryId, shareLink } from './shared-link.ts';
export type {
  OutgoingQuery,
  OutgoingReport,
  Receipt,
  ReportListener,
  ReportTransport,
  TransportListener,
  TransportState,
  UplinkTransport,
} from './transport.ts';
