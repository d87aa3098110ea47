export {
  authorizationChannel,
  builtInChannels,
  createChannels,
  type ExtraChannel,
  type MachineChannel,
} from './channels.ts';
export { decodeMessage, encodeMessage } from './codec.ts';
export { cleanKey, type JsonObject, maxDepth, type ParseFault, parseBody } from './parse.ts';
export {
  channelQueueArguments,
  gatewayControlQueue,
  gatewayReceiptsQueue,
  type QueueArguments,
  type QueueType,
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
  type BaseInformation,
  type ErrorReport,
  type LevelName,
  levels,
  type MessageKind,
  type Messages,
  messageFields,
  type ProcessReport,
  replyKeys,
  type StateName,
  states,
} from './wire.ts';
