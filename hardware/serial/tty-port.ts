import { constants, readSync } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { asSerialError, SerialError } from './errors.ts';
import { type Binding, loadBindings } from './load-bindings.ts';
import type { ModemInputs, ModemOutputs, PortListener, SerialPort, SerialSettings } from './port.ts';
import { nodeTimers, type Timers } from './timers.ts';

export interface TtyPortOptions {
  /** Path of a device or of a link to one, or the name of a COM port. */
  readonly path: string;
  readonly settings: SerialSettings;
  readonly timers?: Timers;
  /** How often is looked whether the path still means the device that was opened; default 1,000. */
  readonly watchMs?: number;
}

/** What the line discipline of Linux hands out at once is 4 KiB. */
const readBytes = 16 * 1024;

/**
 * A serial port of this computer, over the bindings of `serialport`.
 *
 * The reading is our own: a device that was pulled out reads as 0 bytes for ever, which those bindings take for a reason
 * to read again at once. The device is locked (TIOCEXCL and flock); a link under which another device appears is a loss.
 */
export class TtyPort implements SerialPort {
  readonly #path: string;
  readonly #settings: SerialSettings;
  readonly #timers: Timers;
  readonly #watchMs: number;
  #binding: Binding | undefined;
  #listener: PortListener | undefined;
  #watch: { cancel(): void } | undefined;
  #closing: Promise<void> | undefined;
  #paused: { promise: Promise<void>; resolve: () => void } | undefined;

  constructor({ path, settings, timers = nodeTimers, watchMs = 1_000 }: TtyPortOptions) {
    this.#path = path;
    this.#settings = settings;
    this.#timers = timers;
    this.#watchMs = watchMs;
  }

