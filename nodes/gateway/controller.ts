import { clientIdOf, type GatewayConfig, type GatewayCredentials, resolveConnection } from '../shared/connection.ts';
import { GatewayClient } from '../shared/gateway-client.ts';
import type { Migration } from '../shared/migrate.ts';
import { connectMqtt } from '../shared/mqtt-session.ts';
import { NodeError } from '../shared/node-error.ts';
import type { BoxSettings } from '../shared/node-red.ts';
import { forgetPending, pendingOf } from '../shared/pending.ts';
import { defaultReportLimits, type ReportLimits } from '../shared/report-store.ts';

/** Version 1 is the first one. */
export const migrations: readonly Migration[] = [(config) => config];

/** What a hand-written flow may leave out. */
export const defaults = {
  place: 'box',
  host: '',
  port: 8883,
  security: 'tls',
  servername: '',
  ca: '',
  certificate: '',
  maxWaiting: defaultReportLimits.maxWaiting,
  maxWaitingMiB: defaultReportLimits.maxBytes / 1024 / 1024,
};

export interface GatewayOptions {
  readonly config: GatewayConfig;
  readonly credentials: GatewayCredentials;
  readonly box: BoxSettings | undefined;
  readonly log: (text: string) => void;
}

/**
 * The client of a gateway node; it connects when the first node refers to it. Its reports are those of the node's id.
 *
 * @throws NodeError `no-box` or `bad-settings`
 */
export function makeClient({ config, credentials, box, log }: GatewayOptions): GatewayClient {
  const connection = resolveConnection(config, credentials, box);
  const pending = pendingOf(config.id, limitsOf(config));
  return new GatewayClient({ connection, clientId: clientIdOf(config.id), pending, connect: connectMqtt, log });
}

/** Ends a client; the text for the log when reports wait for a gateway node that was taken out of the flow. */
export async function endClient(client: GatewayClient, id: string, removed: boolean): Promise<string | undefined> {
  await client.stop();
  if (!removed || forgetPending(id)) return undefined;
  const { waiting, undelivered } = client.pending.store.counts();
  return `${waiting} reports wait for a gateway node that was removed, ${undelivered} for news of their delivery: they go on when it is put back before Node-RED ends`;
}

function limitsOf({ maxWaiting, maxWaitingMiB }: GatewayConfig): ReportLimits {
  const count = bounded(maxWaiting, 1_000_000, 'the number of reports that may wait');
  const maxBytes = bounded(maxWaitingMiB, 1_024, 'the MiB of reports that may wait') * 1024 * 1024;
  return { ...defaultReportLimits, maxWaiting: count, maxBytes };
}

function bounded(value: number | string, most: number, what: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw new NodeError(
    'bad-settings',
    `${what} is ${value}: enter a whole number from 1 to ${most} in the gateway node`,
  );
}
