import type { ConsumeMessage } from 'amqplib';
import {
  authorizationChannel,
  type QueueArguments,
  queryQueueArguments,
  replyQueueArguments,
  replyTopic,
} from '../protocols/machines/index.ts';
import type { Answer, Arrival } from './ingest.ts';

/** Where an answer is published. */
export interface Destination {
  readonly exchange: string;
  readonly routingKey: string;
  /** The queue is made when the broker has none (it returns the answer then). */
  readonly declare: boolean;
}

/** How the messages of one queue are read and answered. */
export interface Source {
  readonly queue: string;
  /** Bindings besides that of the default exchange. */
  readonly bindings: readonly { readonly exchange: string; readonly pattern: string }[];
  /** How to make it; undefined for the queue of a channel, which `queueType` decides. */
  readonly queueArguments: QueueArguments | undefined;
  /** True for authorization queries: every copy of the centre takes of them, and they are answered, not stored. */
  readonly isQueries: boolean;
  /** undefined for what is no message of this queue; `skip` for one that comes on another queue too. */
  read(message: ConsumeMessage, receivedMs: number): Arrival | 'skip' | undefined;
  /** undefined when there is nobody to answer. */
  destination(message: ConsumeMessage, arrival: Arrival, answer: Answer): Destination | undefined;
}

/** The queue of all gateways whose uplink is RabbitMQ's MQTT plugin. */
export const mqttQueue = 'holdfast_mqtt_up';
/** The queue of their authorization queries: they do not wait behind reports. */
export const mqttQueryQueue = 'holdfast_mqtt_auth';
/** The exchange of RabbitMQ's MQTT plugin. */
export const topicExchange = 'amq.topic';
const name = '[A-Za-z0-9_-]';
const upKey = new RegExp(`^holdfast\\.(${name}{1,64})\\.up\\.(${name}{1,64})\\.(${name}{1,128})$`);
const upTopic = new RegExp(`^holdfast/(${name}{1,64})/up/(${name}{1,64})/(${name}{1,128})$`);

/** An answer goes to none of them, nor to a channel. */
const ourQueues: ReadonlySet<string> = new Set([mqttQueue, mqttQueryQueue]);

/** The queue of a channel, written by gateways over AMQP and by machines themselves. `channels` are all of them. */
export function channelSource(channel: string, channels: ReadonlySet<string>): Source {
  return {
    queue: channel,
    bindings: [],
    queueArguments: undefined,
    isQueries: channel === authorizationChannel,
    read({ content, properties }, receivedMs) {
      const headers = properties.headers ?? {};
      return {
        channel,
        body: content,
        messageId: textOf(properties.messageId),
        receivedMs,
        via: 'amqp',
        gateway: textOf(properties.appId),
        sequence: countOf(headers['x-sequence']),
        previous: countOf(headers['x-previous']),
        acceptedMs: timeOf(headers['x-accepted-at']),
        clock: clockOf(headers['x-clock']),
      };
    },
    destination({ properties }, _arrival, { serial }) {
      const replyTo = textOf(properties.replyTo);
      // An answer must never come back as a report.
      if (replyTo !== undefined && !channels.has(replyTo) && !ourQueues.has(replyTo)) {
        return { exchange: '', routingKey: replyTo, declare: false };
      }
      return { exchange: '', routingKey: replyTopic(channel, serial), declare: serial !== undefined };
    },
  };
}

/** What gateways publish over MQTT and RabbitMQ's plugin; who sent what stands in the routing key. */
export const mqttSource: Source = {
  queue: mqttQueue,
  bindings: [{ exchange: topicExchange, pattern: 'holdfast.*.up.*.*' }],
  queueArguments: replyQueueArguments,
  isQueries: false,
  read({ fields, content }, receivedMs) {
    const arrival = arrivalOf(upKey.exec(fields.routingKey), content, receivedMs);
    // The pattern of a topic exchange cannot leave one word out.
    return arrival?.channel === authorizationChannel ? 'skip' : arrival;
  },
  destination: mqttDestination,
};

/** Of these, the authorization queries. */
export const mqttQuerySource: Source = {
  queue: mqttQueryQueue,
  bindings: [{ exchange: topicExchange, pattern: `holdfast.*.up.${authorizationChannel}.*` }],
  queueArguments: queryQueueArguments,
  isQueries: true,
  read: ({ fields, content }, receivedMs) => arrivalOf(upKey.exec(fields.routingKey), content, receivedMs),
  destination: mqttDestination,
};

function mqttDestination(_message: ConsumeMessage, { gateway, messageId }: Arrival): Destination {
  const routingKey = `holdfast.${gateway}.down.receipt.${messageId}`;
  return { exchange: topicExchange, routingKey, declare: false };
}

/** A message on `holdfast/<gateway>/up/<channel>/<message_id>`; undefined for another topic. */
export function readTopic(topic: string, body: Buffer, receivedMs: number): Arrival | undefined {
  return arrivalOf(upTopic.exec(topic), body, receivedMs);
}

/** The topic that a gateway reads the answer to one message on. */
export const receiptTopic = (gateway: string, messageId: string): string =>
  `holdfast/${gateway}/down/receipt/${messageId}`;

/** The topic that a gateway is told of changes on, and the same as a routing key of the plugin. */
export const controlTopic = (gateway: string): string => `holdfast/${gateway}/down/control`;
export const controlKey = (gateway: string): string => `holdfast.${gateway}.down.control`;

function arrivalOf(parts: RegExpExecArray | null, body: Buffer, receivedMs: number): Arrival | undefined {
  if (parts === null) return undefined;
  const [, gateway, channel, messageId] = parts as unknown as [string, string, string, string];
  // MQTT 3.1.1 has no headers; the sequence stands at the end of the id.
  const sequence = countOf(/^.*-([1-9]\d{0,15})$/.exec(messageId)?.[1]);
  return { channel, body, messageId, receivedMs, via: 'mqtt', gateway, sequence };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function countOf(value: unknown): number | undefined {
  const count = typeof value === 'string' && value !== '' ? Number(value) : value;
  return Number.isSafeInteger(count) && (count as number) >= 0 ? (count as number) : undefined;
}

/** Milliseconds, or a text that Date understands; nothing that Date cannot hold. */
function timeOf(value: unknown): number | undefined {
  const timeMs = typeof value === 'string' ? Date.parse(value) : value;
  return typeof timeMs === 'number' && Math.abs(timeMs) <= 8.64e15 ? timeMs : undefined;
}

function clockOf(value: unknown): 'trusted' | 'untrusted' | undefined {
  return value === 'trusted' || value === 'untrusted' ? value : undefined;
}
