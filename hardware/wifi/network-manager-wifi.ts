/**
 * The adapter of a box with NetworkManager.
 *
 * - Nothing is remembered that NetworkManager knows: every answer is read when it is asked for, so that what nmcli or a
 *   desktop changes is right here too, and a restart of NetworkManager or of D-Bus needs no repair.
 * - A signal only says that it is worth reading again.
 * - `connect` with a password makes a connection of its own. When it fails that one is deleted; when it works, older
 *   ones that this driver made for the same network are. Connections made by others are used and never changed.
 */
import { Activation } from './activation.ts';
import { FailedCall, noBus, noNetworkManager } from './bus-errors.ts';
import { type Device, NetworkManager, type SeenNetwork } from './network-manager.ts';
import { deviceState, interfaces, matchRules, noPath, service, textOf } from './network-manager-names.ts';
import { News } from './news.ts';
import { newProfile, profileId } from './profile.ts';
import { readState } from './read-state.ts';
import { type BusSignal, SystemBus, type SystemBusOptions } from './system-bus.ts';
import { defaultTimers, type Timers } from './timers.ts';
import {
  type ConnectRequest,
  checkRequest,
  type Wifi,
  WifiError,
  type WifiNetwork,
  type WifiState,
  watchedPart,
} from './wifi.ts';

export interface NetworkManagerWifiOptions
  extends Pick<SystemBusOptions, 'address' | 'callDeadlineMs' | 'firstPauseMs' | 'longestPauseMs' | 'loadLibrary'> {
  /** Name of the adapter; empty or absent: the first. */
  readonly device?: string;
  /** Default 45 000; a WPA handshake and an address take 3 to 20 s. */
  readonly connectDeadlineMs?: number;
  /** Default 15 000. */
  readonly scanDeadlineMs?: number;
  readonly timers?: Timers;
}

/** Signals come in groups. */
const settleMs = 50;
const disconnectDeadlineMs = 15_000;
/** What a connect that is given up needs to take its connection back. */
const closeDeadlineMs = 2000;

export class NetworkManagerWifi implements Wifi {
  readonly #device: string;
  readonly #bus: SystemBus;
  readonly #manager: NetworkManager;
  readonly #timers: Timers;
  readonly #connectDeadlineMs: number;
  readonly #scanDeadlineMs: number;
  readonly #watchers = new Set<(state: WifiState) => void>();
  readonly #waiting = new Set<News>();
  #opening: Promise<void> | undefined;
  #closing: Promise<void> = Promise.resolve();
  #activation: Activation | undefined;
  /** The connect or disconnect that is under way; never rejects. */
  #changing: Promise<void> | undefined;
  #scanning: Promise<readonly SeenNetwork[]> | undefined;
  #settling: unknown;
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #last = '';

