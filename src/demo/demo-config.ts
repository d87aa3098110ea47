import type { GatewayConfig } from '../config/index.ts';

/** What the demo decides about the configuration. */
export interface DemoSettings {
  readonly host: string;
  readonly httpPort: number;
  readonly mqttPort: number;
  readonly centralPort: number;
  readonly editorPort: number;
  readonly gatewayId: string;
  readonly upstreamUrl: string;
  readonly documentFolder: string;
  /** File with the public key of the demo's centre. */
  readonly centreKey: string;
  /** Where none is configured: a container has nothing to be told by, and a demo shall run without an alarm. */
  readonly hardwareIdentity: string;
  /** Who may report, with passwords of this run. */
  readonly clients: readonly { readonly username: string; readonly password: string; readonly serials: string[] }[];
}

/** Segments are allocated at once; the demo shall not ask for hundreds of megabytes. */
const segmentSizeBytes = 1_048_576;

/**
 * The owner's configuration turned into one that stays on this computer: every port on loopback, the demo's own centre
 * whatever upstream is configured, no TLS, nobody anonymous.
 */
export function demoConfig(config: GatewayConfig, settings: DemoSettings): GatewayConfig {
  const { host, httpPort, mqttPort, centralPort, gatewayId, upstreamUrl, documentFolder, clients } = settings;
  const { centreKey } = settings;
  const hardwareIdentity = config.authorization.hardwareIdentity ?? settings.hardwareIdentity;
  const names = new Set(clients.map(({ username }) => username));
  const others = config.mqtt.clients.filter(({ username }) => !names.has(username));
  const named = clients.map((client) => ({ allow: undefined, ...client }));
  const noTls = { ca: undefined, certificate: undefined, key: undefined };
  return {
    ...config,
    gateway: { ...config.gateway, id: gatewayId },
    http: { ...config.http, host, port: httpPort, alsoListen: [], tls: undefined },
    mqtt: { ...config.mqtt, host, port: mqttPort, anonymous: false, tls: undefined, clients: [...named, ...others] },
    upstream: { ...config.upstream, url: upstreamUrl, tls: noTls, acknowledge: 'stored' },
    spool: { ...config.spool, segmentSizeBytes },
    authorization: { ...config.authorization, centreKey, hardwareIdentity },
    flows: {
      ...config.flows,
      initial: config.flows.initial ?? 'demo',
      editor: { enabled: true, host, port: settings.editorPort, tls: undefined },
    },
    central: {
      ...config.central,
      broker: undefined,
      mongodb: undefined,
      embedded: documentFolder,
      signingKey: undefined,
      http: { host, port: centralPort, tls: undefined },
    },
  };
}
