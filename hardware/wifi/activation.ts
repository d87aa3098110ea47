import type { NetworkManager } from './network-manager.ts';
import {
  activeState,
  addressReasons,
  deviceState,
  interfaces,
  numberOf,
  stateReason,
} from './network-manager-names.ts';
import { News } from './news.ts';
import type { BusSignal } from './system-bus.ts';
import type { Timers } from './timers.ts';
import { WifiError } from './wifi.ts';

export interface ActivationOptions {
  readonly manager: NetworkManager;
  readonly devicePath: string;
  readonly ssid: string;
  readonly deadlineMs: number;
  readonly timers: Timers;
}

/**
 * Whether a connection that was begun comes about. It listens from the moment it is made, so that nothing that happens
 * between the request and its answer is missed; `onSignal` must be called with every signal.
 */
export class Activation {
  readonly #options: ActivationOptions;
  readonly #deadline: unknown;
  readonly #news: News;
  #reason = 0;
  #wrongPassword = false;
  #over: WifiError | undefined;

  constructor(options: ActivationOptions) {
    this.#options = options;
    const { ssid, deadlineMs, timers } = options;
    this.#news = new News({ timers });
    this.#deadline = timers.set(
      () => this.end(new WifiError('timeout', `"${ssid}" was not connected within ${deadlineMs / 1000} s`)),
      deadlineMs,
    );
  }

  onSignal({ path, interface: name, member, body }: BusSignal): void {
    if (path === this.#options.devicePath && name === interfaces.device && member === 'StateChanged') {
      const [to, from, reason] = body.map(numberOf) as [number, number, number];
      const underWay = from >= deviceState.prepare && from < deviceState.activated;
      if (to === deviceState.failed || (underWay && to <= deviceState.disconnected)) this.#reason ||= reason;
      // NetworkManager asks for another password when the access point has turned this one down.
      if (to === deviceState.needAuth && reason === stateReason.supplicantDisconnect) this.#wrongPassword = true;
    }
    this.#news.tell();
  }

  /** Gives up, with that error; the first one counts. */
  end(error: WifiError): void {
    this.#over ??= error;
    this.#news.tell();
  }

  /** Stops listening to the clock. */
  dispose(): void {
    this.#options.timers.clear(this.#deadline);
  }

  /** Resolves when the connection is usable. @throws WifiError */
  async wait(active: string): Promise<void> {
    for (;;) {
      this.#news.clear();
      if (this.#over) throw this.#over;
      if (this.#wrongPassword) throw this.#failure();
      const state = await this.#state(active);
      if (state === activeState.activated) return;
      if (state === activeState.deactivated) throw this.#failure();
      await this.#news.wait();
    }
  }

  async #state(active: string): Promise<number> {
    try {
      return numberOf((await this.#options.manager.properties(active, interfaces.active)).State);
    } catch (error) {
      // NetworkManager takes the object away once it has ended.
      if (error instanceof WifiError && error.code === 'no-device') return activeState.deactivated;
      throw error;
    }
  }

  #failure(): WifiError {
    const { ssid } = this.#options;
    if (this.#wrongPassword || this.#reason === stateReason.noSecrets) {
      return new WifiError('wrong-password', `the WiFi network "${ssid}" did not accept the password`);
    }
    if (this.#reason === stateReason.ssidNotFound) {
      return new WifiError('not-found', `no WiFi network "${ssid}" is in reach`);
    }
    if (this.#reason === stateReason.deviceRemoved) {
      return new WifiError('no-device', 'the WiFi adapter was removed');
    }
    if (addressReasons.has(this.#reason)) {
      return new WifiError('failed', `"${ssid}" gave no address: check the DHCP server of that network`);
    }
    const text = `"${ssid}" could not be connected (reason ${this.#reason} of NetworkManager): see "journalctl -u NetworkManager"`;
    return new WifiError('failed', text);
  }
}
