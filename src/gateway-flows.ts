/**
 * Flows as a part of the gateway: the door that they report and ask at, what they read, and the engine that runs those
 * of the box. Nothing of it stands in the way of machines' reports.
 */
import { join } from 'node:path';
import type { BoxQueries } from './box-queries.ts';
import type { Broker, LocalRequests } from './broker/index.ts';
import type { AcceptedReport, Intake } from './intake/index.ts';
import { Feed, isLocalTopic, LocalDoor } from './local/index.ts';
import type { Counters } from './metrics.ts';
import type { Clock, Logger } from './platform/index.ts';
import type { Spool } from './spool/index.ts';

/** What flows need of the gateway. */
export interface GatewayFlowsOptions {
  readonly intake: Intake;
  readonly spool: Spool;
  readonly queries: BoxQueries;
  readonly leaseUntil: (serial: string) => string | undefined;
  readonly isUplinkConnected: () => boolean;
  readonly broker: () => Broker | undefined;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The Unix socket of the broker, for flows of the box. */
export const flowSocketPath = (dataFolder: string): string => join(dataFolder, 'secrets', 'flows.sock');

export class GatewayFlows {
  readonly door: LocalDoor;
  readonly #feed: Feed;

  constructor(options: GatewayFlowsOptions) {
    const { spool, queries, broker, isUplinkConnected, clock } = options;
    const deliver = (topic: string, body: Buffer) => broker()?.deliverLocal(topic, body);
    this.door = new LocalDoor({
      ...options,
      ask: queries.ask,
      deliver,
      logger: options.logger.child({ part: 'flows' }),
    });
    this.#feed = new Feed({
      uplink: () => ({ connected: isUplinkConnected(), pending: spool.status.pending }),
      hasReaders: () => broker()?.hasFeedReaders ?? false,
      deliver,
      clock,
    });
  }

  /** For the broker. */
  get requests(): LocalRequests {
    return {
      isMine: isLocalTopic,
      mayRead: (identity, filter) => this.door.mayRead(identity, filter),
      accept: (request) => this.door.accept(request),
      greeting: (topic) => this.#feed.greeting(topic),
    };
  }

  /** A report is on disk. */
  note(report: AcceptedReport): void {
    this.#feed.note(report);
  }

  /** Once the spool is open. */
  start(): void {
    this.#feed.start();
  }

  stop(): void {
    this.#feed.stop();
  }
}
