import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { NodeError } from './node-error.ts';
import type { BoxSettings, NodeConfig } from './node-red.ts';
import { namePattern } from './topics.ts';

/** What a gateway node's dialog saves, version 1. */
export interface GatewayConfig extends NodeConfig {
  /** `box`: the gateway on whose box this Node-RED runs; `network`: any, by its address. */
  readonly place: 'box' | 'network';
  readonly host: string;
  readonly port: number | string;
  readonly security: 'tls' | 'plain';
  /** The name in the box's certificate, where it is not the host. */
  readonly servername: string;
  /** PEM text or the path of a file; empty: the authorities that Node.js knows. */
  readonly ca: string;
  /** PEM text or the path of a file; empty: none. */
  readonly certificate: string;
  /** Reports that may wait for the box, and MiB of them. */
  readonly maxWaiting: number | string;
  readonly maxWaitingMiB: number | string;
}

/** What Node-RED keeps encrypted. */
export interface GatewayCredentials {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** The private key of `certificate`: PEM text or the path of a file. */
  readonly key?: string | undefined;
}

export interface TlsSettings {
  readonly servername: string;
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export type Target =
  | { readonly path: string }
  | { readonly host: string; readonly port: number; readonly tls: TlsSettings | undefined };

/** Where a gateway is and who asks. */
export interface Connection {
  readonly target: Target;
  readonly username: string;
  readonly password: string;
  /** For people. */
  readonly where: string;
  /** The longest pause between two tries, in ms. */
  readonly longestPauseMs: number;
}

const longestPauseMs = { box: 5_000, network: 30_000 };
export const defaultPort = 8883;

/** @throws NodeError `no-box` or `bad-settings`, saying what to correct. */
export function resolveConnection(
  config: GatewayConfig,
  credentials: GatewayCredentials,
  box: BoxSettings | undefined,
): Connection {
  if (config.place === 'box') {
    if (!box) {
      throw new NodeError(
        'no-box',
        "this Node-RED does not run on a Holdfast box: open the gateway node, choose 'Another computer' and enter the box's address, user name and password",
      );
    }
    const { username, password, socket } = box;
    return { target: { path: socket }, username, password, where: 'this box', longestPauseMs: longestPauseMs.box };
  }
  const host = String(config.host ?? '').trim();
  const port = Number(config.port || defaultPort);
  const { username = '', password = '', key = '' } = credentials;
  const missing = (what: string) => new NodeError('bad-settings', `${what}: correct it in the gateway node`);
  if (host === '') throw missing("the box's address is missing");
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw missing(`${config.port} is not a port`);
  if (username === '') throw missing('the user name is missing');
  if (!namePattern.test(username)) throw missing(`the user name ${username} is not 1 to 64 of A-Z a-z 0-9 _ -`);
  if (password === '') throw missing('the password is missing');
  const { servername = '', ca = '', certificate = '' } = config;
  if ((certificate === '') !== (key === '')) throw missing('a client certificate and its private key belong together');
  const tls = config.security === 'plain' ? undefined : { servername, ca, certificate, key };
  const where = `the box at ${host}:${port}`;
  return { target: { host, port, tls }, username, password, where, longestPauseMs: longestPauseMs.network };
}

/**
 * The same for each gateway node at each start, so that the broker knows its session; another one for a copy of the flow
 * on another computer, because two clients with one id put each other out for ever.
 */
export function clientIdOf(nodeId: string): string {
  return `nodes-${createHash('sha256').update(`${hostname()}\n${nodeId}`).digest('hex').slice(0, 24)}`;
}
