import { connect, createServer, type Server, type Socket } from 'node:net';

/** Connections that wait for the link to come back; more are refused. */
const maxWaiting = 16;

/**
 * A cable with a switch in it: a TCP relay on loopback between the gateway and the centre. `cut()` breaks every
 * connection; new ones stand without passing a byte, as behind a dead radio link, until `restore()`.
 */
export class UplinkSwitch {
  readonly #host: string;
  readonly #target: () => number;
  readonly #sockets = new Set<Socket>();
  #waiting = new Set<Socket>();
  #server: Server | undefined;
  #isUp = true;

  /** `target` is asked at each connection for the port on `host` that it leads to. */
  constructor({ host, target }: { host: string; target: () => number }) {
    this.#host = host;
    this.#target = target;
  }

  /** The port that it takes connections on; undefined while stopped. */
  get port(): number | undefined {
    const address = this.#server?.address();
    return typeof address === 'object' && address !== null ? address.port : undefined;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Listens on a free port. Rejects with Node's error. Idempotent. */
  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer((socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, this.#host, resolve);
    });
    this.#server = server;
  }

  /** Breaks every connection at once, in the middle of whatever it carries. */
  cut(): void {
    this.#isUp = false;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Lets those through that wait, and whoever comes. */
  restore(): void {
    this.#isUp = true;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const socket of waiting) this.#join(socket);
  }

  /** Closes everything. Idempotent. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    this.#keep(socket);
    if (this.#isUp) this.#join(socket);
    else if (this.#waiting.size >= maxWaiting) socket.destroy();
    else this.#waiting.add(socket);
  }

  #join(near: Socket): void {
    const far = connect(this.#target(), this.#host);
    this.#keep(far);
    near.pipe(far);
    far.pipe(near);
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    // An error is followed by 'close', which is all that matters here.
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#waiting.delete(socket);
    });
  }
}
