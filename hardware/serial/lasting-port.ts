import { asSerialError, SerialError } from './errors.ts';
import type { SerialPort } from './port.ts';
import { nodeTimers, type Timers } from './timers.ts';
import { WriteQueue } from './write-queue.ts';

/**
 * What a port is at. All but `open` and `closed` are being waited out: it is tried again with growing pauses.
 * `lost` is what `open` becomes until the next attempt says more.
 */
export type LineState =
  | 'closed'
  | 'opening'
  | 'open'
  | 'missing'
  | 'busy'
  | 'denied'
  | 'driver-missing'
  | 'failed'
  | 'lost';

export interface LastingPortOptions {
  readonly name: string;
  /** Makes a port, not yet open, for one attempt. */
  readonly make: () => SerialPort;
  readonly onData: (bytes: Buffer) => void;
  readonly onState: (state: LineState, error: SerialError | undefined) => void;
  readonly timers?: Timers;
  /** Pause after the first failed attempt and the longest; default 100 and 2,000. */
  readonly pauseMs?: { readonly first: number; readonly most: number };
  /** How long the system may take no byte of a write before the port is opened anew; default 10,000 and its time at speed. */
  readonly writeMs?: (bytes: number) => number;
  /** Bytes that wait to be written; default 1 MiB. */
  readonly maxQueuedBytes?: number;
}

/**
 * A port that survives unplugging: after a loss it is opened again under the same name, at first after 100 ms and at last
 * every 2 s, for as long as it is wanted.
 *
 * A write waits, if its caller wants, until the port is back; one that had begun when the port went away fails, because
 * nobody knows how much of it arrived.
 */
export class LastingPort {
  readonly #options: LastingPortOptions;
  readonly #timers: Timers;
  readonly #first: number;
  readonly #most: number;
  readonly #queue: WriteQueue;
  #state: LineState = 'closed';
  #error: SerialError | undefined;
  #port: SerialPort | undefined;
  #retry: { cancel(): void } | undefined;
  #steady: { cancel(): void } | undefined;
  #pauseMs: number;
  #running = false;
  #paused = false;
  #writing = false;
  #closing: Promise<void> = Promise.resolve();

