import { type Connection, clientIdOf } from '../../../nodes/shared/connection.ts';
import { GatewayClient, type GatewayClientOptions } from '../../../nodes/shared/gateway-client.ts';
import { connectMqtt } from '../../../nodes/shared/mqtt-session.ts';
import { type Pending, pendingOf } from '../../../nodes/shared/pending.ts';
import type { ReportEvent } from '../../../nodes/shared/report-outlets.ts';
import { defaultReportLimits, type ReportLimits } from '../../../nodes/shared/report-store.ts';
import { systemTimers, type Timers } from '../../../nodes/shared/timers.ts';
import type { ScriptedGateway } from './scripted-gateway.ts';

/** Real time, with every pause between two tries cut short. */
export function hastyTimers(longestMs = 20): Timers & { readonly pauses: number[] } {
  const pauses: number[] = [];
  return {
    pauses,
    now: systemTimers.now,
    after(ms, run) {
      pauses.push(ms);
      return systemTimers.after(Math.min(ms, longestMs), run);
    },
  };
}

const open: GatewayClient[] = [];

export interface TestClient {
  readonly client: GatewayClient;
  readonly pending: Pending;
  readonly events: ReportEvent[];
  readonly done: Map<string, Error | 'stored'>;
  readonly log: string[];
  report(id: string, body?: unknown): void;
}

let nodes = 0;

/** A client of a node of its own, or of the given one. */
export function startClient(
  gateway: ScriptedGateway,
  {
    nodeId = `node-${++nodes}`,
    limits = {},
    connection = {},
    ...options
  }: Partial<Omit<GatewayClientOptions, 'connection'>> & {
    nodeId?: string;
    limits?: Partial<ReportLimits>;
    connection?: Partial<Connection>;
  } = {},
): TestClient {
  const pending = pendingOf(nodeId, { ...defaultReportLimits, ...limits });
  const log: string[] = [];
  const client = new GatewayClient({
    connection: {
      target: { host: '127.0.0.1', port: gateway.port, tls: undefined },
      username: gateway.username,
      password: 'secret',
      where: 'the box',
      longestPauseMs: 30_000,
      ...connection,
    },
    clientId: clientIdOf(nodeId),
    pending,
    connect: connectMqtt,
    timers: hastyTimers(),
    log: (text) => log.push(text),
    ...options,
  });
  open.push(client);
  const events: ReportEvent[] = [];
  const done = new Map<string, Error | 'stored'>();
  client.onReport.add((event) => events.push(event));
  pending.outlets.attach('owner', (event, waiter) => {
    if (event.state === 'stored') waiter.done();
  });
  client.start();
  return {
    client,
    pending,
    events,
    done,
    log,
    report(id, body = { 序列号: 's1' }) {
      const wire = Buffer.from(JSON.stringify({ channel: 'device_process_info', body }));
      const waiter = { owner: 'owner', message: { _msgid: id }, done: (e?: Error) => void done.set(id, e ?? 'stored') };
      client.report({ id, channel: 'device_process_info', wire, waiter });
    },
  };
}

export async function stopClients(): Promise<void> {
  for (const client of open.splice(0)) await client.stop();
}
