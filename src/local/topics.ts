import { reservedClients } from '../config/index.ts';

/** All topics of flows begin so. */
const prefix = 'holdfast/local/';
/** The state of the uplink, for every client. */
export const uplinkTopic = `${prefix}uplink`;
const messagePrefix = `${prefix}message/`;
/** A client of such a name has no say. */
const reserved = new Set(reservedClients);

/** What a client may ask for. */
export const requestKinds = ['report', 'authorize', 'query'] as const;
export type RequestKind = (typeof requestKinds)[number];

/** How a request is answered. */
export type AnswerKind = 'stored' | 'delivered' | 'failed' | 'authorized' | 'answer';

/** 1 to 64 characters; also of user names that have a word to say here. */
export const idPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** True for a topic, or a filter, of flows. */
export const isLocalTopic = (topic: string): boolean => topic.startsWith(prefix);

/** The topic of a request's answer. */
export const localTopic = (client: string, kind: AnswerKind, id: string): string => `${prefix}${client}/${kind}/${id}`;

/** The topic of what a machine sent. */
export const messageTopic = (channel: string, serial: string): string => `${messagePrefix}${channel}/${serial}`;

/** A request's topic, taken apart; undefined for any other topic. */
export function parseRequest(topic: string): { client: string; kind: RequestKind; id: string } | undefined {
  const [client, kind, id, ...more] = topic.slice(prefix.length).split('/');
  if (client === undefined || id === undefined || more.length > 0 || reserved.has(client)) return undefined;
  const known = requestKinds.find((each) => each === kind);
  return known && { client, kind: known, id };
}

/** What a subscription wants to read; undefined for what nobody may read. */
export function parseFilter(
  filter: string,
):
  | { kind: 'uplink' }
  | { kind: 'answers'; client: string }
  | { kind: 'messages'; serial: string | undefined }
  | undefined {
  if (filter === uplinkTopic) return { kind: 'uplink' };
  const parts = filter.slice(prefix.length).split('/');
  const [first, second, third] = parts;
  if (first === 'message') {
    if (parts.length === 2 && second === '#') return { kind: 'messages', serial: undefined };
    if (parts.length !== 3 || !isPlainOr(second!, '+') || !isPlainOr(third!, '+')) return undefined;
    return { kind: 'messages', serial: third === '+' ? undefined : third };
  }
  if (first === undefined || !idPattern.test(first) || reserved.has(first)) return undefined;
  const isAll = parts.length === 2 && second === '#';
  const isSome = parts.length === 3 && isPlainOr(second!, '+') && isPlainOr(third!, '+');
  return isAll || isSome ? { kind: 'answers', client: first } : undefined;
}

const isPlainOr = (part: string, wildcard: string): boolean => part === wildcard || idPattern.test(part);
