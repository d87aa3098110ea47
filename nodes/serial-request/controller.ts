import { SerialError } from '@holdfast/hardware/serial';
import { milliseconds } from '../serial-out/controller.ts';
import type { SerialPortController, SerialPortState } from '../serial-port/controller.ts';
import type { Migration } from '../shared/migrate.ts';
import type { Message, Send } from '../shared/node-red.ts';
import type { SerialController, SerialNodeConfig } from '../shared/serial-node.ts';
import {
  decodePayload,
  decodeText,
  encodePayload,
  type PayloadForm,
  payloadForm,
  type TextEncoding,
  textEncoding,
} from '../shared/serial-payload.ts';

export interface SerialRequestConfig extends SerialNodeConfig {
  readonly payload: PayloadForm;
  readonly encoding: TextEncoding;
  /** How long the answer is awaited, 0.01 to 600. */
  readonly timeoutSeconds: number | string;
  /** After a timeout: how long a late answer holds the next request back, 0 to 60; empty = as the timeout, 5 at most. */
  readonly lateSeconds: number | string;
  /** How long a request waits while the port is away, 0 to 3,600. */
  readonly waitSeconds: number | string;
  /** An expression that the text of an answer matches; empty = any frame is the answer. */
  readonly answer: string;
}

/** From version 0 (saved before there were versions) to 1 nothing changed. */
export const migrations: readonly Migration[] = [(config) => config];

export interface SerialRequestOptions {
  readonly config: SerialRequestConfig;
  readonly port: SerialPortController;
  readonly status: (state: SerialPortState) => void;
}

/** Writes a frame and sends the frame that answers it; one at a time on the port, however many nodes ask. */
export class SerialRequestController implements SerialController {
  readonly #options: SerialRequestOptions;
  readonly #form: PayloadForm;
  readonly #encoding: TextEncoding;
  readonly #wire: Parameters<SerialPortController['request']>[1];
  #leave: (() => void) | undefined;

  constructor(options: SerialRequestOptions) {
    const { config } = options;
    this.#options = options;
    this.#form = payloadForm(config.payload);
    this.#encoding = textEncoding(config.encoding);
    const answer = config.answer ? expression(config.answer) : undefined;
    this.#wire = {
      timeoutMs: milliseconds('timeout', config.timeoutSeconds, 600, 0.01),
      waitMs: milliseconds('waiting time', config.waitSeconds, 3_600),
      ...(config.lateSeconds !== '' && { lateMs: milliseconds('time for late answers', config.lateSeconds, 60) }),
      ...(answer && { accept: (frame: Buffer) => answer.test(decodeText(frame, this.#encoding)) }),
    };
  }

  start(): void {
    this.#leave ??= this.#options.port.join({ state: this.#options.status });
  }

  async input(message: Message, send: Send): Promise<void> {
    const request = encodePayload(message.payload, this.#encoding);
    const answer = await this.#options.port.request(request, this.#wire);
    try {
      send({ ...message, payload: decodePayload(answer, this.#form, this.#encoding) });
    } catch (error) {
      // `catch` gets the message as it is now: with what came instead of JSON.
      if (error instanceof SerialError) message.payload = decodeText(answer, this.#encoding);
      throw error;
    }
  }

  stop(): void {
    this.#leave?.();
    this.#leave = undefined;
  }
}

function expression(pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch (error) {
    throw new SerialError('invalid-settings', `the expression for answers cannot be read: ${String(error)}`, error);
  }
}
