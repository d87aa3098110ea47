import type { Alarms } from './alarms.ts';
import type { GatewayConfig } from './config/index.ts';
import type { FlowEngineState } from './flow-engine/index.ts';
import type { Health } from './http/index.ts';
import type { RecentState } from './recent/index.ts';
import { laneNames, type Spool } from './spool/index.ts';
import type { Forwarder, UplinkTransport } from './uplink/index.ts';

/**
 * The state of the box: ok as long as it can accept and keep reports, whatever the uplink does; `degraded` when
 * something wants attention.
 */
export function gatewayHealth(parts: {
  state: 'new' | 'starting' | 'running' | 'stopping';
  id: string;
  spool: Spool | undefined;
  transport: UplinkTransport | undefined;
  forwarder: Forwarder | undefined;
  authorization: object | undefined;
  flows: FlowEngineState | undefined;
  recent: RecentState | undefined;
  alarms: Alarms;
  config: GatewayConfig;
}): Health {
  const { state, spool, transport, forwarder, alarms, config } = parts;
  if (state !== 'running' || spool === undefined) {
    return { ok: false, status: state === 'stopping' ? 'stopping' : 'starting' };
  }
  const status = spool.status;
  const lanes = Object.fromEntries(
    Object.values(status.logs).map(({ name, pending, bytes, quotaBytes, syncEveryMs, error }) => [
      name,
      {
        pending,
        bytes,
        quotaBytes,
        ...(syncEveryMs > 0 && { syncEveryMs }),
        ...(error !== undefined && { error: { code: error.code, message: error.message } }),
      },
    ]),
  );
  const refusing = laneNames.filter((name) => status.logs[name].error !== undefined);
  const link = transport?.state;
  const isDegraded =
    (transport !== undefined && !link?.connected) || link?.blocked === true || alarms.active.length > 0;
  return {
    ok: refusing.length === 0,
    status: refusing.length > 0 ? 'refusing' : isDegraded ? 'degraded' : 'ok',
    gateway: parts.id,
    uplink:
      link === undefined
        ? { configured: false }
        : {
            connected: link.connected,
            since: new Date(link.sinceMs).toISOString(),
            blocked: link.blocked,
            connects: link.connects,
            ...(link.lastError !== undefined && {
              error: { code: link.lastError.code, message: link.lastError.message },
            }),
            acknowledge: config.upstream.acknowledge,
            ...forwarder?.state,
          },
    ...(parts.authorization !== undefined && { authorization: parts.authorization }),
    spool: {
      accepted: status.accepted,
      delivered: status.delivered,
      pending: status.pending,
      quarantined: status.quarantined,
      evicted: status.evicted,
      lanes,
    },
    queries: parts.recent,
    flows: parts.flows,
    alarms: alarms.active.map(({ code, subject, sinceMs, details }) => ({
      code,
      subject,
      since: new Date(sinceMs).toISOString(),
      ...details,
    })),
  };
}
