/**
 * Simulated printers, for trying out, for load and for tests. They live through the seed's life cycle, report over MQTT,
 * HTTP or AMQP as real machines do, and check every acknowledgement and every reply.
 *
 * Invariants: what a machine says is unlike anything it has said before; order per machine and channel is kept; a report
 * is repeated byte for byte; the same seed makes the same lives, apart from the times.
 * Failure behaviour: a gateway that is away is waited for, for ever; what is wrong is counted and told, and ends nothing.
 */
export { createFigures, type Figures } from './figures.ts';
export { doorSchemes } from './open-door.ts';
export { Site, type SiteOptions } from './site.ts';
