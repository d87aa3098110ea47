import { HoldfastError } from '../errors.ts';
import type { Clock } from '../platform/index.ts';
import type { Door, DoorOptions } from './door.ts';
import { HttpDoor } from './http-door.ts';
import { LastingDoor } from './lasting-door.ts';
import type { Random } from './random.ts';

/** The schemes that a machine can speak. */
export const doorSchemes = ['mqtt', 'mqtts', 'http', 'https', 'amqp', 'amqps'] as const;

/** Reads the URL of a door. Throws `usage` for what is none, or has another scheme. */
export function parseDoorUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && url.host !== '' && doorSchemes.some((scheme) => url.protocol === `${scheme}:`)) return url;
  // The text itself may hold a password.
  throw new HoldfastError('usage', `--url: a URL is expected that begins with ${doorSchemes.join('://, ')}://`);
}

/** A door by the scheme of its URL; nothing is opened, and no protocol loaded, before `open()`. */
export function createDoor(options: DoorOptions, { clock, random }: { clock: Clock; random: Random }): Door {
  const { url, listener } = options;
  if (url.protocol.startsWith('http')) return new HttpDoor({ ...options, clock });
  const isAmqp = url.protocol.startsWith('amqp');
  return new LastingDoor({
    connect: async (to) => {
      if (isAmqp) return (await import('./amqp-session.ts')).connectAmqp(options, to);
      return (await import('./mqtt-session.ts')).connectMqtt(options, to);
    },
    listener,
    // The centre answers into queues that outlive a connection; a clean MQTT session forgets.
    keepsReplies: isAmqp,
    clock,
    random,
  });
}
