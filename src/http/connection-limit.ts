import type { Server, Socket } from 'node:net';
import { addressKey } from '../accounts/index.ts';

/** Connections at once, to one port. */
export interface ConnectionLimits {
  readonly maxConnections: number;
  /** Of one address (IPv6: a /64), so that nobody alone takes the places of all. */
  readonly maxConnectionsPerAddress: number;
}

/** What a server of ours takes. Behind a proxy all clients have the proxy's address. */
export const defaultConnectionLimits: ConnectionLimits = { maxConnections: 1000, maxConnectionsPerAddress: 500 };

/** Cuts connections beyond the limits at once, before a byte of theirs is read. Returns what cuts all there are. */
export function limitConnections(server: Server, limits: ConnectionLimits): () => void {
  const { maxConnections, maxConnectionsPerAddress } = limits;
  const perAddress = new Map<string, number>();
  const sockets = new Set<Socket>();
  server.maxConnections = maxConnections;
  // First of all listeners: a TLS handshake costs more than what follows.
  server.prependListener('connection', (socket) => {
    const address = addressKey(socket.remoteAddress);
    const count = perAddress.get(address) ?? 0;
    if (count >= maxConnectionsPerAddress) {
      socket.destroy();
      return;
    }
    perAddress.set(address, count + 1);
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left === 0) perAddress.delete(address);
      else perAddress.set(address, left);
    });
  });
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

/**
 * The address to hand to Fastify. Of `localhost` it takes every address there is, with a further server for each, which
 * would have neither these limits nor a renewed certificate.
 */
export const listenHost = (host: string): string => (host === 'localhost' ? '127.0.0.1' : host);
