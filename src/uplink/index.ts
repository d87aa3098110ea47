export { replyCode, Topology } from './amqp-topology.ts';
export { Backoff } from './backoff.ts';
export { type BrokerAddress, parseBrokerUrl, socketOptions, type TlsFiles } from './broker-socket.ts';
export { createTransport } from './create-transport.ts';
export { Forwarder } from './forwarder.ts';
export type { ForwarderOptions, ForwarderState } from './forwarder-options.ts';
export type {
  OutgoingReport,
  Receipt,
  TransportListener,
  TransportState,
  UplinkTransport,
} from './transport.ts';