  async open(listener: PortListener): Promise<void> {
    const bindings = await loadBindings();
    const identity = await this.#reachable();
    const { baudRate, dataBits, stopBits, parity, flowControl } = this.#settings;
    const xon = flowControl === 'xonxoff';
    const rtscts = flowControl === 'rtscts';
    const options = { path: this.#path, baudRate, dataBits, stopBits, parity, rtscts, xon, xoff: xon, lock: true };
    const binding = await bindings.open(options).catch((error: unknown) => {
      throw openError(this.#path, error);
    });
    if (this.#closing) {
      await binding.close();
      throw new SerialError('port-closed', `${this.#path} was closed while it was opened`);
    }
    this.#binding = binding;
    this.#listener = listener;
    this.#watchName(identity);
    void this.#read(binding);
  }

  async write(bytes: Buffer): Promise<void> {
    await this.#call((binding) => binding.write(bytes));
  }

  async drain(): Promise<void> {
    await this.#call((binding) => binding.drain());
  }

  pause(): void {
    if (this.#paused) return;
    let resolve = (): void => {};
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    this.#paused = { promise, resolve };
  }

  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  async flush(): Promise<void> {
    await this.#call((binding) => binding.flush());
  }

  async modemInputs(): Promise<ModemInputs> {
    const { cts, dsr, dcd } = await this.#call((binding) => binding.get());
    return { cts, dsr, dcd };
  }

  async setModemOutputs({ dtr = true, rts = true }: ModemOutputs): Promise<void> {
    await this.#call((binding) => binding.set({ brk: false, dtr, rts }));
  }

  async sendBreak(durationMs: number): Promise<void> {
    await this.#call((binding) => binding.set({ brk: true, dtr: true, rts: true }));
    await sleep(durationMs);
    await this.#call((binding) => binding.set({ brk: false, dtr: true, rts: true }));
  }

  async setBaudRate(baudRate: number): Promise<void> {
    await this.#call((binding) => binding.update({ baudRate }));
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#listener = undefined;
      this.#watch?.cancel();
      this.resume();
      // A device that was pulled out may refuse even that; it is gone all the same.
      await this.#binding?.close().catch(() => {});
      this.#binding = undefined;
    })();
    return this.#closing;
  }

  /** Which device the path means now; says in our words why it cannot be opened, which the bindings do not. */
  async #reachable(): Promise<string> {
    if (!this.#path.startsWith('/')) return '';
    try {
      const identity = await identify(this.#path);
      await access(this.#path, constants.R_OK | constants.W_OK);
      return identity;
    } catch (error) {
      throw openError(this.#path, error);
    }
  }

  #watchName(identity: string): void {
    if (identity === '') return;
    this.#watch = this.#timers.after(this.#watchMs, async () => {
      const now = await identify(this.#path).catch(() => 'nothing');
      if (!this.#listener) return;
      if (now === identity) this.#watchName(identity);
      else this.#lose(new Error(now === 'nothing' ? 'it was unplugged' : 'the name now means another device'));
    });
  }

  async #read(binding: Binding): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(readBytes);
    try {
      for (;;) {
        let length = binding.poller ? await readable(binding) : (await binding.read(buffer, 0, readBytes)).bytesRead;
        while (this.#paused) await this.#paused.promise;
        if (!this.#listener) return;
        if (binding.poller) length = readNow(binding, buffer);
        if (length > 0) this.#listener.data(Buffer.from(buffer.subarray(0, length)));
      }
    } catch (error) {
      this.#lose(error);
    }
  }

  #lose(cause: unknown): void {
    const listener = this.#listener;
    if (!listener) return;
    this.#listener = undefined;
    const reason = cause instanceof Error ? cause.message : String(cause);
    void this.close();
    listener.lost(new SerialError('port-lost', `${this.#path} is gone: ${reason}`, cause));
  }

  async #call<T>(action: (binding: Binding) => Promise<T>): Promise<T> {
    const binding = this.#binding;
    if (!binding || !this.#listener) throw new SerialError('port-closed', `${this.#path} is closed`);
    try {
      return await action(binding);
    } catch (error) {
      throw asSerialError(error, 'port-lost', this.#path);
    }
  }
}

/** Once for each reading: a fast sender leaves room to the rest of the event loop. */
function readable({ poller }: Binding): Promise<number> {
  return new Promise((resolve, reject) => {
    poller?.once('readable', (error) => (error ? reject(error) : resolve(0)));
  });
}

/** What is there now, without waiting; 0 when it was a false alarm. */
function readNow({ fd }: Binding, buffer: Buffer): number {
  if (typeof fd !== 'number') throw new Error('closed');
  try {
    const length = readSync(fd, buffer, 0, buffer.length, null);
    if (length === 0) throw new Error('hung up');
    return length;
  } catch (error) {
    if (/^(EAGAIN|EINTR)$/.test(String((error as NodeJS.ErrnoException).code))) return 0;
    throw error;
  }
}

/** A link that points elsewhere, and a device that was made anew, have another identity. */
async function identify(path: string): Promise<string> {
  const found = await stat(path);
  if (!found.isCharacterDevice()) throw new SerialError('port-failed', `${path} is no serial port`);
  return `${found.rdev}/${found.ino}`;
}

/** The bindings give texts without codes; those of the system's calls are stable. */
export function openError(path: string, error: unknown): SerialError {
  if (error instanceof SerialError) return error;
  const text = `${(error as NodeJS.ErrnoException).code ?? ''} ${error instanceof Error ? error.message : String(error)}`;
  if (/ENOENT|ENODEV|ENXIO|No such (file|device)|not found/i.test(text)) {
    return new SerialError('port-missing', `${path} is not there: plug the device in`, error);
  }
  if (/EACCES|EPERM|permission denied|not permitted|access denied/i.test(text)) {
    return new SerialError('port-denied', `${path} may not be opened: add the user to the group dialout`, error);
  }
  if (/EBUSY|EAGAIN|resource (busy|temporarily)|cannot lock/i.test(text)) {
    return new SerialError('port-busy', `${path} is open in another program`, error);
  }
  return asSerialError(error, 'port-failed', path);
}
