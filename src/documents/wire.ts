import { type MachineChannel, messageFields } from '../protocols/machines/index.ts';

const machineTime = messageFields.base.time.key;

/** Of the gateway's own bodies, those whose time does not stand where a machine's does. */
const timeKeys: Readonly<Record<string, string>> = {
  production_device: 'time',
  picture_message: 'time',
  gateway_event: 'since',
};

/** The key of a body that says when it happened, in site time; the stored `_time` is made of it. */
export const timeKeyOf = (channel: Pick<MachineChannel, 'name'>): string => timeKeys[channel.name] ?? machineTime;

/** Keys that queries look for, as the machines write them. */
export const queryKeys = {
  serial: messageFields.base.serial.key,
  customer: messageFields.base.customer.key,
  machine: messageFields.base.name.key,
  level: messageFields.error.level.key,
} as const;
