import { connect, type Socket } from 'node:net';
import { asSerialError, SerialError } from './errors.ts';
import type { ModemInputs, PortListener, SerialPort } from './port.ts';

export interface TcpPortOptions {
  readonly host: string;
  readonly port: number;
  /** Default 5,000. */
  readonly connectMs?: number;
}

/**
 * A serial server that gives its bytes raw over TCP. Speed and parity are the server's business; a server that vanished
 * without a word is noticed by keep-alive only, after about a minute.
 */
export class TcpPort implements SerialPort {
  readonly #options: TcpPortOptions;
  #socket: Socket | undefined;
  #listener: PortListener | undefined;

  constructor(options: TcpPortOptions) {
    this.#options = options;
  }

  open(listener: PortListener): Promise<void> {
    const { host, port, connectMs = 5_000 } = this.#options;
    const name = `tcp:${host}:${port}`;
    const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 });
    this.#socket = socket;
    socket.setTimeout(connectMs, () => socket.destroy(new Error(`no connection within ${connectMs} ms`)));
    return new Promise((resolve, reject) => {
      let failure: Error | undefined;
      socket.on('error', (error) => {
        failure = error;
      });
      socket.once('connect', () => {
        socket.setTimeout(0);
        this.#listener = listener;
        resolve();
      });
      socket.on('data', (bytes: Buffer) => this.#listener?.data(bytes));
      socket.once('close', () => {
        reject(asSerialError(failure ?? new Error('closed'), 'port-missing', name));
        const lost = this.#listener;
        this.#listener = undefined;
        lost?.lost(
          new SerialError('port-lost', `${name}: ${failure?.message ?? 'the other end closed the connection'}`),
        );
      });
      socket.on('end', () => socket.destroy());
    });
  }

  write(bytes: Buffer): Promise<void> {
    const socket = this.#socket;
    if (!socket || !this.#listener) return Promise.reject(new SerialError('port-closed', 'the connection is closed'));
    return new Promise((resolve, reject) => {
      socket.write(bytes, (error) => (error ? reject(asSerialError(error, 'port-lost', 'TCP')) : resolve()));
    });
  }

  /** The system has the bytes; whether the server sent them on is not known. */
  async drain(): Promise<void> {}

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  async flush(): Promise<void> {}

  modemInputs(): Promise<ModemInputs> {
    return Promise.reject(unsupported());
  }

  setModemOutputs(): Promise<void> {
    return Promise.reject(unsupported());
  }

  sendBreak(): Promise<void> {
    return Promise.reject(unsupported());
  }

  setBaudRate(): Promise<void> {
    return Promise.reject(unsupported());
  }

  close(): Promise<void> {
    this.#listener = undefined;
    const socket = this.#socket;
    if (!socket || socket.closed) return Promise.resolve();
    return new Promise((resolve) => {
      socket.once('close', () => resolve());
      socket.destroySoon();
      // A server that does not read would hold `destroySoon` back for ever.
      setTimeout(() => socket.destroy(), 500).unref();
    });
  }
}

function unsupported(): SerialError {
  return new SerialError('unsupported', 'a TCP port has neither modem lines nor a speed of its own');
}
