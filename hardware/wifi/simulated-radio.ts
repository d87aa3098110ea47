import { WifiError, type WifiErrorCode, type WifiSecurity } from './wifi.ts';

/** A network in the reach of a simulated radio. */
export interface SimulatedNetwork {
  readonly ssid: string;
  /** Absent: open. */
  readonly password?: string;
  /** Default: `wpa2` with a password, `open` without. */
  readonly security?: WifiSecurity;
  /** 0 to 100, default 70. */
  readonly strength?: number;
  /** MHz, default 2412. */
  readonly frequency?: number;
  readonly bssid?: string;
  /** Does not announce its name. */
  readonly hidden?: boolean;
  /** Its address server gives this; default 192.0.2.10. */
  readonly address?: string;
}

/** What goes wrong with everything that is asked; `no-device` is `unplug()`. */
export type RadioFault = Extract<WifiErrorCode, 'driver-missing' | 'no-service' | 'denied' | 'timeout'>;

const mostRadios = 64;
const mostNetworks = 256;
const radios = new Map<string, SimulatedRadio>();

/** The world around a simulated adapter, to be driven by a test, a command or a console. */
export class SimulatedRadio {
  readonly #networks = new Map<string, SimulatedNetwork>();
  readonly #listeners = new Set<() => void>();
  /** Passwords that worked, as a system saves them. */
  readonly #saved = new Map<string, string | undefined>();
  #plugged = true;
  #fault: RadioFault | undefined;
  #connected: string | undefined;

  /** The radio of that name, made when there is none yet. */
  static named(name: string): SimulatedRadio {
    let radio = radios.get(name);
    if (!radio) {
      if (radios.size >= mostRadios) throw new WifiError('invalid', `there are ${mostRadios} simulated radios already`);
      radio = new SimulatedRadio();
      radios.set(name, radio);
    }
    return radio;
  }

  /** Every radio by name. */
  static all(): [name: string, radio: SimulatedRadio][] {
    return [...radios];
  }

  /** A network comes into reach, or changes. */
  appear(network: SimulatedNetwork): void {
    if (this.#networks.size >= mostNetworks && !this.#networks.has(network.ssid)) {
      throw new WifiError('invalid', `there are ${mostNetworks} simulated networks already`);
    }
    this.#networks.set(network.ssid, network);
    this.#changed();
  }

  /** A network goes out of reach; who was connected to it is not any more. */
  vanish(ssid: string): void {
    this.#networks.delete(ssid);
    if (this.#connected === ssid) this.#connected = undefined;
    this.#changed();
  }

  unplug(): void {
    this.#plugged = false;
    this.#connected = undefined;
    this.#changed();
  }

  plug(): void {
    this.#plugged = true;
    this.#changed();
  }

  /** From now on everything fails like that; `undefined` ends it. */
  fail(fault: RadioFault | undefined): void {
    this.#fault = fault;
    this.#changed();
  }

  /** As it was when it was made. Listeners stay. */
  reset(): void {
    this.#networks.clear();
    this.#saved.clear();
    this.#plugged = true;
    this.#fault = undefined;
    this.#connected = undefined;
    this.#changed();
  }

  get plugged(): boolean {
    return this.#plugged;
  }

  get fault(): RadioFault | undefined {
    return this.#fault;
  }

  /** The network that is connected. */
  get connected(): SimulatedNetwork | undefined {
    return this.#connected === undefined ? undefined : this.#networks.get(this.#connected);
  }

  get networks(): readonly SimulatedNetwork[] {
    return [...this.#networks.values()];
  }

  /** What an adapter does when it is told to connect. @throws WifiError `not-found`, `wrong-password` */
  join(ssid: string, password: string | undefined, hidden: boolean): void {
    const network = this.#networks.get(ssid);
    if (!network || (network.hidden && !hidden && !this.#saved.has(ssid))) {
      throw new WifiError('not-found', `no WiFi network "${ssid}" is in reach`);
    }
    if (network.password !== (password ?? this.#saved.get(ssid))) {
      throw new WifiError(
        'wrong-password',
        password === undefined
          ? `the WiFi network "${ssid}" needs a password`
          : `the WiFi network "${ssid}" did not accept the password`,
      );
    }
    this.#saved.set(ssid, network.password);
    this.#connected = ssid;
    this.#changed();
  }

  leave(): void {
    this.#connected = undefined;
    this.#changed();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
