import type { Framing } from './framing/framing.ts';
import { createFramer, encodeFrame } from './framing/index.ts';
import type { SimulatedPort } from './simulated.ts';

export interface ScriptedDeviceOptions {
  readonly port: SimulatedPort;
  readonly framing: Framing;
  /** What the device does with a frame; `reply` may be called now, later, or never. */
  readonly answer: (frame: Buffer, reply: (payload: Buffer | string) => void) => void;
}

/** A device at the far end of a simulated wire that understands frames: the height above bytes. */
export class ScriptedDevice {
  readonly #options: ScriptedDeviceOptions;

  constructor(options: ScriptedDeviceOptions) {
    this.#options = options;
  }

  start(): void {
    const { port, framing, answer } = this.#options;
    const framer = createFramer({
      framing,
      sink: { frame: (frame) => answer(frame, (payload) => this.send(payload)), dropped: () => {} },
    });
    port.onReceive((bytes) => framer.push(bytes));
  }

  /** Sends a frame unasked. */
  send(payload: Buffer | string): void {
    const { port, framing } = this.#options;
    port.send(encodeFrame(framing, Buffer.from(payload as string)));
  }

  stop(): void {
    this.#options.port.onReceive(undefined);
  }
}
