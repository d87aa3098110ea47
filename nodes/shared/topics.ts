/** The topics of what a flow says to the gateway (contracts/nodes.md). */

const root = 'holdfast/local';

/** Ids of reports and questions. */
export const idPattern = /^[A-Za-z0-9_-]{1,64}$/;
/** Channels and serial numbers, which are parts of topics. */
export const namePattern = /^[A-Za-z0-9_-]{1,64}$/;

export type RequestKind = 'report' | 'authorize' | 'query';
const answers = ['stored', 'delivered', 'failed', 'authorized', 'answer'] as const;
export type AnswerKind = (typeof answers)[number];

export const uplinkTopic = `${root}/uplink`;
const messageRoot = `${root}/message/`;

export function requestTopic(client: string, kind: RequestKind, id: string): string {
  return `${root}/${client}/${kind}/${id}`;
}

/** All that the gateway answers to this client. */
export function answersFilter(client: string): string {
  return `${root}/${client}/#`;
}

/** Kind and id of an answer to this client; undefined for anything else. */
export function parseAnswer(client: string, topic: string): { kind: AnswerKind; id: string } | undefined {
  const prefix = `${root}/${client}/`;
  if (!topic.startsWith(prefix)) return undefined;
  const [kind, id, ...rest] = topic.slice(prefix.length).split('/');
  if (id === undefined || rest.length > 0 || !answers.includes(kind as AnswerKind)) return undefined;
  return { kind: kind as AnswerKind, id };
}

/** Which machines' messages somebody wants; an empty part stands for all. */
export interface MessageFilter {
  readonly channel: string;
  readonly serial: string;
}

export function messageFilter({ channel, serial }: MessageFilter): string {
  if (channel === '' && serial === '') return `${messageRoot}#`;
  return `${messageRoot}${channel || '+'}/${serial || '+'}`;
}

/** Channel and serial number of a machine's message; undefined for any other topic. */
export function parseMessage(topic: string): { channel: string; serial: string } | undefined {
  if (!topic.startsWith(messageRoot)) return undefined;
  const [channel, serial, ...rest] = topic.slice(messageRoot.length).split('/');
  if (!channel || !serial || rest.length > 0) return undefined;
  return { channel, serial };
}

/**
 * The fewest subscriptions that bring everything wanted once: what another one covers is left out, and where a channel
 * of all machines meets a machine of all channels, one for everything replaces them, because a broker may send a message
 * once for each subscription that it matches.
 */
export function coveringFilters(wanted: readonly MessageFilter[]): readonly string[] {
  const all = wanted.some(({ channel, serial }) => channel === '' && serial === '');
  const channels = new Set(wanted.filter(({ serial }) => serial === '').map(({ channel }) => channel));
  const serials = new Set(wanted.filter(({ channel }) => channel === '').map(({ serial }) => serial));
  if (all || (channels.size > 0 && serials.size > 0)) return [messageFilter({ channel: '', serial: '' })];
  const needed = wanted.filter(
    ({ channel, serial }) => channel === '' || serial === '' || (!channels.has(channel) && !serials.has(serial)),
  );
  return [...new Set(needed.map(messageFilter))];
}
