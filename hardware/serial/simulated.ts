import { SerialError, type SerialErrorCode } from './errors.ts';
import type { ModemInputs, ModemOutputs, PortListener, SerialPort } from './port.ts';

/** How an opening of a simulated port may be made to fail. */
export type SimulatedFailure = Extract<
  SerialErrorCode,
  'port-missing' | 'port-busy' | 'port-denied' | 'driver-missing' | 'port-failed'
>;

/** What waits for a paused reader or a device that does not listen; further bytes are an error of the simulation. */
const maxWaitingBytes = 1024 * 1024;

/**
 * The far end of a simulated wire: a test, a command or the console plays the device here.
 */
export class SimulatedPort {
  readonly name: string;
  /** What the device sees of the host's lines and speed. */
  outputs: ModemOutputs = { dtr: false, rts: false };
  /** What the host sees of the device's lines. */
  inputs: ModemInputs = { cts: true, dsr: true, dcd: true };
  baudRate: number | undefined;
  breaks = 0;
  /** The host's writes stay unfinished, as with flow control that holds them back. */
  stuck = false;
  #failure: SimulatedFailure | undefined;
  #plugged = true;
  #host: HostEnd | undefined;
  #received = Buffer.alloc(0);
  #onReceive: ((bytes: Buffer) => void) | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get state(): 'unplugged' | 'failing' | 'plugged' | 'open' {
    if (!this.#plugged) return 'unplugged';
    if (this.#host) return 'open';
    return this.#failure ? 'failing' : 'plugged';
  }

  /** The device sends. Without a host that has the port open the bytes are lost, as on a wire. */
  send(bytes: Buffer | string): boolean {
    if (!this.#host) return false;
    this.#host.deliver(Buffer.from(bytes as string));
    return true;
  }

  /** What the host has written and nobody has taken; taking empties it. */
  take(): Buffer {
    const bytes = this.#received;
    this.#received = Buffer.alloc(0);
    return bytes;
  }

  /** From now on the host's bytes come here instead of waiting for `take`. */
  onReceive(listener: ((bytes: Buffer) => void) | undefined): void {
    this.#onReceive = listener;
  }

  unplug(): void {
    this.#plugged = false;
    this.#host?.lose(new SerialError('port-lost', `sim:${this.name} was unplugged`));
  }

  plug(): void {
    this.#plugged = true;
  }

  /** Openings fail in this way until it is called without one; a port that is open is lost. */
  fail(failure?: SimulatedFailure): void {
    this.#failure = failure;
    if (failure) this.#host?.lose(new SerialError('port-lost', `sim:${this.name} failed`));
  }

  /** The near end, for one opening. */
  host(): SerialPort {
    return new HostEnd({
      port: this,
      attach: (end) => {
        if (!this.#plugged) throw new SerialError('port-missing', `sim:${this.name} is not there: plug the device in`);
        if (this.#failure) throw new SerialError(this.#failure, `sim:${this.name}: ${this.#failure}`);
        if (this.#host) throw new SerialError('port-busy', `sim:${this.name} is open in another program`);
        this.#host = end;
      },
      detach: (end) => {
        if (this.#host === end) this.#host = undefined;
      },
      receive: (bytes) => {
        if (this.#onReceive) this.#onReceive(bytes);
        else this.#received = Buffer.concat([this.#received, bytes]).subarray(-maxWaitingBytes);
      },
    });
  }
}

interface Wire {
  readonly port: SimulatedPort;
  attach(end: HostEnd): void;
  detach(end: HostEnd): void;
  receive(bytes: Buffer): void;
}

class HostEnd implements SerialPort {
  readonly #wire: Wire;
  #listener: PortListener | undefined;
  #paused = false;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #lost = new AbortController();

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  async open(listener: PortListener): Promise<void> {
    this.#wire.attach(this);
    this.#listener = listener;
  }

  deliver(bytes: Buffer): void {
    if (!this.#paused) {
      this.#listener?.data(Buffer.from(bytes));
      return;
    }
    if (this.#waitingBytes + bytes.length > maxWaitingBytes) throw new Error('too much sent to a paused port');
    this.#waiting.push(Buffer.from(bytes));
    this.#waitingBytes += bytes.length;
  }

  lose(error: SerialError): void {
    const listener = this.#listener;
    this.#detach(error);
    listener?.lost(error);
  }

  async write(bytes: Buffer): Promise<void> {
    this.#check();
    if (this.#wire.port.stuck) {
      await new Promise((_, reject) => {
        this.#lost.signal.addEventListener('abort', () => reject(this.#lost.signal.reason));
      });
    }
    this.#wire.receive(Buffer.from(bytes));
  }

  async drain(): Promise<void> {
    this.#check();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    const waiting = this.#waiting.splice(0);
    this.#waitingBytes = 0;
    for (const bytes of waiting) this.deliver(bytes);
  }

  async flush(): Promise<void> {
    this.#check();
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  async modemInputs(): Promise<ModemInputs> {
    this.#check();
    return this.#wire.port.inputs;
  }

  async setModemOutputs({ dtr = true, rts = true }: ModemOutputs): Promise<void> {
    this.#check();
    this.#wire.port.outputs = { dtr, rts };
  }

  async sendBreak(): Promise<void> {
    this.#check();
    this.#wire.port.breaks++;
  }

  async setBaudRate(baudRate: number): Promise<void> {
    this.#check();
    this.#wire.port.baudRate = baudRate;
  }

  async close(): Promise<void> {
    this.#detach(new SerialError('port-closed', `sim:${this.#wire.port.name} was closed`));
  }

  #detach(reason: SerialError): void {
    this.#listener = undefined;
    this.#wire.detach(this);
    this.#lost.abort(reason);
  }

  #check(): void {
    if (!this.#listener) throw new SerialError('port-closed', `sim:${this.#wire.port.name} is closed`);
  }
}

/** All simulated serial ports of this process; what a command or the console drives. */
class SimulatedPorts {
  readonly #ports = new Map<string, SimulatedPort>();

  /** The port of that name; made, plugged in, when there is none. */
  port(name: string): SimulatedPort {
    let port = this.#ports.get(name);
    if (!port) {
      port = new SimulatedPort(name);
      this.#ports.set(name, port);
    }
    return port;
  }

  list(): { readonly name: string; readonly state: SimulatedPort['state'] }[] {
    return [...this.#ports.values()].map(({ name, state }) => ({ name, state }));
  }

  /**
   * The same by words, for a command line or a page: `plug`, `unplug`, `fail [code]`, `send TEXT`, `take`.
   *
   * @returns what is to be shown
   * @throws SerialError `unsupported` for another action
   */
  control(name: string, action: string, argument = ''): string {
    const port = this.port(name);
    if (action === 'plug') port.plug();
    else if (action === 'unplug') port.unplug();
    else if (action === 'fail') port.fail(argument === '' ? undefined : failure(argument));
    else if (action === 'send') return port.send(argument) ? 'sent' : 'nobody has the port open';
    else if (action === 'take') return port.take().toString('utf8');
    else throw new SerialError('unsupported', `${action}: plug, unplug, fail, send and take are possible`);
    return port.state;
  }
}

function failure(code: string): SimulatedFailure {
  const possible: readonly string[] = ['port-missing', 'port-busy', 'port-denied', 'driver-missing', 'port-failed'];
  if (possible.includes(code)) return code as SimulatedFailure;
  throw new SerialError('unsupported', `${code}: ${possible.join(', ')} are possible`);
}

export const simulated = new SimulatedPorts();
