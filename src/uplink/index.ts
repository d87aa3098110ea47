export { createAmqpTransport } from './amqp.ts';
export { replyCode, Topology } from './amqp-topology.ts';
export { Backoff } from './backoff.ts';
export { type BrokerAddress, parseBrokerUrl, socketOptions, type TlsFiles } from './broker-socket.ts';
export { Forwarder, type ForwarderOptions, type ForwarderState } from './forwarder.ts';
export { createMqttTransport } from './mqtt.ts';
export type {
  OutgoingReport,
  Receipt,
  TransportListener,
  TransportState,
  UplinkTransport,
} from './transport.ts';
