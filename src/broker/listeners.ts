import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { HoldfastError } from '../errors.ts';
import { type CertificateMaterial, contextOptions } from '../platform/index.ts';
import { readThroughSlabs } from './slab-reading.ts';

/** Where to listen. A port of 0 in `tls` or `plain` takes a free one; undefined is off. */
export interface ListenOptions {
  readonly host: string;
  readonly plain: number | undefined;
  /** With `ca`, clients must show a certificate that it signed. */
  readonly tls: (CertificateMaterial & { readonly port: number }) | undefined;
  /** Path of a Unix socket for programs of this user on the box. */
  readonly path?: string | undefined;
}

/** Hears of sockets: `secure` ones after their TLS handshake. */
interface ListenersOptions {
  readonly listen: ListenOptions;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly onSocket: (socket: Socket, secure: boolean) => void;
  readonly onRefused: (reason: 'connections' | 'connections-per-address') => void;
}

/** The plain and the TLS server, and the limits on how many connections there may be in all and per address. */
export class Listeners {
  readonly #options: ListenersOptions;
  readonly #servers = new Map<'plain' | 'tls' | 'path', Server>();
  readonly #perAddress = new Map<string, number>();
  #connections = 0;
  /** Who waits for the last connection's end; a server does not know all of them (`readThroughSlabs`). */
  readonly #emptied: (() => void)[] = [];

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  get ports(): { readonly plain: number | undefined; readonly tls: number | undefined } {
    const portOf = (server: Server | undefined) => {
      const address = server?.address();
      return typeof address === 'object' && address !== null ? address.port : undefined;
    };
    return { plain: portOf(this.#servers.get('plain')), tls: portOf(this.#servers.get('tls')) };
  }

  /** Listens on all of them; what is open when one fails is left to `close`. */
  async open(): Promise<void> {
    const { listen, onSocket } = this.#options;
    const { host, plain, tls, path } = listen;
    if (plain !== undefined) {
      const server = createServer({ pauseOnConnect: true }, (socket) => this.#acceptPlain(socket, false));
      await this.#listen(server, 'plain', host, plain, 'mqtt.port');
    }
    if (tls !== undefined) {
      const mutual = tls.ca === undefined ? {} : { requestCert: true, rejectUnauthorized: true };
      const server = createTlsServer({ ...contextOptions(tls), handshakeTimeout: 5000, ...mutual }, (socket) =>
        onSocket(socket, true),
      );
      // A failed handshake closes its own socket and is nobody else's matter.
      server.on('tlsClientError', (_, socket) => socket.destroy());
      server.prependListener('connection', (socket: Socket) => this.#limit(socket));
      await this.#listen(server, 'tls', host, tls.port, 'mqtt.tls.port');
    }
    if (path !== undefined) await this.#listenAt(path);
  }

  /** Uses another certificate for connections from now on; those that stand live on. Throws what the TLS library says. */
  setCertificate(material: CertificateMaterial): void {
    (this.#servers.get('tls') as TlsServer | undefined)?.setSecureContext(contextOptions(material));
  }

  /** Stops listening; resolves once every connection is gone, so whoever has them closes them. */
  async close(): Promise<void> {
    const servers = [...this.#servers.values()];
    this.#servers.clear();
    await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
    if (this.#connections > 0) await new Promise<void>((resolve) => this.#emptied.push(resolve));
  }

  async #listen(server: Server, name: 'plain' | 'tls', host: string, port: number, key: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const text = `${key}: another program listens on ${host}:${port}`;
        reject(error.code === 'EADDRINUSE' ? new HoldfastError('port-taken', text, error) : error);
      });
      server.listen({ host, port, backlog: 511 }, resolve);
    });
    this.#servers.set(name, server);
  }

  /** The caller holds the lock of the data folder, so a socket found there is a dead one. */
  async #listenAt(path: string): Promise<void> {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    rmSync(path, { force: true });
    // Nobody else may write to it: what is said there needs no TLS.
    const server = createServer({ pauseOnConnect: true }, (socket) => this.#acceptPlain(socket, true));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path }, resolve);
    });
    chmodSync(path, 0o600);
    this.#servers.set('path', server);
  }

  #acceptPlain(accepted: Socket, secure: boolean): void {
    const socket = readThroughSlabs(accepted);
    this.#limit(socket);
    if (!socket.destroyed) this.#options.onSocket(socket, secure);
  }

  /** Counted from the first byte, since a TLS handshake costs more than what follows. */
  #limit(socket: Socket): void {
    const { maxConnections, maxConnectionsPerAddress, onRefused } = this.#options;
    const address = socket.remoteAddress ?? '';
    const ofAddress = this.#perAddress.get(address) ?? 0;
    const reason =
      this.#connections >= maxConnections
        ? 'connections'
        : ofAddress >= maxConnectionsPerAddress
          ? 'connections-per-address'
          : undefined;
    socket.on('error', () => socket.destroy());
    if (reason !== undefined) {
      onRefused(reason);
      socket.destroy();
      return;
    }
    this.#connections++;
    this.#perAddress.set(address, ofAddress + 1);
    socket.once('close', () => {
      this.#connections--;
      if (this.#connections === 0) for (const resolve of this.#emptied.splice(0)) resolve();
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#perAddress.delete(address);
      else this.#perAddress.set(address, left);
    });
  }
}
