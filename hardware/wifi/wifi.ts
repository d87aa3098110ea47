/** Whether there is something to work with: see `WifiErrorCode` for what the others mean. */
export type WifiDriverState = 'ready' | 'driver-missing' | 'no-service' | 'no-device';

/** How the WiFi is at one moment. */
export interface WifiState {
  readonly driver: WifiDriverState;
  /** `unavailable`: there is no adapter, or its radio is switched off. */
  readonly connection: 'connected' | 'connecting' | 'disconnected' | 'unavailable';
  /** Name of the adapter, such as `wlan0`. */
  readonly device?: string;
  /** Name of the network; the following four only while connected. */
  readonly ssid?: string;
  readonly bssid?: string;
  /** 0 to 100. */
  readonly strength?: number;
  /** MHz. */
  readonly frequency?: number;
  /** IPv4 address without the length of its prefix; absent until the network has given one. */
  readonly address?: string;
  /** What to do next, in a sentence, when there is something to do. */
  readonly text?: string;
}

/** How a network is protected; `wpa` is the first version, `wpa2` also stands for WPA2 and WPA3 together. */
export type WifiSecurity = 'open' | 'owe' | 'wep' | 'wpa' | 'wpa2' | 'wpa3' | 'enterprise';

/** An access point that was seen. */
export interface WifiNetwork {
  /** Empty for a hidden network. */
  readonly ssid: string;
  readonly bssid: string;
  /** 0 to 100. */
  readonly strength: number;
  readonly security: WifiSecurity;
  /** MHz. */
  readonly frequency: number;
}

export interface ConnectRequest {
  /** 1 to 32 bytes of UTF-8. */
  readonly ssid: string;
  /** Absent: an open network, or one whose password the system has saved. */
  readonly password?: string | undefined;
  /** The network does not announce its name. */
  readonly hidden?: boolean | undefined;
}

/**
 * - `driver-missing`: the D-Bus library is not installed.
 * - `no-service`: no D-Bus, or no NetworkManager on it.
 * - `no-device`: no WiFi adapter, or not usable (radio off, not managed by NetworkManager).
 * - `denied`: this user may not do it.
 * - `wrong-password`: the network did not accept the password, or needs one.
 * - `not-found`: no network of that name in reach.
 * - `timeout`: no end within the deadline.
 * - `invalid`: what was asked cannot be (a name or password of the wrong length).
 * - `busy`: another `connect` or `disconnect` is under way.
 * - `failed`: anything else; the text says what.
 * - `closed`: the driver was closed meanwhile.
 */
export type WifiErrorCode =
  | 'driver-missing'
  | 'no-service'
  | 'no-device'
  | 'denied'
  | 'wrong-password'
  | 'not-found'
  | 'timeout'
  | 'invalid'
  | 'busy'
  | 'failed'
  | 'closed';

/** Has no `cause`: a library's error may hold the message that was sent, and so a password. */
export class WifiError extends Error {
  readonly code: WifiErrorCode;

  constructor(code: WifiErrorCode, message: string) {
    super(message);
    this.name = 'WifiError';
    this.code = code;
  }
}

/** One WiFi adapter of the box. */
export interface Wifi {
  /** Starts looking; resolves when it is known whether the adapter is there. Never rejects; again does nothing. */
  open(): Promise<void>;
  /** Ends everything; what is under way rejects with `closed`. Connections of the system stay as they are. */
  close(): Promise<void>;
  /** Never rejects for what is missing: that is a state. */
  state(): Promise<WifiState>;
  /** Looks around and resolves with what was seen, the strongest first, at most 256. */
  scan(): Promise<readonly WifiNetwork[]>;
  /** Resolves when the network is usable; at once when it is connected already and no password is given. */
  connect(request: ConnectRequest): Promise<WifiState>;
  /** Resolves when disconnected; also when nothing was connected. The system does not connect again by itself. */
  disconnect(): Promise<WifiState>;
  /**
   * Hears of every change but that of `strength` alone; what is undone again within a moment (50 ms) may go unheard.
   * Returns what ends it.
   */
  watch(listener: (state: WifiState) => void): () => void;
}

/** The part of a state whose change is told to watchers. */
export function watchedPart(state: WifiState): string {
  return JSON.stringify({ ...state, strength: undefined });
}

/** @throws WifiError `invalid` when no network can be asked for like that */
export function checkRequest({ ssid, password }: ConnectRequest): void {
  const length = Buffer.byteLength(ssid);
  if (length < 1 || length > 32) {
    throw new WifiError('invalid', `the name of a WiFi network has 1 to 32 bytes, not ${length}`);
  }
  if (password === undefined) return;
  const bytes = Buffer.byteLength(password);
  if (bytes < 8 || bytes > 64 || password.includes('\0') || (bytes === 64 && !/^[0-9a-f]+$/i.test(password))) {
    throw new WifiError('invalid', 'a WiFi password has 8 to 63 characters, or is a key of 64 hexadecimal digits');
  }
}
