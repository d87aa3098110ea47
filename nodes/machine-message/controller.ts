import { Calm } from '../shared/calm.ts';
import type { ClientConfig, Controller } from '../shared/client-node.ts';
import type { GatewayClient } from '../shared/gateway-client.ts';
import { linkStatus, type Translate } from '../shared/gateway-node.ts';
import type { Migration } from '../shared/migrate.ts';
import { NodeError } from '../shared/node-error.ts';
import type { Message, NodeStatus, Outputs } from '../shared/node-red.ts';
import type { MachineMessage } from '../shared/subscriptions.ts';
import { systemTimers, type Timers } from '../shared/timers.ts';
import { namePattern } from '../shared/topics.ts';
import { Rate } from './rate.ts';

/** What the dialog saves, version 1. */
export interface MachineMessageConfig extends ClientConfig {
  /** Empty: all. */
  readonly channel: string;
  /** Empty: all. */
  readonly serial: string;
  readonly format: 'json' | 'bytes';
}

/** Version 1 is the first one. */
export const migrations: readonly Migration[] = [(config) => config];

/** What a hand-written flow may leave out. */
export const defaults = { gateway: '', channel: '', serial: '', format: 'json' };

export interface MachineMessageOptions {
  readonly config: MachineMessageConfig;
  readonly client: GatewayClient;
  readonly t: Translate;
  readonly g: Translate;
  readonly send: (outputs: Outputs) => void;
  readonly error: (error: NodeError, message: Message) => void;
  readonly status: (status: NodeStatus) => void;
  readonly timers?: Timers;
}

/** The figure in the status is brought up to date that often while nothing comes. */
const refreshMs = 10_000;

/** Sends on what machines sent, after the box has it on disk. */
export class MachineMessageController implements Controller {
  readonly #options: MachineMessageOptions;
  readonly #timers: Timers;
  readonly #calm: Calm;
  readonly #rate: Rate;
  readonly #stopState: () => void;
  readonly #leave: (removed: boolean) => void;
  #allowed = true;
  #cancelRefresh: (() => void) | undefined;

  /** @throws NodeError `bad-settings` */
  constructor(options: MachineMessageOptions) {
    const { client, config, timers = systemTimers } = options;
    const filter = { channel: checked(config.channel, 'channel'), serial: checked(config.serial, 'serial number') };
    this.#options = options;
    this.#timers = timers;
    this.#rate = new Rate(timers);
    this.#calm = new Calm(timers, () => this.#showStatus());
    this.#stopState = client.onState.add(() => this.#calm.request());
    const listener = {
      onMessage: (message: MachineMessage) => this.#onMessage(message),
      onAllowed: (allowed: boolean) => {
        this.#allowed = allowed;
        this.#calm.request();
      },
    };
    this.#leave = client.subscriptions.add(filter, listener, config.id);
    this.#calm.request();
    this.#refreshLater();
  }

  close(removed: boolean): void {
    this.#stopState();
    this.#leave(removed);
    this.#calm.stop();
    this.#cancelRefresh?.();
  }

  #onMessage({ channel, serial, payload }: MachineMessage): void {
    const { config, send, error } = this.#options;
    this.#rate.count();
    this.#calm.request();
    const message = { topic: `${channel}/${serial}`, channel, serial };
    if (config.format === 'bytes') {
      send({ ...message, payload });
      return;
    }
    let value: unknown;
    try {
      value = JSON.parse(payload.toString());
    } catch (cause) {
      const text = `a message of ${serial} in ${channel} is not JSON: choose bytes in the node to get it as it is`;
      error(new NodeError('bad-json', text, { cause }), { ...message, payload });
      return;
    }
    send({ ...message, payload: value });
  }

  #refreshLater(): void {
    this.#cancelRefresh = this.#timers.after(refreshMs, () => {
      this.#calm.request();
      this.#refreshLater();
    });
  }

  #showStatus(): void {
    const { client, t, g, status } = this.#options;
    const link = linkStatus(client.state, g);
    if (client.state.kind !== 'connected') status(link);
    else if (!this.#allowed) status({ fill: 'red', shape: 'ring', text: g('status.needs-query') });
    else status({ ...link, text: t('machine-message.status.rate', { count: this.#rate.perMinute }) });
  }
}

function checked(value: string, what: string): string {
  const name = String(value ?? '').trim();
  if (name === '' || namePattern.test(name)) return name;
  throw new NodeError('bad-settings', `${name} is not a ${what}: leave it empty for all, or correct it in the node`);
}
