import type { Clock } from '../platform/index.ts';
import type { Ledger } from './ledger.ts';

/** What a gateway says of itself. */
export interface GatewayState {
  readonly ledger: Ledger;
  readonly isUplinkUp: boolean;
  /** Codes of the active alarms. */
  readonly alarms: readonly string[];
}

const timeoutMs = 1000;

/** Asks `/healthz` of the gateway on that port; undefined while it does not run or does not answer. Never rejects. */
export async function readGatewayState(host: string, port: number, clock: Clock): Promise<GatewayState | undefined> {
  const giveUp = new AbortController();
  const timer = clock.after(timeoutMs, () => giveUp.abort());
  try {
    const response = await fetch(`http://${host}:${port}/healthz`, { signal: giveUp.signal });
    const health = (await response.json()) as {
      spool?: Ledger;
      uplink?: { connected?: boolean };
      alarms?: { code: string }[];
    };
    if (health.spool === undefined) return undefined;
    const { accepted, delivered, pending, quarantined, evicted } = health.spool;
    return {
      ledger: { accepted, delivered, pending, quarantined, evicted },
      isUplinkUp: health.uplink?.connected === true,
      alarms: (health.alarms ?? []).map(({ code }) => code),
    };
  } catch {
    return undefined;
  } finally {
    timer.cancel();
  }
}
