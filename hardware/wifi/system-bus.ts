/**
 * A connection to the system's D-Bus that is kept up: a bus that is not there or goes away is looked for again, with
 * growing pauses, until `close()`. The library behind it is loaded by the first `open()`.
 *
 * - A call while there is no connection, and one that the connection did not survive, rejects with `no-service` at
 *   once. Nothing is repeated by itself.
 * - A library that cannot be loaded is found out once per `open()`; calls then reject with `driver-missing`.
 * - Errors of the library are translated here and not passed on: they hold the whole message that was sent.
 */
import { callError, driverMissing, noBus } from './bus-errors.ts';
import { defaultTimers, type Timers } from './timers.ts';
import type { WifiError } from './wifi.ts';

/** Name, object and interface of what is called. */
export interface BusCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: readonly unknown[];
}

/** A signal that one of the match rules lets through. */
export interface BusSignal {
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly body: readonly unknown[];
}

type Library = typeof import('dbus-native');
type Client = ReturnType<Library['createClient']>;

/** A value that says of which D-Bus type it is. */
export type TypedValue = InstanceType<Library['Variant']>;

export interface SystemBusOptions {
  /** What to hear of, as D-Bus match rules. */
  readonly rules: readonly string[];
  readonly onSignal: (signal: BusSignal) => void;
  /** The connection is there (`true`) or gone. */
  readonly onChange: (connected: boolean) => void;
  /** Default: DBUS_SYSTEM_BUS_ADDRESS, or the usual socket. */
  readonly address?: string | undefined;
  /** Default 10 000. */
  readonly callDeadlineMs?: number | undefined;
  /** Pauses between tries; default 500 and 30 000. */
  readonly firstPauseMs?: number | undefined;
  readonly longestPauseMs?: number | undefined;
  readonly timers?: Timers | undefined;
  readonly loadLibrary?: (() => Promise<Library>) | undefined;
}

const usualAddress = 'unix:path=/run/dbus/system_bus_socket';
const noAutoStart = 2;
const signalType = 4;

export class SystemBus {
  readonly #options: SystemBusOptions;
  readonly #timers: Timers;
  readonly #callDeadlineMs: number;
  #library: Library | undefined;
  #client: Client | undefined;
  #connected = false;
  #open = false;
  #problem: WifiError = noBus();
  #pauseMs = 0;
  #timer: unknown;
  #opening: Promise<void> | undefined;

  constructor(options: SystemBusOptions) {
    this.#options = options;
    this.#timers = options.timers ?? defaultTimers;
    this.#callDeadlineMs = options.callDeadlineMs ?? 10_000;
  }

  /** Resolves when the first try has succeeded or failed; never rejects. */
  open(): Promise<void> {
    this.#open = true;
    this.#opening ??= this.#start();
    return this.#opening;
  }

  async close(): Promise<void> {
    this.#open = false;
    this.#opening = undefined;
    this.#timers.clear(this.#timer);
    this.#timer = undefined;
    this.#drop(this.#client);
  }

  /** Resolves with the values of the reply. @throws WifiError */
  call(call: BusCall, deadlineMs = this.#callDeadlineMs): Promise<readonly unknown[]> {
    const client = this.#client;
    if (!client || !this.#connected) return Promise.reject(this.#problem);
    return invoke(client, call, deadlineMs);
  }

  /** @throws WifiError `driver-missing` */
  typed(signature: string, value: unknown): TypedValue {
    if (!this.#library) throw this.#problem;
    return new this.#library.Variant(signature, value);
  }

  async #start(): Promise<void> {
    try {
      this.#library = await (this.#options.loadLibrary ?? loadLibrary)();
    } catch {
      this.#problem = driverMissing();
      return;
    }
    this.#problem = noBus();
    if (this.#open) await this.#connect(this.#library);
  }

  async #connect(library: Library): Promise<void> {
    const address = this.#options.address ?? process.env.DBUS_SYSTEM_BUS_ADDRESS ?? usualAddress;
    let client: Client | undefined;
    try {
      // No deadline for the client as a whole: the library throws when its own first call misses it.
      client = library.createClient({ busAddress: address, plainValues: true, returnBigInt: true });
      const usable = client;
      this.#client = usable;
      const { connection } = usable;
      const lost = () => this.#lost(usable);
      for (const event of ['error', 'end', 'close', 'handlerError']) connection.on(event, lost);
      connection.on('message', (message) => {
        if (message.type === signalType && this.#client === usable) this.#signal(message);
      });
      for (const rule of this.#options.rules) {
        await invoke(usable, { ...daemon, member: 'AddMatch', signature: 's', body: [rule] }, this.#callDeadlineMs);
      }
      if (this.#client !== usable) return;
      this.#connected = true;
      this.#pauseMs = 0;
      this.#options.onChange(true);
    } catch {
      this.#lost(client);
    }
  }

  #signal({ path, interface: name, member, body }: Partial<BusSignal>): void {
    if (path === undefined || name === undefined || member === undefined) return;
    this.#options.onSignal({ path, interface: name, member, body: body ?? [] });
  }

  #lost(client: Client | undefined): void {
    if (client !== this.#client || this.#timer !== undefined) return;
    this.#drop(client);
    if (!this.#open) return;
    const { firstPauseMs = 500, longestPauseMs = 30_000 } = this.#options;
    this.#pauseMs = Math.min(longestPauseMs, Math.max(firstPauseMs, this.#pauseMs * 2));
    this.#timer = this.#timers.set(() => {
      this.#timer = undefined;
      if (this.#open && this.#library) void this.#connect(this.#library);
    }, this.#pauseMs);
  }

  #drop(client: Client | undefined): void {
    const wasConnected = this.#connected;
    this.#client = undefined;
    this.#connected = false;
    client?.connection.stream.destroy();
    if (wasConnected) this.#options.onChange(false);
  }
}

const daemon = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const;

async function loadLibrary(): Promise<Library> {
  const module = await import('dbus-native');
  return (module as { default?: Library }).default ?? module;
}

function invoke(client: Client, call: BusCall, deadlineMs: number): Promise<readonly unknown[]> {
  return new Promise((resolve, reject) => {
    const { body, ...rest } = call;
    const message = { ...rest, flags: noAutoStart, ...(body && { body: [...body] }) };
    client.invoke(message, { timeout: deadlineMs }, (error, ...values) => {
      if (error) reject(callError(error, call.member, deadlineMs));
      else resolve(values);
    });
  });
}
