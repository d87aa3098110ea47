export {
  type AccountPush,
  accountPushText,
  encodeAccountPush,
  type PushedAccount,
  readAccountPush,
} from './account-push.ts';
export {
  authorizationChannel,
  builtInChannels,
  createChannels,
  type ExtraChannel,
  type MachineChannel,
} from './channels.ts';
export { decodeMessage, encodeMessage } from './codec.ts';
export {
  encodePush,
  type Grant,
  grantFields,
  type Identity,
  identityFields,
  readGrant,
  readIdentity,
  readPush,
  sameIdentity,
  signGrant,
  verifyGrant,
} from './grants.ts';
export { LiveTexts, type LiveTextsOptions, type TextSource } from './live-texts.ts';
export { cleanKey, type JsonObject, maxDepth, type ParseFault, parseBody } from './parse.ts';
export {
  channelQueueArguments,
  gatewayControlQueue,
  gatewayReceiptsQueue,
  type QueueArguments,
  type QueueType,
  queryLifetimeMs,
  queryQueueArguments,
  replyQueueArguments,
} from './queues.ts';
export {
  type AuthorizationReply,
  type ReceivedReply,
  ReplyWriter,
  type ReportReply,
  readReply,
  replyTopic,
} from './replies.ts';
export { defaultTexts, isTextId, type Language, replaceTexts, type TextId, type Texts } from './texts.ts';
export { type RefusalReason, type Validation, validateAuthorizationQuery, validateReport } from './validate.ts';
export { isQuantity, isSerial, isTime } from './values.ts';
export {
  type AuthorizationQuery,
  accountKeys,
  accountPushKeys,
  answerKeys,
  authorizationLogKeys,
  authorizationLogKinds,
  authorizationLogSources,
  type BaseInformation,
  type ErrorReport,
  grantKeys,
  type LevelName,
  levels,
  loginResults,
  type MessageKind,
  type Messages,
  messageFields,
  type ProcessReport,
  pushKinds,
  queryNames,
  type RoleName,
  recordKeys,
  replyKeys,
  roles,
  type StateName,
  sessionKeys,
  states,
} from './wire.ts';
