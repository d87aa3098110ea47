import type { Alarms } from './alarms.ts';
import type { Broker } from './broker/index.ts';
import type { GatewayAuthorization } from './gateway-authorization.ts';
import type { GatewayFlows } from './gateway-flows.ts';
import type { MetricsText } from './http/index.ts';
import { type Counters, Metrics } from './metrics.ts';
import type { Certificates } from './platform/index.ts';
import type { LogName, Spool } from './spool/index.ts';
import type { Forwarder, UplinkTransport } from './uplink/index.ts';

/** Whose figures there are; what is not started yet is undefined. */
export interface MeasuredParts {
  readonly spool: Spool;
  readonly transport: UplinkTransport | undefined;
  readonly forwarder: Forwarder | undefined;
  readonly broker: Broker | undefined;
  readonly authorization: GatewayAuthorization | undefined;
  readonly flows: GatewayFlows | undefined;
  readonly alarms: Alarms;
  readonly certificates: Certificates;
}

/** The gateway's figures, once the spool is open; `parts` is asked at each scrape. */
export function gatewayMetrics(counters: Counters, parts: () => MeasuredParts): MetricsText {
  const perLog = (pick: (log: { pending: number; bytes: number }) => number): Map<LogName, number> =>
    new Map(Object.values(parts().spool.status.logs).map((log) => [log.name, pick(log)]));
  const metrics = new Metrics({
    counters,
    gauges: {
      reportsQuarantined: () => parts().spool.status.quarantined,
      reportsDeferred: () => parts().spool.status.logs.deferred.pending,
      spoolPending: () => perLog((log) => log.pending),
      spoolBytes: () => perLog((log) => log.bytes),
      uplinkConnected: () => (parts().transport?.state.connected ? 1 : 0),
      uplinkUnderWay: () => parts().forwarder?.state.underWay ?? 0,
      alarmActive: () => new Map(parts().alarms.active.map(({ code }) => [code, 1])),
      mqttConnected: () => parts().broker?.connectedCount ?? 0,
      mqttAbsentSessions: () => parts().broker?.absentSessionCount ?? 0,
      authorizationOpen: () => parts().authorization?.openCount ?? 0,
      flowEngineUp: () => parts().flows?.engine.figures.up ?? 0,
      flowEngineBytes: () => parts().flows?.engine.figures.memoryBytes ?? 0,
      certificateSeconds: () => parts().certificates.secondsLeft,
    },
    processFigures: true,
  });
  return {
    contentType: metrics.contentType,
    text: async () => {
      if (parts().spool.isNew) return undefined;
      collectTotals(counters, parts());
      return metrics.text();
    },
  };
}

/** Totals that others count: those that survive restarts are the spool's. */
function collectTotals(counters: Counters, { spool, flows }: MeasuredParts): void {
  const { accepted, delivered, evicted, writtenBytes, forgottenEarly } = spool.status;
  counters.reportsAccepted = accepted;
  counters.reportsDelivered = delivered;
  counters.reportsEvicted = evicted;
  counters.spoolWrittenBytes = writtenBytes;
  counters.reportsForgotten = forgottenEarly;
  if (flows === undefined) return;
  const { held, dropped, restarts } = flows.engine.figures;
  counters.flowMessagesHeld = held;
  counters.flowMessagesDropped = dropped;
  for (const [reason, count] of restarts) counters.flowEngineRestarts.set(reason, count);
}
