/**
 * The demo's gateway, in a process of its own so that it can be killed. It is the gateway that also runs on a box; only
 * its configuration comes over the IPC channel, because it holds passwords that are drawn anew each time.
 *
 * It ends in order on the message `stop`, and also when the demo has gone: a gateway without its demo serves nobody.
 */
import type { GatewayConfig } from '../config/index.ts';
import { describeError, type ErrorCode, isHoldfastError } from '../errors.ts';
import { Gateway } from '../gateway.ts';
import { createLogger, systemClock } from '../platform/index.ts';
import type { Ledger } from './ledger.ts';

/** What the demo says to its gateway. */
export type GatewayOrder =
  | { readonly kind: 'start'; readonly config: GatewayConfig; readonly dataFolder: string }
  | { readonly kind: 'stop' };

/** What the gateway answers. */
export type GatewayNews =
  | { readonly kind: 'running' }
  | { readonly kind: 'failed'; readonly code: ErrorCode | undefined; readonly message: string }
  | { readonly kind: 'stopped'; readonly ledger: Ledger };

let gateway: Gateway | undefined;

async function start(config: GatewayConfig, dataFolder: string): Promise<void> {
  gateway = new Gateway({ config, dataFolder, clock: systemClock(), logger: createLogger(config.log.level) });
  try {
    await gateway.start();
    tell({ kind: 'running' });
  } catch (error) {
    tell({ kind: 'failed', code: isHoldfastError(error) ? error.code : undefined, message: describeError(error) });
    process.disconnect();
  }
}

async function stop(): Promise<void> {
  const stopping = gateway;
  gateway = undefined;
  if (stopping !== undefined) {
    await stopping.stop();
    const { accepted, delivered, pending, quarantined, evicted } = stopping.spool.status;
    tell({ kind: 'stopped', ledger: { accepted, delivered, pending, quarantined, evicted } });
  }
  if (process.connected) process.disconnect();
}

function tell(news: GatewayNews): void {
  if (process.connected) process.send!(news);
}

process.on('message', (order: GatewayOrder) => {
  if (order.kind === 'start') void start(order.config, order.dataFolder);
  else void stop();
});
process.once('disconnect', () => void stop());
// Ctrl-C reaches every process of the terminal; the demo says when it is time.
process.on('SIGINT', () => {});
