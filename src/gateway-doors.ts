/** The doors that machines come in by, made from the configuration: HTTP and MQTT. Neither listens yet. */
import { type Access, Broker, defaultBrokerLimits } from './broker/index.ts';
import { type GatewayConfig, networkMatcher } from './config/index.ts';
import type { GatewayFlows } from './gateway-flows.ts';
import { defaultHttpLimits, HttpServer, type HttpServerOptions } from './http/index.ts';
import type { MachineIntake } from './intake/index.ts';
import type { Counters } from './metrics.ts';
import type { Certificates, Clock, Logger } from './platform/index.ts';

interface DoorOptions {
  readonly config: GatewayConfig;
  readonly certificates: Certificates;
  readonly access: Access;
  readonly intake: MachineIntake;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The HTTP server; its certificate is renewed when its files change. */
export function gatewayHttp({
  config,
  certificates,
  logger,
  ...options
}: DoorOptions & Pick<HttpServerOptions, 'health' | 'metrics' | 'routes'>): HttpServer {
  const { http } = config;
  const server: HttpServer = new HttpServer({
    ...options,
    listen: {
      host: http.host,
      port: http.port,
      alsoListen: http.alsoListen,
      tls: http.tls && {
        port: http.tlsPort,
        ...certificates.watchServer('http.tls', http.tls, (renewed) => server.setCertificate(renewed)),
      },
    },
    mayBePlain: networkMatcher(http.plainFrom),
    metricsToken: http.metricsToken,
    limits: { ...defaultHttpLimits, maxBodyBytes: http.maxBodyBytes },
    logger: logger.child({ part: 'http' }),
  });
  return server;
}

/** The MQTT broker, as `gatewayHttp`; undefined when nobody is to come in by it, neither machines nor flows. */
export function gatewayBroker({
  config,
  certificates,
  logger,
  flows,
  ...options
}: DoorOptions & {
  readonly flows: GatewayFlows;
  /** Names of the channels that machines report and ask on. */
  readonly channels: readonly string[];
}): Broker | undefined {
  const { mqtt } = config;
  if (mqtt.port === 0 && mqtt.tls === undefined && flows.socketPath === undefined) return undefined;
  const broker: Broker = new Broker({
    ...options,
    listen: {
      host: mqtt.host,
      plain: mqtt.port === 0 ? undefined : mqtt.port,
      tls: mqtt.tls && {
        port: mqtt.tls.port,
        ...certificates.watchServer('mqtt.tls', mqtt.tls, (renewed) => broker.setCertificate(renewed)),
      },
      path: flows.socketPath,
    },
    local: flows.requests,
    mayBePlain: networkMatcher(mqtt.plainFrom),
    limits: {
      ...defaultBrokerLimits,
      maxPacketBytes: mqtt.maxPacketBytes,
      maxConnections: mqtt.maxConnections,
      maxInflight: mqtt.maxInflight,
      ratePerSecond: mqtt.ratePerClient,
    },
    logger: logger.child({ part: 'mqtt' }),
  });
  return broker;
}