  constructor(options: NetworkManagerWifiOptions) {
    const { device = '', connectDeadlineMs = 45_000, scanDeadlineMs = 15_000, timers = defaultTimers } = options;
    this.#device = device;
    this.#timers = timers;
    this.#connectDeadlineMs = connectDeadlineMs;
    this.#scanDeadlineMs = scanDeadlineMs;
    this.#bus = new SystemBus({
      ...options,
      timers,
      rules: matchRules,
      onSignal: (signal) => this.#onSignal(signal),
      onChange: (connected) => {
        if (!connected) this.#activation?.end(noBus());
        this.#news();
      },
    });
    this.#manager = new NetworkManager({ bus: this.#bus });
  }

  open(): Promise<void> {
    this.#opening ??= this.#closing.then(() => this.#bus.open()).then(() => this.#refresh());
    return this.#opening;
  }

  close(): Promise<void> {
    if (this.#opening) {
      this.#opening = undefined;
      this.#closing = this.#end();
    }
    return this.#closing;
  }

  async state(): Promise<WifiState> {
    return this.#guarded(() => readState(this.#manager, this.#device));
  }

  async scan(): Promise<readonly WifiNetwork[]> {
    const seen = await this.#guarded(async () => this.#lookAround((await this.#usable()).path));
    return seen.map(({ path: _path, ...network }) => network);
  }

  async connect(request: ConnectRequest): Promise<WifiState> {
    checkRequest(request);
    return this.#alone(async () => {
      const device = await this.#usable();
      if (request.password === undefined) {
        const state = await readState(this.#manager, this.#device);
        if (state.connection === 'connected' && state.ssid === request.ssid) return state;
      }
      const network = await this.#find(device, request);
      await this.#join(device, network, request);
      return readState(this.#manager, this.#device);
    });
  }

  async disconnect(): Promise<WifiState> {
    return this.#alone(async () => {
      const device = await this.#usable();
      if (device.activePath !== noPath) {
        await this.#manager.disconnect(device.path).catch(unless('.NotActive'));
        const left = async () => (await this.#usable()).state <= deviceState.disconnected;
        await this.#until(left, disconnectDeadlineMs, 'the adapter did not disconnect');
      }
      return readState(this.#manager, this.#device);
    });
  }

  watch(listener: (state: WifiState) => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  /** The adapter, able to connect. @throws WifiError `no-device` */
  async #usable(): Promise<Device> {
    const device = await this.#manager.device(this.#device);
    if (device.state >= deviceState.disconnected) return device;
    const { text = 'the WiFi adapter cannot be used' } = await readState(this.#manager, this.#device);
    throw new WifiError('no-device', text);
  }

  /** The strongest of that name; undefined for one that hides. @throws WifiError `not-found` */
  async #find(device: Device, { ssid, hidden }: ConnectRequest): Promise<SeenNetwork | undefined> {
    const named = (seen: readonly SeenNetwork[]) => seen.find((network) => network.ssid === ssid);
    const known = named(await this.#manager.networks(device.path));
    if (known) return known;
    const seen = named(await this.#lookAround(device.path));
    if (!seen && !hidden) throw new WifiError('not-found', `no WiFi network "${ssid}" is in reach`);
    return seen;
  }

  async #join(device: Device, network: SeenNetwork | undefined, request: ConnectRequest): Promise<void> {
    const { ssid, password } = request;
    const point = network?.path ?? noPath;
    const older = await this.#manager.profiles(ssid);
    const own = older.filter(({ id }) => id === profileId(ssid));
    const saved = password === undefined ? (own[0] ?? older[0]) : undefined;
    const activation = new Activation({
      manager: this.#manager,
      devicePath: device.path,
      ssid,
      deadlineMs: this.#connectDeadlineMs,
      timers: this.#timers,
    });
    this.#activation = activation;
    let added: string | undefined;
    let active: string | undefined;
    try {
      if (saved) {
        active = await this.#manager.activate(saved.path, device.path, point);
      } else {
        const settings = newProfile(request, network?.security);
        const begun = await this.#manager.addAndActivate(settings, device.path, point);
        added = begun.profile;
        active = begun.active;
      }
      await activation.wait(active);
    } catch (error) {
      if (added !== undefined) await this.#manager.deleteProfile(added).catch(ignore);
      else if (active !== undefined) await this.#manager.deactivate(active).catch(ignore);
      if (error instanceof WifiError && error.code === 'failed') await this.#usable(); // says so when it was unplugged
      throw error;
    } finally {
      this.#activation = undefined;
      activation.dispose();
    }
    if (added === undefined) return;
    for (const profile of own) await this.#manager.deleteProfile(profile.path).catch(ignore);
  }

  /** One scan at a time; who asks meanwhile gets the same. */
  #lookAround(devicePath: string): Promise<readonly SeenNetwork[]> {
    this.#scanning ??= this.#scan(devicePath).finally(() => {
      this.#scanning = undefined;
    });
    return this.#scanning;
  }

  async #scan(devicePath: string): Promise<readonly SeenNetwork[]> {
    const before = await this.#manager.lastScan(devicePath);
    let allowed = true;
    await this.#manager.requestScan(devicePath).catch((error) => {
      unless('.NotAllowed')(error); // one has just ended, or is under way
      allowed = false;
    });
    if (allowed && before !== undefined) {
      const scanned = async () => (await this.#manager.lastScan(devicePath)) !== before;
      await this.#until(scanned, this.#scanDeadlineMs, 'the adapter did not end its scan');
    }
    return this.#manager.networks(devicePath);
  }

  async #until(holds: () => Promise<boolean>, deadlineMs: number, otherwise: string): Promise<void> {
    const news = new News({ timers: this.#timers });
    let late = false;
    const deadline = this.#timers.set(() => {
      late = true;
      news.tell();
    }, deadlineMs);
    this.#waiting.add(news);
    try {
      for (;;) {
        news.clear();
        if (await holds()) return;
        if (late) throw new WifiError('timeout', `${otherwise} within ${deadlineMs / 1000} s`);
        await news.wait();
      }
    } finally {
      this.#waiting.delete(news);
      this.#timers.clear(deadline);
    }
  }

  async #alone<T>(run: () => Promise<T>): Promise<T> {
    if (this.#changing) throw new WifiError('busy', 'the WiFi is being connected or disconnected already: wait for it');
    const result = this.#guarded(run);
    const changing = result.then(ignore, ignore);
    this.#changing = changing;
    try {
      return await result;
    } finally {
      if (this.#changing === changing) this.#changing = undefined;
    }
  }

  async #end(): Promise<void> {
    this.#timers.clear(this.#settling);
    this.#settling = undefined;
    this.#activation?.end(closed());
    if (this.#changing) await this.#takeBack(this.#changing);
    await this.#bus.close();
    for (const news of this.#waiting) news.tell();
  }

  async #takeBack(changing: Promise<void>): Promise<void> {
    let timer: unknown;
    const deadline = new Promise<void>((resolve) => {
      timer = this.#timers.set(resolve, closeDeadlineMs);
    });
    await Promise.race([changing, deadline]);
    this.#timers.clear(timer);
  }

  /** Whatever fails because of `close()` says so. */
  async #guarded<T>(run: () => Promise<T>): Promise<T> {
    const opening = this.#opening;
    if (!opening) throw closed();
    await opening;
    try {
      return await run();
    } catch (error) {
      throw this.#opening ? error : closed();
    }
  }

  #onSignal(signal: BusSignal): void {
    const stopped = signal.member === 'NameOwnerChanged' && signal.body[0] === service && textOf(signal.body[2]) === '';
    if (stopped) this.#activation?.end(noNetworkManager());
    this.#activation?.onSignal(signal);
    // A bit rate changes all the time and says nothing.
    if (signal.interface === interfaces.properties && onlyBitrate(signal.body[1])) return;
    this.#news();
  }

  #news(): void {
    for (const news of this.#waiting) news.tell();
    if (!this.#opening || this.#settling !== undefined) return;
    this.#settling = this.#timers.set(() => {
      this.#settling = undefined;
      void this.#refresh();
    }, settleMs);
  }

  /** Reads the state and tells watchers when it changed. Never rejects. */
  #refresh(): Promise<void> {
    this.#readAgain = true;
    this.#reading ??= this.#readUntilSettled().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readUntilSettled(): Promise<void> {
    while (this.#readAgain) {
      this.#readAgain = false;
      const state = await readState(this.#manager, this.#device).catch(ignore);
      if (!state || !this.#opening) continue;
      const part = watchedPart(state);
      const first = this.#last === '';
      if (part === this.#last) continue;
      this.#last = part;
      if (!first) for (const watcher of [...this.#watchers]) watcher(state);
    }
  }
}

function closed(): WifiError {
  return new WifiError('closed', 'the WiFi driver is closed');
}

function ignore(): undefined {
  return undefined;
}

/** Passes over a refusal whose name ends like that. */
function unless(ending: string): (error: unknown) => void {
  return (error) => {
    if (error instanceof FailedCall && error.dbusName.endsWith(ending)) return;
    throw error;
  };
}

function onlyBitrate(changed: unknown): boolean {
  const names = Object.keys(changed ?? {});
  return names.length === 1 && names[0] === 'Bitrate';
}
