/** NetworkManager's objects as this driver uses them: one call each, nothing kept. Every method throws `WifiError`. */
import {
  interfaces,
  managerPath,
  networkOf,
  numberOf,
  type Properties,
  pathsOf,
  service,
  settingsPath,
  ssidOf,
  textOf,
  wifiDeviceType,
} from './network-manager-names.ts';
import type { ConnectionSettings } from './profile.ts';
import type { SystemBus } from './system-bus.ts';
import { WifiError, type WifiNetwork } from './wifi.ts';

/** The adapter. */
export interface Device {
  readonly path: string;
  readonly name: string;
  readonly state: number;
  readonly activePath: string;
  readonly ip4Path: string;
}

/** A connection that the system has saved. */
export interface Profile {
  readonly path: string;
  readonly id: string;
}

/** An access point and the object that it is. */
export interface SeenNetwork extends WifiNetwork {
  readonly path: string;
}

const mostProfiles = 256;
const mostNetworks = 256;

export class NetworkManager {
  readonly bus: SystemBus;

  constructor({ bus }: { readonly bus: SystemBus }) {
    this.bus = bus;
  }

  /** The adapter of that name; without one, the first by name. @throws WifiError `no-device` */
  async device(wanted: string): Promise<Device> {
    const [paths] = await this.#call(managerPath, interfaces.manager, 'GetDevices');
    const all = await this.#each(pathsOf(paths), async (path) => ({
      path,
      properties: await this.properties(path, interfaces.device),
    }));
    const wifi = all
      .filter(({ properties }) => numberOf(properties.DeviceType) === wifiDeviceType)
      .map(({ path, properties }) => ({
        path,
        name: textOf(properties.Interface),
        state: numberOf(properties.State),
        activePath: textOf(properties.ActiveConnection),
        ip4Path: textOf(properties.Ip4Config),
      }))
      .sort((a, b) => a.name.localeCompare(b.name));
    const device = wanted === '' ? wifi[0] : wifi.find(({ name }) => name === wanted);
    if (device) return device;
    const names = wifi.map(({ name }) => name).join(', ');
    throw new WifiError(
      'no-device',
      wanted === ''
        ? 'NetworkManager knows no WiFi adapter: plug one in, or check "nmcli device"'
        : `NetworkManager knows no WiFi adapter ${wanted}${names && `, only ${names}`}: see "nmcli device"`,
    );
  }

  async networks(devicePath: string): Promise<readonly SeenNetwork[]> {
    const [paths] = await this.#call(devicePath, interfaces.wireless, 'GetAllAccessPoints');
    const seen = await this.#each(pathsOf(paths).slice(0, mostNetworks), (path) => this.network(path));
    return seen.sort((a, b) => b.strength - a.strength);
  }

  async network(path: string): Promise<SeenNetwork> {
    return { path, ...networkOf(await this.properties(path, interfaces.accessPoint)) };
  }

  /** When the adapter last looked around, in ms since the computer started; undefined when it never says. */
  async lastScan(devicePath: string): Promise<number | undefined> {
    const { LastScan } = await this.properties(devicePath, interfaces.wireless);
    return LastScan === undefined ? undefined : numberOf(LastScan);
  }

  async requestScan(devicePath: string): Promise<void> {
    await this.#call(devicePath, interfaces.wireless, 'RequestScan', 'a{sv}', [{}]);
  }

  /** The saved connections for a network of that name. */
  async profiles(ssid: string): Promise<readonly Profile[]> {
    const [paths] = await this.#call(settingsPath, interfaces.settings, 'ListConnections');
    const all = await this.#each(pathsOf(paths).slice(0, mostProfiles), async (path) => {
      const [settings] = await this.#call(path, interfaces.profile, 'GetSettings');
      const { connection, '802-11-wireless': wireless } = (settings ?? {}) as Record<string, Properties | undefined>;
      return { path, id: textOf(connection?.id), ssid: ssidOf(wireless?.ssid) };
    });
    return all.filter((profile) => profile.ssid === ssid);
  }

  async deleteProfile(path: string): Promise<void> {
    await this.#call(path, interfaces.profile, 'Delete');
  }

  /** Resolves with the active connection as soon as NetworkManager has begun. */
  async activate(profile: string, device: string, accessPoint: string): Promise<string> {
    const body = [profile, device, accessPoint];
    const [active] = await this.#call(managerPath, interfaces.manager, 'ActivateConnection', 'ooo', body);
    return textOf(active);
  }

  async addAndActivate(
    settings: ConnectionSettings,
    device: string,
    accessPoint: string,
  ): Promise<{ readonly profile: string; readonly active: string }> {
    const typed = Object.fromEntries(
      Object.entries(settings).map(([name, group]) => [
        name,
        Object.fromEntries(Object.entries(group).map(([key, [type, value]]) => [key, this.bus.typed(type, value)])),
      ]),
    );
    const body = [typed, device, accessPoint];
    const member = 'AddAndActivateConnection';
    const [profile, active] = await this.#call(managerPath, interfaces.manager, member, 'a{sa{sv}}oo', body);
    return { profile: textOf(profile), active: textOf(active) };
  }

  async deactivate(active: string): Promise<void> {
    await this.#call(managerPath, interfaces.manager, 'DeactivateConnection', 'o', [active]);
  }

  async disconnect(devicePath: string): Promise<void> {
    await this.#call(devicePath, interfaces.device, 'Disconnect');
  }

  async properties(path: string, of: string): Promise<Properties> {
    const [properties] = await this.#call(path, interfaces.properties, 'GetAll', 's', [of]);
    return (properties ?? {}) as Properties;
  }

  /** Objects may go while they are asked about, and profiles may be another user's; those are left out. */
  async #each<T>(paths: readonly string[], ask: (path: string) => Promise<T>): Promise<T[]> {
    const results = await Promise.all(
      paths.map((path) =>
        ask(path).catch((error: WifiError) => {
          if (error.code === 'no-device' || error.code === 'denied') return undefined;
          throw error;
        }),
      ),
    );
    return results.filter((result) => result !== undefined);
  }

  #call(path: string, of: string, member: string, signature?: string, body?: readonly unknown[]) {
    return this.bus.call({
      destination: service,
      path,
      interface: of,
      member,
      ...(signature !== undefined && { signature, body: body ?? [] }),
    });
  }
}