  constructor(options: LastingPortOptions) {
    this.#options = options;
    this.#timers = options.timers ?? nodeTimers;
    this.#first = options.pauseMs?.first ?? 100;
    this.#most = options.pauseMs?.most ?? 2_000;
    this.#pauseMs = this.#first;
    this.#queue = new WriteQueue({
      name: options.name,
      timers: this.#timers,
      maxBytes: options.maxQueuedBytes ?? 1024 * 1024,
    });
  }

  get state(): LineState {
    return this.#state;
  }

  /** Why the port is not open, when it is not. */
  get error(): SerialError | undefined {
    return this.#error;
  }

  /** The port of the moment, for modem lines and the like; undefined while it is not open. */
  get port(): SerialPort | undefined {
    return this.#state === 'open' ? this.#port : undefined;
  }

  /** Begins to open, once `after` (an earlier user of the device) has let go. */
  start(after: Promise<void> = Promise.resolve()): void {
    if (this.#running) return;
    this.#running = true;
    this.#enter('opening');
    void Promise.all([after.catch(() => {}), this.#closing]).then(() => this.#attempt());
  }

  /** Ends; writes that wait fail with `port-closed`. Resolves when the device is free. */
  stop(): Promise<void> {
    if (this.#running) {
      this.#running = false;
      this.#retry?.cancel();
      this.#steady?.cancel();
      const port = this.#port;
      this.#port = undefined;
      this.#queue.failAll(new SerialError('port-closed', `${this.#options.name} was closed`));
      this.#closing = port?.close() ?? Promise.resolve();
      this.#enter('closed');
    }
    return this.#closing;
  }

  pause(): void {
    this.#paused = true;
    this.#port?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#port?.resume();
  }

  /**
   * Resolves when the bytes have left. Writes go one after the other.
   *
   * @param waitMs how long to wait for a port that is not open; 0 fails at once
   * @throws SerialError `port-not-open`, `port-lost`, `port-closed`, `queue-full`, `write-stuck`
   */
  write(bytes: Buffer, waitMs = 0): Promise<void> {
    if (!this.#running) return Promise.reject(new SerialError('port-closed', `${this.#options.name} is closed`));
    if (this.#state !== 'open' && waitMs <= 0) return Promise.reject(this.#notOpen());
    const written = this.#queue.add(bytes, waitMs, () => this.#notOpen());
    void this.#pump();
    return written;
  }

  async #attempt(): Promise<void> {
    if (!this.#running) return;
    let port: SerialPort | undefined;
    try {
      port = this.#options.make();
      this.#port = port;
      if (this.#paused) port.pause();
      const opened = port;
      await port.open({
        data: (bytes) => {
          if (this.#port !== opened) return;
          this.#pauseMs = this.#first;
          this.#options.onData(bytes);
        },
        lost: (error) => {
          if (this.#port === opened) this.#lost(error);
        },
      });
    } catch (error) {
      await port?.close().catch(() => {});
      if (this.#port === port) this.#failed(asSerialError(error, 'port-failed', this.#options.name));
      return;
    }
    if (this.#port !== port) {
      await port.close();
      return;
    }
    // One that opens and is lost again and again is tried ever more rarely too; bytes, or time, show that it is well.
    this.#steady = this.#timers.after(this.#most, () => {
      this.#pauseMs = this.#first;
    });
    this.#enter('open');
    void this.#pump();
  }

  #lost(error: SerialError): void {
    this.#steady?.cancel();
    const port = this.#port;
    this.#port = undefined;
    void port?.close();
    this.#enter('lost', error);
    this.#again();
  }

  #failed(error: SerialError): void {
    this.#port = undefined;
    if (!this.#running) return;
    this.#enter(stateOf(error), error);
    this.#again();
  }

  #again(): void {
    if (!this.#running) return;
    this.#retry = this.#timers.after(this.#pauseMs, () => void this.#attempt());
    this.#pauseMs = Math.min(this.#pauseMs * 2, this.#most);
  }

  #enter(state: LineState, error?: SerialError): void {
    this.#error = error;
    if (state === this.#state) return;
    this.#state = state;
    this.#queue.setWaiting(state !== 'open');
    this.#options.onState(state, error);
  }

  async #pump(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    try {
      for (let port = this.port; port; port = this.port) {
        const item = this.#queue.shift();
        if (!item) return;
        try {
          await this.#writeOne(port, item.bytes);
          item.done();
        } catch (error) {
          item.done(asSerialError(error, 'port-lost', this.#options.name));
        }
      }
    } finally {
      this.#writing = false;
    }
  }

  async #writeOne(port: SerialPort, bytes: Buffer): Promise<void> {
    const limitMs = this.#options.writeMs?.(bytes.length) ?? 10_000;
    const write = port.write(bytes).then(() => port.drain());
    let timer: { cancel(): void } | undefined;
    const stuck = new Promise<never>((_, reject) => {
      timer = this.#timers.after(limitMs, () => {
        const text = `${this.#options.name} took no data for ${limitMs} ms: check flow control and cable`;
        reject(new SerialError('write-stuck', text));
      });
    });
    try {
      await Promise.race([write, stuck]);
    } catch (error) {
      write.catch(() => {});
      // What is half sent cannot be taken back; a new opening starts clean. What is stuck would hold the closing up.
      port.flush().catch(() => {});
      if (this.#port === port) this.#lost(asSerialError(error, 'port-lost', this.#options.name));
      throw error;
    } finally {
      timer?.cancel();
    }
  }

  #notOpen(): SerialError {
    const reason = this.#error ? `: ${this.#error.message}` : '';
    return new SerialError('port-not-open', `${this.#options.name} is not open (${this.#state})${reason}`, this.#error);
  }
}

function stateOf({ code }: SerialError): LineState {
  if (code === 'port-missing') return 'missing';
  if (code === 'port-busy') return 'busy';
  if (code === 'port-denied') return 'denied';
  if (code === 'driver-missing') return 'driver-missing';
  return 'failed';
}
