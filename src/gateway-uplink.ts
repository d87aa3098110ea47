import type { GatewayConfig } from './config/index.ts';
import { type createChannels, validateReport } from './protocols/machines/index.ts';
import { Forwarder, type ForwarderOptions } from './uplink/index.ts';

/** Reports under way: a broker's confirm must not wait for a busy event loop, a database not for what is repeated. */
const defaultWindow = { stored: 512, broker: 2048 } as const;

/** What the forwarder needs of the gateway; the rest is configuration. */
export interface GatewayForwarderOptions
  extends Pick<
    ForwarderOptions,
    'spool' | 'transport' | 'clock' | 'logger' | 'alarms' | 'counters' | 'gatewayId' | 'onDelivered'
  > {
  readonly config: GatewayConfig;
  readonly channels: ReturnType<typeof createChannels>;
}

/** The forwarder as the configuration wants it; not started. */
export function gatewayForwarder({ config, channels, ...parts }: GatewayForwarderOptions): Forwarder {
  const { acknowledge, window, receiptTimeoutMs } = config.upstream;
  const { alarm, state, process, bulk } = config.spool.lanes;
  return new Forwarder({
    ...parts,
    acknowledge,
    window: window ?? defaultWindow[acknowledge],
    receiptTimeoutMs,
    weights: { alarm: alarm.weight, state: state.weight, process: process.weight, bulk: bulk.weight },
    stateOf: (name, body) => {
      const channel = channels.get(name);
      return channel?.kind === 'process' ? validateReport(channel, body).state : undefined;
    },
  });
}
