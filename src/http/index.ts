export { basicCredential } from './basic.ts';
export { type ConnectionLimits, defaultConnectionLimits, limitConnections, listenHost } from './connection-limit.ts';
export { answerOptions } from './options.ts';
export { answerError, type Problem } from './problems.ts';
export {
  defaultHttpLimits,
  type HttpLimits,
  type HttpListenOptions,
  HttpServer,
  type HttpServerOptions,
} from './server.ts';
export type { Health, MetricsText } from './status-routes.ts';
