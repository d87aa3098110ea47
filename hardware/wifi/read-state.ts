import type { NetworkManager } from './network-manager.ts';
import { deviceState, interfaces, noPath, type Properties, textOf } from './network-manager-names.ts';
import { WifiError, type WifiState } from './wifi.ts';

const missing: ReadonlySet<string> = new Set(['driver-missing', 'no-service', 'no-device']);

/**
 * How the adapter is now. What is missing is part of the state.
 *
 * @throws WifiError when NetworkManager is there and does not answer or refuses to
 */
export async function readState(manager: NetworkManager, wanted: string): Promise<WifiState> {
  try {
    return await readDevice(manager, wanted);
  } catch (error) {
    if (!(error instanceof WifiError) || !missing.has(error.code)) throw error;
    return { driver: error.code as WifiState['driver'], connection: 'unavailable', text: error.message };
  }
}

async function readDevice(manager: NetworkManager, wanted: string): Promise<WifiState> {
  const { path, name: device, state, ip4Path } = await manager.device(wanted);
  if (state < deviceState.unavailable) {
    const text = `NetworkManager does not manage ${device}: "nmcli device set ${device} managed yes"`;
    return { driver: 'ready', connection: 'unavailable', device, text };
  }
  if (state < deviceState.disconnected) {
    const text = `the radio of ${device} is off: "nmcli radio wifi on", and check "rfkill list"`;
    return { driver: 'ready', connection: 'unavailable', device, text };
  }
  if (state >= deviceState.prepare && state < deviceState.activated) {
    return { driver: 'ready', connection: 'connecting', device };
  }
  if (state !== deviceState.activated) return { driver: 'ready', connection: 'disconnected', device };
  // Either may go in the same moment; the next signal says so.
  const [network, address] = await Promise.all([
    readNetwork(manager, path).catch(absent),
    readAddress(manager, ip4Path).catch(absent),
  ]);
  return { driver: 'ready', connection: 'connected', device, ...network, ...(address !== undefined && { address }) };
}

async function readNetwork(manager: NetworkManager, devicePath: string) {
  const { ActiveAccessPoint } = await manager.properties(devicePath, interfaces.wireless);
  const path = textOf(ActiveAccessPoint);
  if (path === '' || path === noPath) return {};
  const { ssid, bssid, strength, frequency } = await manager.network(path);
  return { ssid, bssid, strength, frequency };
}

async function readAddress(manager: NetworkManager, path: string): Promise<string | undefined> {
  if (path === '' || path === noPath) return undefined;
  const { AddressData } = await manager.properties(path, interfaces.ip4);
  const [first] = Array.isArray(AddressData) ? (AddressData as Properties[]) : [];
  return textOf(first?.address) || undefined;
}

function absent(error: unknown): undefined {
  if (error instanceof WifiError && error.code === 'no-device') return undefined;
  throw error;
}
