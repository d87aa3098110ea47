export { AmqpConsumer, type ConsumerOptions, type ConsumerState } from './amqp-consumer.ts';
export { type Origin, type TimeReader, toDocument } from './documents.ts';
export { EmbeddedBroker, type EmbeddedBrokerOptions } from './embedded-broker.ts';
export { type CentralHealth, CentralHttp, type CentralHttpOptions } from './http.ts';
export { centralIndexes } from './indexes.ts';
export { type Answer, type Arrival, Ingest, type IngestOptions } from './ingest.ts';
export {
  type CentralCounters,
  type CentralGauges,
  centralCounterTable,
  centralGaugeTable,
  centralRegistry,
  createCentralCounters,
} from './metrics.ts';
export { Pauses } from './pauses.ts';
export type { ReaderState } from './queue-reader.ts';
export { channelSource, mqttQueue, mqttSource, type Source } from './sources.ts';
