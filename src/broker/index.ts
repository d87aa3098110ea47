export {
  Access,
  type AccessOptions,
  type Credential,
  type FlowRight,
  type Identity,
  type Login,
  type LoginRefusal,
} from './access.ts';
export { Broker, type BrokerLimits, type BrokerOptions, defaultBrokerLimits } from './broker.ts';
export type { CloseReason } from './guard.ts';
export type { ListenOptions } from './listeners.ts';
export type { LocalRequests } from './local-requests.ts';
export { defaultSessionLimits, type SessionLimits } from './sessions.ts';
export { AddressWindow, TokenBucket } from './token-bucket.ts';
