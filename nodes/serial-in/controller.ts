import { SerialError } from '@holdfast/hardware/serial';
import type { SerialPortController, SerialPortState } from '../serial-port/controller.ts';
import type { Migration } from '../shared/migrate.ts';
import type { Message } from '../shared/node-red.ts';
import type { SerialController, SerialNodeConfig } from '../shared/serial-node.ts';
import {
  decodePayload,
  decodeText,
  type PayloadForm,
  payloadForm,
  type TextEncoding,
  textEncoding,
} from '../shared/serial-payload.ts';

export interface SerialInConfig extends SerialNodeConfig {
  readonly payload: PayloadForm;
  readonly encoding: TextEncoding;
  readonly topic: string;
}

/** From version 0 (saved before there were versions) to 1 nothing changed. */
export const migrations: readonly Migration[] = [(config) => config];

export interface SerialInOptions {
  readonly config: SerialInConfig;
  readonly port: SerialPortController;
  readonly send: (message: Message) => void;
  readonly fail: (error: SerialError, message: Message) => void;
  readonly status: (state: SerialPortState) => void;
}

/**
 * Sends each frame as a message.
 *
 * Node-RED delivers a message after the turn of the event loop in which it was sent, and drops it when the flow is stopped
 * in between. So what was sent in this turn is remembered, and given back to the line when all flows are stopped: it comes
 * again when they run.
 */
export class SerialInController implements SerialController {
  readonly #options: SerialInOptions;
  readonly #form: PayloadForm;
  readonly #encoding: TextEncoding;
  #leave: ((holdMs?: number) => void) | undefined;
  #leaveStatus: (() => void) | undefined;
  #undelivered: Buffer[] = [];

  constructor(options: SerialInOptions) {
    this.#options = options;
    this.#form = payloadForm(options.config.payload);
    this.#encoding = textEncoding(options.config.encoding);
  }

  /** Shows the port's state; frames come from `read()` on, when there is somebody to send them to. */
  start(): void {
    this.#leaveStatus ??= this.#options.port.join({ state: this.#options.status });
  }

  read(): void {
    if (!this.#leaveStatus) return;
    this.#leave ??= this.#options.port.join({
      frame: (frame) => this.#frame(frame),
      dropped: (reason, bytes) => this.#dropped(reason, bytes),
    });
  }

  /**
   * All flows are about to stop, those who would get the messages too. `isHeld`: somebody holds what was sent and sends it
   * when they run again; given back as well it would come twice.
   */
  stopping(lingerMs: number, isHeld: boolean): void {
    this.#leave?.(lingerMs);
    this.#leave = undefined;
    if (!isHeld) this.#options.port.giveBack(this.#undelivered.splice(0));
  }

  stop(lingerMs: number): void {
    this.#leave?.(lingerMs);
    this.#leave = undefined;
    this.#leaveStatus?.();
    this.#leaveStatus = undefined;
  }

  #frame(frame: Buffer): void {
    const { config, send, fail } = this.#options;
    const topic = config.topic ? { topic: config.topic } : {};
    try {
      send({ ...topic, payload: decodePayload(frame, this.#form, this.#encoding) });
    } catch (error) {
      if (!(error instanceof SerialError)) throw error;
      fail(error, { ...topic, payload: decodeText(frame, this.#encoding) });
    }
    this.#undelivered.push(frame);
    // Runs right behind the delivery, which was put on the same list a moment ago.
    setImmediate(() => this.#undelivered.shift());
  }

  #dropped(reason: string, bytes: number): void {
    // A port that goes away in the middle of a frame is no mistake of the framing, and the status tells of it.
    if (reason === 'unfinished') return;
    const text = `${bytes} bytes made no frame (${reason}): check framing, speed and the longest frame allowed`;
    this.#options.fail(new SerialError('frame-dropped', text), { payload: '', dropped: { reason, bytes } });
  }
}
