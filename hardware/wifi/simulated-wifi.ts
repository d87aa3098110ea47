import type { SimulatedNetwork, SimulatedRadio } from './simulated-radio.ts';
import {
  type ConnectRequest,
  checkRequest,
  type Wifi,
  WifiError,
  type WifiNetwork,
  type WifiState,
  watchedPart,
} from './wifi.ts';

const faultTexts = {
  'driver-missing': 'the simulated D-Bus library is missing',
  'no-service': 'the simulated NetworkManager does not run',
  denied: 'the simulated NetworkManager does not allow it',
  timeout: 'the simulated NetworkManager did not answer in time',
} as const;

/** An adapter in a simulated world. Nothing takes time: whatever is asked has happened when the promise resolves. */
export class SimulatedWifi implements Wifi {
  readonly #radio: SimulatedRadio;
  readonly #watchers = new Set<(state: WifiState) => void>();
  #stopListening: (() => void) | undefined;
  #last = '';

  constructor({ radio }: { readonly radio: SimulatedRadio }) {
    this.#radio = radio;
  }

  async open(): Promise<void> {
    if (this.#stopListening) return;
    this.#last = watchedPart(this.#state());
    this.#stopListening = this.#radio.onChange(() => this.#tell());
  }

  async close(): Promise<void> {
    this.#stopListening?.();
    this.#stopListening = undefined;
  }

  async state(): Promise<WifiState> {
    return this.#state();
  }

  async scan(): Promise<readonly WifiNetwork[]> {
    this.#check();
    return this.#radio.networks.map(seen).sort((a, b) => b.strength - a.strength);
  }

  async connect(request: ConnectRequest): Promise<WifiState> {
    checkRequest(request);
    this.#check();
    this.#radio.join(request.ssid, request.password, request.hidden ?? false);
    return this.#state();
  }

  async disconnect(): Promise<WifiState> {
    this.#check();
    this.#radio.leave();
    return this.#state();
  }

  watch(listener: (state: WifiState) => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  #check(): void {
    if (!this.#stopListening) throw new WifiError('closed', 'the WiFi driver is closed');
    const { fault, plugged } = this.#radio;
    if (fault) throw new WifiError(fault, faultTexts[fault]);
    if (!plugged) throw new WifiError('no-device', 'the simulated adapter is unplugged');
  }

  #state(): WifiState {
    const { fault, plugged, connected } = this.#radio;
    if (fault === 'driver-missing' || fault === 'no-service') {
      return { driver: fault, connection: 'unavailable', text: faultTexts[fault] };
    }
    if (!plugged) {
      return { driver: 'no-device', connection: 'unavailable', text: 'the simulated adapter is unplugged' };
    }
    if (!connected) return { driver: 'ready', connection: 'disconnected', device: 'wlan-sim' };
    const { bssid, strength, frequency } = seen(connected);
    return {
      driver: 'ready',
      connection: 'connected',
      device: 'wlan-sim',
      ssid: connected.ssid,
      bssid,
      strength,
      frequency,
      address: connected.address ?? '192.0.2.10',
    };
  }

  #tell(): void {
    const state = this.#state();
    const part = watchedPart(state);
    if (part === this.#last) return;
    this.#last = part;
    for (const watcher of [...this.#watchers]) watcher(state);
  }
}

function seen(network: SimulatedNetwork): WifiNetwork {
  return {
    ssid: network.hidden ? '' : network.ssid,
    bssid: network.bssid ?? '02:00:00:00:00:01',
    strength: network.strength ?? 70,
    security: network.security ?? (network.password === undefined ? 'open' : 'wpa2'),
    frequency: network.frequency ?? 2412,
  };
}
