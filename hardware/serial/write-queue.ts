import { SerialError } from './errors.ts';
import type { Timers } from './timers.ts';

interface Item {
  readonly bytes: Buffer;
  /** How long it may still wait for the port. */
  readonly waitMs: number;
  readonly reason: () => SerialError;
  readonly done: (error?: SerialError) => void;
  timer: { cancel(): void } | undefined;
}

export interface WriteQueueOptions {
  readonly name: string;
  readonly timers: Timers;
  readonly maxBytes: number;
}

/** Writes that wait for their turn or for the port; each with the time it may wait for the port. */
export class WriteQueue {
  readonly #options: WriteQueueOptions;
  readonly #items: Item[] = [];
  #bytes = 0;
  #waiting = true;

  constructor(options: WriteQueueOptions) {
    this.#options = options;
  }

  /** @throws SerialError `queue-full`, or what `reason` gives when the port was away for longer than `waitMs` */
  add(bytes: Buffer, waitMs: number, reason: () => SerialError): Promise<void> {
    const { name, maxBytes } = this.#options;
    if (this.#bytes + bytes.length > maxBytes) {
      return Promise.reject(new SerialError('queue-full', `${maxBytes} bytes wait for ${name} already`));
    }
    return new Promise((resolve, reject) => {
      const done = (error?: SerialError) => (error ? reject(error) : resolve());
      const item: Item = { bytes, waitMs, reason, done, timer: undefined };
      this.#items.push(item);
      this.#bytes += bytes.length;
      if (this.#waiting) this.#arm(item);
    });
  }

  shift(): Item | undefined {
    const item = this.#items.shift();
    if (item) this.#release(item);
    return item;
  }

  /** The port went away or came back: only then does the time of those that wait begin or end. */
  setWaiting(waiting: boolean): void {
    if (waiting === this.#waiting) return;
    this.#waiting = waiting;
    for (const item of [...this.#items]) {
      if (waiting) this.#arm(item);
      else this.#disarm(item);
    }
  }

  failAll(error: SerialError): void {
    for (let item = this.shift(); item; item = this.shift()) item.done(error);
  }

  #arm(item: Item): void {
    item.timer = this.#options.timers.after(item.waitMs, () => {
      const at = this.#items.indexOf(item);
      if (at < 0) return;
      this.#items.splice(at, 1);
      this.#release(item);
      item.done(item.reason());
    });
  }

  #disarm(item: Item): void {
    item.timer?.cancel();
    item.timer = undefined;
  }

  #release(item: Item): void {
    this.#bytes -= item.bytes.length;
    this.#disarm(item);
  }
}
