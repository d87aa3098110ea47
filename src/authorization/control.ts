import type { Alarms } from '../alarms.ts';
import { type Counters, countBy } from '../metrics.ts';
import type { Logger } from '../platform/index.ts';
import { grantKeys, parseBody, pushKinds, readPush } from '../protocols/machines/index.ts';
import type { AuthorizationRecords } from './records.ts';
import type { Leases } from './types.ts';

/** Applies a push of another kind; resolves when it is on disk, or is not for us. */
export type PushHandler = (body: Buffer) => Promise<void>;

/**
 * Applies what the centre pushes to this gateway, by its 类型: changes of authorizations here, others where they belong.
 *
 * A push that is not understood, not signed by the centre, or older than what is known is put down and dropped: asking
 * for it again would not change it. One that the disk does not take rejects, so that it is asked for again.
 */
export class ControlRouter {
  readonly #leases: Leases;
  readonly #records: AuthorizationRecords;
  readonly #alarms: Alarms;
  readonly #counters: Counters;
  readonly #logger: Logger;
  readonly #handlers: ReadonlyMap<string, PushHandler>;

  constructor(options: {
    leases: Leases;
    records: AuthorizationRecords;
    alarms: Alarms;
    counters: Counters;
    logger: Logger;
    /** For the kinds beside changes of authorizations, by their 类型. */
    handlers?: ReadonlyMap<string, PushHandler>;
  }) {
    this.#leases = options.leases;
    this.#records = options.records;
    this.#alarms = options.alarms;
    this.#counters = options.counters;
    this.#logger = options.logger;
    this.#handlers = options.handlers ?? new Map();
  }

  /** Resolves when the push is applied or dropped; rejects when the disk does not take it. */
  async apply(body: Buffer): Promise<void> {
    const content = parseBody(body);
    const kind = typeof content === 'string' ? undefined : content[grantKeys.kind];
    if (kind === pushKinds.authorization) return this.#applyChange(body);
    const handler = typeof kind === 'string' ? this.#handlers.get(kind) : undefined;
    if (handler !== undefined) return handler(body);
    countBy(this.#counters.authorizationChanges, 'unknown');
    this.#logger.warn({}, 'a push of the centre is of no known kind and was dropped');
  }

  async #applyChange(body: Buffer): Promise<void> {
    const grant = readPush(body);
    if (grant === undefined) {
      countBy(this.#counters.authorizationChanges, 'malformed');
      await this.#records.write('change', { outcome: 'malformed' });
      return;
    }
    const outcome = await this.#leases.applyChange(grant);
    const { serial } = grant.identity;
    countBy(this.#counters.authorizationChanges, outcome);
    if (outcome === 'bad-signature') this.#alarms.raise('grant-signature', { serial });
    await this.#records.write('change', { serial, outcome, until: grant.until, version: grant.version });
  }
}
