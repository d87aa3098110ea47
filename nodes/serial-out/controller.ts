import { SerialError } from '@holdfast/hardware/serial';
import type { SerialPortController, SerialPortState } from '../serial-port/controller.ts';
import type { Migration } from '../shared/migrate.ts';
import type { Message } from '../shared/node-red.ts';
import type { SerialController, SerialNodeConfig } from '../shared/serial-node.ts';
import { encodePayload, type TextEncoding, textEncoding } from '../shared/serial-payload.ts';

export interface SerialOutConfig extends SerialNodeConfig {
  readonly encoding: TextEncoding;
  /** How long a message waits while the port is away, 0 to 3,600; 0: it fails at once. */
  readonly waitSeconds: number | string;
}

/** From version 0 (saved before there were versions) to 1 nothing changed. */
export const migrations: readonly Migration[] = [(config) => config];

export interface SerialOutOptions {
  readonly config: SerialOutConfig;
  readonly port: SerialPortController;
  readonly status: (state: SerialPortState) => void;
}

/** Writes each message as a frame; done when its bytes have left. */
export class SerialOutController implements SerialController {
  readonly #options: SerialOutOptions;
  readonly #encoding: TextEncoding;
  readonly #waitMs: number;
  #leave: (() => void) | undefined;

  constructor(options: SerialOutOptions) {
    this.#options = options;
    this.#encoding = textEncoding(options.config.encoding);
    this.#waitMs = milliseconds('waiting time', options.config.waitSeconds, 3_600);
  }

  start(): void {
    this.#leave ??= this.#options.port.join({ state: this.#options.status });
  }

  async input(message: Message): Promise<void> {
    await this.#options.port.write(encodePayload(message.payload, this.#encoding), this.#waitMs);
  }

  stop(): void {
    this.#leave?.();
    this.#leave = undefined;
  }
}

/** @throws SerialError `invalid-settings` */
export function milliseconds(what: string, seconds: number | string, most: number, least = 0): number {
  const value = Number(seconds);
  if (seconds !== '' && value >= least && value <= most) return value * 1000;
  throw new SerialError('invalid-settings', `${what} ${seconds}: ${least} to ${most} seconds are allowed`);
}
