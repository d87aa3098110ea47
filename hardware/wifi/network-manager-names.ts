/**
 * Names and numbers of NetworkManager's D-Bus interface (its reference, "D-Bus API", 1.20 and newer), and what they
 * mean here.
 */
import type { WifiNetwork, WifiSecurity } from './wifi.ts';

export const service = 'org.freedesktop.NetworkManager';
export const managerPath = '/org/freedesktop/NetworkManager';
export const settingsPath = '/org/freedesktop/NetworkManager/Settings';
export const noPath = '/';

export const interfaces = {
  manager: service,
  device: `${service}.Device`,
  wireless: `${service}.Device.Wireless`,
  accessPoint: `${service}.AccessPoint`,
  active: `${service}.Connection.Active`,
  settings: `${service}.Settings`,
  profile: `${service}.Settings.Connection`,
  ip4: `${service}.IP4Config`,
  properties: 'org.freedesktop.DBus.Properties',
} as const;

/** Not the access points: the strength of each of them changes every few seconds. */
export const matchRules: readonly string[] = [
  `type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${service}'`,
  `type='signal',sender='${service}',path='${managerPath}',interface='${interfaces.manager}'`,
  `type='signal',sender='${service}',interface='${interfaces.device}',member='StateChanged'`,
  `type='signal',sender='${service}',interface='${interfaces.active}',member='StateChanged'`,
  ...[interfaces.device, interfaces.wireless, interfaces.ip4].map(
    (name) =>
      `type='signal',sender='${service}',interface='${interfaces.properties}',member='PropertiesChanged',arg0='${name}'`,
  ),
];

export const wifiDeviceType = 2;

/** NMDeviceState. */
export const deviceState = {
  unmanaged: 10,
  unavailable: 20,
  disconnected: 30,
  prepare: 40,
  needAuth: 60,
  activated: 100,
  failed: 120,
} as const;

/** NMActiveConnectionState. */
export const activeState = { activated: 2, deactivated: 4 } as const;

/** NMDeviceStateReason, as far as they tell one failure from another. */
export const stateReason = { noSecrets: 7, supplicantDisconnect: 8, deviceRemoved: 36, ssidNotFound: 53 } as const;
/** The network is there, and gave no address. */
export const addressReasons: ReadonlySet<number> = new Set([5, 6, 15, 16, 17]);

const privacy = 1;
const keyManagement = { psk: 0x100, enterprise: 0x200, sae: 0x400, owe: 0x800, oweTransition: 0x1000 } as const;

/** From an access point's Flags, WpaFlags and RsnFlags. */
export function securityOf(flags: number, wpa: number, rsn: number): WifiSecurity {
  const either = wpa | rsn;
  if (either & keyManagement.enterprise) return 'enterprise';
  if (rsn & keyManagement.psk) return 'wpa2';
  if (rsn & keyManagement.sae) return 'wpa3';
  if (wpa & keyManagement.psk) return 'wpa';
  if (rsn & keyManagement.owe) return 'owe';
  return flags & privacy ? 'wep' : 'open';
}

/** Properties of an object, as they come from `GetAll`: to be distrusted. */
export type Properties = Readonly<Record<string, unknown>>;

export function numberOf(value: unknown): number {
  return typeof value === 'bigint' ? Number(value) : typeof value === 'number' ? value : 0;
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The name of a network is bytes; nearly always UTF-8. */
export function ssidOf(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  return Array.isArray(value) ? Buffer.from(value as number[]).toString() : '';
}

export function pathsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((path) => typeof path === 'string') : [];
}

export function networkOf(properties: Properties): WifiNetwork {
  const { Flags, WpaFlags, RsnFlags, Strength, Frequency, HwAddress, Ssid } = properties;
  return {
    ssid: ssidOf(Ssid),
    bssid: textOf(HwAddress),
    strength: Math.min(100, numberOf(Strength)),
    security: securityOf(numberOf(Flags), numberOf(WpaFlags), numberOf(RsnFlags)),
    frequency: numberOf(Frequency),
  };
}
