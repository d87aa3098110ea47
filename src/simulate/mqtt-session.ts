import { Socket } from 'node:net';
import { connect } from 'mqtt';
import { replyTopic } from '../protocols/machines/index.ts';
import type { DoorListener, DoorOptions } from './door.ts';
import type { DoorSession } from './lasting-door.ts';

const connectTimeoutMs = 10_000;
const keepaliveS = 10;
/** From here on a SUBACK's code is a refusal. */
const highestQos = 2;

/** Connects a machine over MQTT 3.1.1 and subscribes to its replies. Rejects when the broker does not let it in. */
export async function connectMqtt(options: DoorOptions, listener: DoorListener): Promise<DoorSession> {
  const { url, serial, channels, credential } = options;
  const client = connect(`${url.protocol}//${url.host}`, {
    protocolVersion: 4,
    clientId: serial,
    clean: true,
    keepalive: keepaliveS,
    connectTimeout: connectTimeoutMs,
    // The library would send again what was under way; here that is the machine's business.
    reconnectPeriod: 0,
    ...credential,
  });
  const { promise: closed, resolve: end } = Promise.withResolvers<Error>();
  let reason = new Error('the broker closed the connection');
  client.on('error', (error) => {
    reason = error;
  });
  client.on('close', () => {
    end(reason);
    client.end(true);
  });
  const channelOf = new Map(channels.map((channel) => [replyTopic(channel, serial), channel]));
  client.on('message', (topic, payload) => {
    const channel = channelOf.get(topic);
    if (channel !== undefined) listener.onReply(channel, payload);
  });
  const lost = closed.then((error) => Promise.reject(error));
  await Promise.race([new Promise<void>((resolve) => client.once('connect', () => resolve())), lost]);
  // A PUBACK and the next report are two small writes: otherwise the second waits 40 ms for the other side's TCP.
  if (client.stream instanceof Socket) client.stream.setNoDelay(true);
  const granted = await Promise.race([client.subscribeAsync([...channelOf.keys()], { qos: 1 }), lost]);
  const refused = granted.find(({ qos }) => qos > highestQos);
  if (refused !== undefined) {
    client.end(true);
    throw new Error(`the broker does not let ${serial} read ${refused.topic}`);
  }
  let underWay = 0;
  return {
    closed,
    send: async (channel, body) => {
      underWay++;
      await client.publishAsync(channel, body, { qos: 1 });
      underWay--;
    },
    close: async () => {
      // The library says good-bye only once everything is acknowledged, which may never be.
      client.end(underWay > 0);
      await closed;
    },
  };
}
