/**
 * A TCP proxy that stands for a bad network: it can be cut and restored, frozen, delayed, slowed down, pointed at
 * another server, and it can break off in the middle of a message after a number of bytes.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './temporary.ts';

/** `up` is from the client to the server. */
export type Direction = 'up' | 'down';

/** Where the proxy connects to. */
export interface ProxyTarget {
  readonly host?: string;
  readonly port: number;
}

/** Listens on a free port of 127.0.0.1. */
export async function startTcpProxy(target: ProxyTarget): Promise<TcpProxy> {
  const proxy = new TcpProxy(await freePort(), target);
  await proxy.restore();
  return proxy;
}

/** The proxy; every setting applies to present and coming connections. */
export class TcpProxy {
  readonly port: number;
  /** Where new connections go. */
  target: ProxyTarget;
  /** Milliseconds that every byte arrives later, each way; order and rate stay. */
  delayMs = 0;
  /** Bytes per second, each way and connection. */
  bytesPerSecond = Number.POSITIVE_INFINITY;
  /** True: connections stay open and nothing passes, as with a dead radio link. */
  frozen = false;
  /** Bytes passed since the start. */
  readonly passed: Record<Direction, number> = { up: 0, down: 0 };
  /** Connections accepted since the start. */
  accepted = 0;
  readonly #budget: Record<Direction, number> = { up: Number.POSITIVE_INFINITY, down: Number.POSITIVE_INFINITY };
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(port: number, target: ProxyTarget) {
    this.port = port;
    this.target = target;
  }

  /** Connections open now. */
  get connections(): number {
    return this.#sockets.size / 2;
  }

  /** Resets every connection and refuses new ones until `restore()`. */
  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
    this.reset();
    await closed;
  }

  /** Takes connections again. */
  async restore(): Promise<void> {
    if (this.#server) return;
    const server = createServer((client) => this.#accept(client));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    server.unref();
  }

  /** Resets every connection; new ones are welcome. */
  reset(): void {
    for (const socket of this.#sockets) breakOff(socket);
    this.#sockets.clear();
  }

  /**
   * Lets exactly `bytes` more pass in that direction over all connections, then cuts; resolves when it has, rejects when
   * fewer came within `deadlineMs`.
   */
  cutAfter(direction: Direction, bytes: number, deadlineMs = 20_000): Promise<void> {
    this.#budget[direction] = bytes;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const missing = this.#budget[direction];
        this.#budget[direction] = Number.POSITIVE_INFINITY;
        reject(new Error(`the connection was not cut: ${missing} of ${bytes} bytes ${direction} did not come`));
      }, deadlineMs);
      this.#onBudgetSpent = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #onBudgetSpent: (() => void) | undefined;

  /** Cuts for good. */
  stop(): Promise<void> {
    return this.cut();
  }

  #accept(client: Socket): void {
    this.accepted++;
    const server = connect(this.target.port, this.target.host ?? '127.0.0.1');
    for (const [from, to, direction] of [
      [client, server, 'up'],
      [server, client, 'down'],
    ] as const) {
      from.setNoDelay(true);
      this.#sockets.add(from);
      from.on('error', () => breakOff(to));
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroySoon();
      });
      this.#pump(from, to, direction).catch(() => breakOff(to));
    }
  }

  async #pump(from: Socket, to: Socket, direction: Direction): Promise<void> {
    const queue: { readonly chunk: Buffer; readonly dueMs: number }[] = [];
    let wake: (() => void) | undefined;
    let ended = false;
    from.on('data', (chunk: Buffer) => {
      queue.push({ chunk, dueMs: performance.now() + this.delayMs });
      if (queue.length > 64) from.pause();
      wake?.();
    });
    from.on('end', () => {
      ended = true;
      wake?.();
    });
    for (;;) {
      const next = queue.shift();
      if (!next) {
        if (ended) break;
        from.resume();
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      await this.#forward(next.chunk, to, direction);
      if (to.destroyed) return;
    }
    to.end();
  }

  async #forward(chunk: Buffer, to: Socket, direction: Direction): Promise<void> {
    for (let offset = 0; offset < chunk.length && !to.destroyed; ) {
      while (this.frozen && !to.destroyed) await sleep(5);
      const slice = Number.isFinite(this.bytesPerSecond)
        ? Math.max(1, Math.ceil(this.bytesPerSecond / 50))
        : chunk.length;
      const part = chunk.subarray(offset, offset + Math.min(slice, this.#budget[direction]));
      offset += part.length;
      this.passed[direction] += part.length;
      this.#budget[direction] -= part.length;
      if (this.#budget[direction] === 0) return this.#spent(part, to, direction);
      const room = to.write(part);
      if (!room) await new Promise<void>((resolve) => to.once('drain', resolve).once('close', () => resolve()));
      if (Number.isFinite(this.bytesPerSecond)) await sleep((part.length / this.bytesPerSecond) * 1000);
    }
  }

  /** The last bytes are let out before the reset, so that the other side really has a torn message. */
  async #spent(part: Buffer, to: Socket, direction: Direction): Promise<void> {
    this.#budget[direction] = Number.POSITIVE_INFINITY;
    await new Promise<void>((resolve) => {
      to.once('close', () => resolve());
      to.write(part, () => resolve());
    });
    await sleep(5);
    await this.cut();
    this.#onBudgetSpent?.();
    this.#onBudgetSpent = undefined;
  }
}

/** A reset where it can be had: Node waits for pending writes before it, for ever when the other side stands still. */
function breakOff(socket: Socket): void {
  if (socket.writableLength === 0 && !socket.writableEnded) socket.resetAndDestroy();
  else socket.destroy();
}
