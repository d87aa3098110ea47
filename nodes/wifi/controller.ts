/**
 * The `wifi` node: one request for each message, and a message for each change when that is wanted.
 *
 * A password in a message is taken out before anything else happens, so that neither what is sent on nor what `catch`
 * gets holds it.
 */
import type { Wifi, WifiState } from '@holdfast/hardware/wifi';
import type { Migration } from '../shared/migrate.ts';
import { NodeError } from '../shared/node-error.ts';
import type { Done, Message, NodeConfig, NodeStatus, Send } from '../shared/node-red.ts';
import type { WifiLease } from '../shared/wifi-drivers.ts';

const actions = ['state', 'scan', 'connect', 'disconnect'] as const;
type Action = (typeof actions)[number];

/** What the dialog saves, version 1. */
export interface WifiConfig extends NodeConfig {
  /** See `openWifi`. */
  readonly adapter: string;
  /** `message`: msg.action, or msg.payload. */
  readonly action: Action | 'message';
  /** Empty: msg.ssid. */
  readonly ssid: string;
  readonly hidden: boolean;
  /** Send a message at each change. */
  readonly watch: boolean;
}

export const migrations: readonly Migration[] = [
  (config) => ({ adapter: 'auto:', action: 'message', ssid: '', hidden: false, watch: false, ...config }),
];

export interface WifiControllerOptions {
  readonly config: WifiConfig;
  /** The node's credential. */
  readonly password: string | undefined;
  readonly lease: (uri: string) => WifiLease;
  readonly t: (key: string, values?: Record<string, string | number>) => string;
  readonly status: (status: NodeStatus) => void;
  /** Sends what no message asked for. */
  readonly emit: (message: Message) => void;
  /** Tells what no message asked about. */
  readonly problem: (error: Error) => void;
}

/** What a message asks for. */
interface Request {
  readonly action: Action;
  readonly ssid: string;
  readonly password: string | undefined;
  readonly hidden: boolean;
}

export class WifiController {
  readonly #options: WifiControllerOptions;
  readonly #lease: WifiLease;
  #unwatch: (() => void) | undefined;
  #closed = false;
  /** Requests under way, the newest last. */
  readonly #running: Action[] = [];
  #shown: NodeStatus = {};

  /** @throws NodeError `bad-settings` */
  constructor(options: WifiControllerOptions) {
    const { adapter, action } = options.config;
    if (action !== 'message' && !actions.includes(action)) {
      throw new NodeError('bad-settings', `there is no action "${action}": choose one in the wifi node`);
    }
    this.#options = options;
    this.#lease = options.lease(adapter);
    this.#watch().catch((error) => {
      if (this.#closed) return;
      this.#show({ fill: 'red', shape: 'ring', text: options.t('wifi.status.settings') });
      options.problem(error);
    });
  }

  input(message: Message, send: Send, done: Done): void {
    this.#handle(message, send).then(
      () => done(),
      (error) => done(error),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unwatch?.();
    await this.#lease.release();
  }

  async #watch(): Promise<void> {
    const wifi = await this.#lease.wifi;
    if (this.#closed) return;
    this.#unwatch = wifi.watch((state) => {
      this.#showState(state);
      if (this.#options.config.watch) this.#options.emit({ action: 'changed', payload: state });
    });
    const before = this.#shown;
    // A NetworkManager that does not answer now may do so at the next change.
    const state = await wifi.state().catch(() => undefined);
    if (state && this.#shown === before) this.#showState(state);
  }

  async #handle(message: Message, send: Send): Promise<void> {
    const request = this.#take(message);
    const { action } = request;
    this.#running.push(action);
    this.#render();
    try {
      const payload = await run(await this.#lease.wifi, request);
      if (!Array.isArray(payload)) this.#showState(payload as WifiState);
      if (!this.#closed) send({ ...message, action, payload });
    } catch (error) {
      const code = (error as { code?: unknown } | undefined)?.code;
      const text = this.#text(`error.${typeof code === 'string' ? code : 'failed'}`);
      this.#show({ fill: 'red', shape: 'ring', text });
      throw error;
    } finally {
      this.#running.splice(this.#running.indexOf(action), 1);
      this.#render();
    }
  }

  /** What is asked for; takes the password out of the message. @throws NodeError `bad-input` */
  #take(message: Message): Request {
    const { config, password: own } = this.#options;
    const payload = isObject(message.payload) ? message.payload : {};
    const password = message.password ?? payload.password;
    delete message.password;
    if ('password' in payload) {
      const { password: _taken, ...rest } = payload;
      message.payload = rest;
    }
    const named = message.action ?? payload.action ?? message.payload;
    const action = config.action === 'message' ? actions.find((name) => name === named) : config.action;
    if (!action) {
      throw new NodeError('bad-input', 'msg.action is none of state, scan, connect, disconnect: set it, or choose one');
    }
    const ssid = config.ssid || (message.ssid ?? payload.ssid ?? '');
    if (typeof ssid !== 'string' || (action === 'connect' && ssid === '')) {
      throw new NodeError('bad-input', 'there is no network to connect to: enter its name, or set msg.ssid');
    }
    if (password !== undefined && typeof password !== 'string') {
      throw new NodeError('bad-input', 'msg.password is no text');
    }
    const hidden = config.hidden || message.hidden === true || payload.hidden === true;
    return { action, ssid, password: password || own || undefined, hidden };
  }

  #showState(state: WifiState): void {
    const { driver, connection, ssid = '', strength } = state;
    if (driver !== 'ready') this.#show({ fill: 'red', shape: 'ring', text: this.#text(`error.${driver}`) });
    else if (connection === 'connected') {
      const text = strength === undefined ? ssid : `${ssid} ${strength} %`;
      this.#show({ fill: 'green', shape: 'dot', text });
    } else {
      const fill = ({ connecting: 'yellow', disconnected: 'grey', unavailable: 'red' } as const)[connection];
      this.#show({ fill, shape: 'ring', text: this.#text(connection) });
    }
  }

  #show(status: NodeStatus): void {
    this.#shown = status;
    this.#render();
  }

  #render(): void {
    if (this.#closed) return;
    const action = this.#running.at(-1);
    this.#options.status(
      action === undefined || action === 'state'
        ? this.#shown
        : { fill: 'blue', shape: 'dot', text: this.#text(`doing.${action}`) },
    );
  }

  #text(key: string): string {
    return this.#options.t(`wifi.status.${key}`);
  }
}

function run(wifi: Wifi, { action, ssid, password, hidden }: Request): Promise<unknown> {
  if (action === 'scan') return wifi.scan();
  if (action === 'disconnect') return wifi.disconnect();
  return action === 'connect' ? wifi.connect({ ssid, password, hidden }) : wifi.state();
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
