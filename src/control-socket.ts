/**
 * How commands talk to a running gateway: a Unix socket in the data folder's `secrets`, which only the gateway's user
 * may enter. One request as a line of JSON, the answer as lines of JSON: `{"item": …}` for each object, then
 * `{"end": true}` or `{"error": {code, message}}`.
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { describeError, type ErrorCode, HoldfastError, isHoldfastError } from './errors.ts';
import type { SpoolRequest } from './spool/index.ts';

/** What may be asked: of the spool, or of the room that is named. */
export type ControlRequest = SpoolRequest | { readonly room: string; readonly action: string };

const maxRequestBytes = 64 * 1024;
const maxConnections = 8;

/** Where a gateway with this data folder listens. */
export const controlSocketPath = (dataFolder: string): string => join(dataFolder, 'secrets', 'control.sock');

/** Serves requests until `stop`. The caller holds the lock of the data folder, so a socket found there is a dead one. */
export class ControlSocket {
  readonly #path: string;
  readonly #answer: (request: ControlRequest) => AsyncIterable<object>;
  #server: Server | undefined;
  readonly #connections = new Set<Socket>();

  constructor(options: { path: string; answer: (request: ControlRequest) => AsyncIterable<object> }) {
    this.#path = options.path;
    this.#answer = options.answer;
  }

  async start(): Promise<void> {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    rmSync(this.#path, { force: true });
    const server = createServer((socket) => void this.#serve(socket));
    server.maxConnections = maxConnections;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#path, resolve);
    });
    chmodSync(this.#path, 0o600);
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#connections) socket.destroy();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  async #serve(socket: Socket): Promise<void> {
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => socket.destroy());
    try {
      const request = await readRequest(socket);
      for await (const item of this.#answer(request)) await writeLine(socket, { item });
      await writeLine(socket, { end: true });
    } catch (error) {
      const code: ErrorCode = isHoldfastError(error) ? error.code : 'spool-corrupt';
      await writeLine(socket, { error: { code, message: describeError(error) } }).catch(() => {});
    }
    socket.end();
  }
}

/**
 * Asks the gateway that runs on `dataFolder`.
 *
 * @throws HoldfastError `gateway-unreachable` when none answers, else the gateway's own error.
 */
export async function* askGateway(dataFolder: string, request: ControlRequest): AsyncGenerator<object> {
  const path = controlSocketPath(dataFolder);
  const socket = connect(path);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
  } catch (error) {
    throw new HoldfastError(
      'gateway-unreachable',
      `the gateway does not answer on ${path}: is it still starting?`,
      error,
    );
  }
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    for await (const line of createInterface({ input: socket })) {
      const answer = JSON.parse(line) as { item?: object; end?: true; error?: { code: ErrorCode; message: string } };
      if (answer.error) throw new HoldfastError(answer.error.code, answer.error.message);
      if (answer.end) return;
      if (answer.item) yield answer.item;
    }
    throw new HoldfastError('gateway-unreachable', 'the gateway stopped while it answered; ask again');
  } finally {
    socket.destroy();
  }
}

async function readRequest(socket: Socket): Promise<ControlRequest> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8');
    const end = text.indexOf('\n');
    if (end >= 0) return JSON.parse(text.slice(0, end)) as ControlRequest;
    if (text.length > maxRequestBytes) break;
  }
  throw new HoldfastError('usage', 'a request is one line of JSON');
}

function writeLine(socket: Socket, value: object): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed) reject(new Error('the caller has gone'));
    else socket.write(`${JSON.stringify(value)}\n`, (error) => (error ? reject(error) : resolve()));
  });
}
