import type { Clock } from '../platform/index.ts';
import type { Ledger } from './ledger.ts';

/** What a gateway says of itself. */
export interface GatewayState {
  readonly ledger: Ledger;
  readonly isUplinkUp: boolean;
  /** Codes of the active alarms. */
  readonly alarms: readonly string[];
  /** Answers by a lease since it was started. */
  readonly byLease: number;
}

const timeoutMs = 1000;

/** Asks `/healthz` of the gateway on that port; undefined while it does not run or does not answer. Never rejects. */
export async function readGatewayState(host: string, port: number, clock: Clock): Promise<GatewayState | undefined> {
  const giveUp = new AbortController();
  const timer = clock.after(timeoutMs, () => giveUp.abort());
  const get = (path: string) => fetch(`http://${host}:${port}${path}`, { signal: giveUp.signal });
  try {
    const [response, metrics] = await Promise.all([get('/healthz'), get('/metrics').then((answer) => answer.text())]);
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
      byLease: Number(
        /^holdfast_authorization_answers_total\{[^}]*"granted-by-lease"[^}]*\} (\d+)$/m.exec(metrics)?.[1] ?? 0,
      ),
    };
  } catch {
    return undefined;
  } finally {
    timer.cancel();
  }
}
