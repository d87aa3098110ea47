export { accountPublisher } from './account-pushes.ts';
export { AmqpConsumer, type ConsumerOptions, type ConsumerState, centralBrokerKeys } from './amqp-consumer.ts';
export { AmqpCourier, type AmqpCourierOptions } from './amqp-courier.ts';
export { type AuthorizationParts, type CentralAuthorization, createAuthorization } from './authorization.ts';
export { AuthorizationDesk, type AuthorizationDeskOptions } from './authorization-desk.ts';
export { authorizationCollection, authorizationLogCollection } from './authorization-record.ts';
export {
  type Authorization,
  Authorizations,
  type AuthorizationsOptions,
  type Messenger,
  mostDays,
} from './authorizations.ts';
export { ControlPush, type ControlPushOptions, type Courier, type Push, pushCollection } from './control-push.ts';
export { EmbeddedBroker, type EmbeddedBrokerOptions } from './embedded-broker.ts';
export {
  askAgainMs,
  EnrolmentDesk,
  enrolledCollection,
  enrolmentCollection,
  issueCode,
  type Redeemed,
} from './enrolment.ts';
export {
  administerEnrolment,
  type EnrolmentControlRequest,
  type IssuedCode,
  isEnrolmentRequest,
} from './enrolment-control.ts';
export { type EnrolmentRoutesOptions, enrolmentRoutes } from './enrolment-routes.ts';
export {
  deviceGatewayCollection,
  Gateways,
  type GatewaysOptions,
  gatewayCollection,
  type Sighting,
  type Via,
} from './gateways.ts';
export { type CentralHealth, CentralHttp, type CentralHttpOptions } from './http.ts';
export { centralIndexes } from './indexes.ts';
export { type Answer, type Arrival, Ingest, type IngestOptions, type Taker } from './ingest.ts';
export {
  type CentralCounters,
  type CentralGauges,
  centralCounterTable,
  centralGaugeTable,
  centralLabelledTable,
  centralRegistry,
  createCentralCounters,
} from './metrics.ts';
export { openCentralStore } from './open-store.ts';
export { Pauses } from './pauses.ts';
export type { ReaderState } from './queue-reader.ts';
export { CentreKey, type SigningKey, type SigningKeySources, signingKey } from './signing-key.ts';
export { channelSource, mqttQuerySource, mqttQueue, mqttSource, type Source } from './sources.ts';
