import { ReportOutlets } from './report-outlets.ts';
import { defaultReportLimits, type ReportLimits, ReportStore } from './report-store.ts';

/** The unfinished reports of one gateway node and the nodes that wait for them. */
export interface Pending {
  readonly store: ReportStore;
  readonly outlets: ReportOutlets;
}

/** By the gateway node's id. Of the module, so that a deploy, which makes every node anew, loses nothing. */
const all = new Map<string, Pending>();

export function pendingOf(gatewayNodeId: string, limits: ReportLimits = defaultReportLimits): Pending {
  let pending = all.get(gatewayNodeId);
  if (pending) {
    pending.store.limits = limits;
  } else {
    pending = { store: new ReportStore(limits), outlets: new ReportOutlets() };
    all.set(gatewayNodeId, pending);
  }
  return pending;
}

/** Forgets a gateway node for which nothing waits; true when it is forgotten. */
export function forgetPending(gatewayNodeId: string): boolean {
  const { waiting = 0, undelivered = 0 } = all.get(gatewayNodeId)?.store.counts() ?? {};
  if (waiting > 0 || undelivered > 0) return false;
  all.delete(gatewayNodeId);
  return true;
}
