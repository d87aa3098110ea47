import type { Channel } from '../../intake/types.ts';
import { type MessageKind, tableNames } from './wire.ts';

/**
 * A channel and how its messages are read. `kind` is the machines' message, `gateway` for the gateway's own bodies and
 * `extra` for a channel that a site's configuration adds.
 */
export interface MachineChannel extends Channel {
  readonly kind: MessageKind | 'gateway' | 'extra';
  /** `表` in the reply; of no use on the authorization channel. */
  readonly table: string;
}

/** A channel as configured: its name is the topic, `[A-Za-z0-9_-]{1,64}`. */
export type ExtraChannel = Omit<Channel, 'owner'>;

const machine = (name: string, kind: MessageKind, collection: string, lane: Channel['lane'], table: string) =>
  ({ name, kind, database: 'device_info', collection, lane, owner: 'machine', table }) as const;
const own = (name: string, database: string, collection: string, lane: Channel['lane']) =>
  ({ name, kind: 'gateway', database, collection, lane, owner: 'gateway', table: name }) as const;

/** The channels of contracts/machines.md, those of machines first. */
export const builtInChannels: readonly MachineChannel[] = [
  machine('device_base_info', 'base', 'device_base', 'state', tableNames.base),
  machine('device_process_info', 'process', 'device_process', 'process', tableNames.process),
  machine('device_error_info', 'error', 'device_error_info', 'alarm', tableNames.error),
  machine('device_auth', 'authorization', 'device_auth', 'state', 'device_auth'),
  own('device_auth_log', 'device_info', 'device_auth_log', 'state'),
  own('production_device', 'production', 'device', 'state'),
  own('scan_record', 'scanner', 'record', 'bulk'),
  own('picture_message', 'camera', 'picture', 'bulk'),
  own('router_state', 'router', 'state', 'state'),
  own('gateway_event', 'gateway', 'event', 'alarm'),
];

/** The name of the channel that asks for authorization; it is answered, never stored. */
export const authorizationChannel = 'device_auth';

/**
 * The built-in channels and those of the configuration, by name. An extra channel belongs to machines: its messages
 * are JSON objects with a 序列号. Throws a RangeError for a name that is taken or could be mistaken for a reply topic
 * (ends in `_res`); the configuration checks both before.
 */
export function createChannels(extra: readonly ExtraChannel[] = []): ReadonlyMap<string, MachineChannel> {
  const channels = new Map(builtInChannels.map((channel) => [channel.name, channel]));
  for (const channel of extra) {
    if (channels.has(channel.name)) throw new RangeError(`the channel ${channel.name} exists already`);
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(channel.name) || channel.name.endsWith('_res')) {
      throw new RangeError(`${channel.name} cannot be the name of a channel`);
    }
    channels.set(channel.name, { ...channel, owner: 'machine', kind: 'extra', table: channel.name });
  }
  return channels;
}
