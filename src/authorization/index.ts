export {
  type AuthorizationRequest,
  administerAuthorization,
  changesSomething,
  isAuthorizationRequest,
} from './administration.ts';
export { Authorizer, type AuthorizerOptions, type AuthorizerState } from './authorizer.ts';
export { ControlRouter, type PushHandler } from './control.ts';
export type { HardwareSource } from './hardware-identity.ts';
export { AuthorizationRecords } from './records.ts';
export { type AuthorizationSettings, AuthorizationState } from './state.ts';
export type {
  Audit,
  AuditFields,
  Denial,
  Lease,
  LeaseCheck,
  LeaseClock,
  LeaseOutcome,
  Leases,
  NoLease,
} from './types.ts';
export { Verdicts } from './verdicts.ts';
